package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

const (
	org        = "demo"
	recipients = 40
)

// dial is the life of a process: it opens the journal, dials until the batch is far enough, and
// leaves at once, whatever is in flight.
func (d demo) dial(ctx context.Context, name string, enough func(store.Batch) bool) error {
	s, err := Open(ctx, d.path)
	if err != nil {
		return err
	}
	defer s.Close()
	engine, err := batch.New(batch.Config{
		Store: s, Directory: directory{}, Dialers: map[string]dialer.Dialer{"carrier": d.dialer},
		DrainTimeout: batch.NoDrain,
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var ran error
	var wg sync.WaitGroup
	wg.Go(func() { ran = engine.Run(running) })
	b, err := follow(ctx, engine, enough)
	stop()
	wg.Wait()
	if err := errors.Join(err, ran); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Printf("%s leaves: %d of %d recipients reached, %d calls in flight\n",
		name, b.Counts.Completed, b.Counts.Scheduled(), b.Counts.InFlight())
	return nil
}

// follow creates the batch, unless the process before has, and watches it. The key
// makes the request safe to repeat.
func follow(ctx context.Context, engine *batch.Engine, enough func(store.Batch) bool) (store.Batch, error) {
	b, err := engine.Create(ctx, org, request())
	if err != nil {
		return b, err
	}
	for change, err := range engine.Watch(ctx, org, b.ID, 0) {
		if err != nil {
			return b, err
		}
		if change.Batch != nil && enough(*change.Batch) {
			return *change.Batch, nil
		}
	}
	return b, context.Cause(ctx)
}

func request() batch.Request {
	r := batch.Request{Name: "a batch", AgentID: "greeter", NumberID: "main", Target: 8, Key: "today's"}
	for i := range recipients {
		r.Recipients = append(r.Recipients, batch.RecipientRequest{To: fmt.Sprintf("+442079460%03d", i)})
	}
	return r
}

// directory knows one organisation with one agent and one number.
type directory struct{}

func (directory) Organisation(context.Context, string) (batch.Organisation, error) {
	return batch.Organisation{ConcurrencyLimit: 8}, nil
}

func (directory) Agent(_ context.Context, _, id string) (dialer.Agent, error) {
	return dialer.Agent{ID: id}, nil
}

func (directory) Number(context.Context, string, string) (batch.Number, error) {
	return batch.Number{E164: "+442079460999", Carriers: []string{"carrier"}}, nil
}
