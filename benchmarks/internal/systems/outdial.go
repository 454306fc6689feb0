package systems

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/load"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// Outdial is a contender for each of its stores.
func Outdial() []System {
	var out []System
	for _, s := range Stores() {
		out = append(out, System{
			Name: "outdial, " + s.Name, Durability: s.Durability, Settings: s.Settings,
			Queue: func(ctx context.Context, l *lab.Lab, w *load.Watch) (Job, error) { return queueOutdial(ctx, l, s, w) },
		})
	}
	return out
}

// Org is the organisation whose calls a load is.
const Org = "acme"

// outdialJob is a load in a store of outdial, with an engine that may dial it.
type outdialJob struct {
	w       *load.Watch
	book    *Book
	engine  *batch.Engine
	batches []store.Batch
	numbers map[string]int // of the batches by their ids
	stop    func() error
	close   func() error
}

func queueOutdial(ctx context.Context, l *lab.Lab, kind Store, w *load.Watch) (Job, error) {
	s, closing, err := kind.Open(ctx, l)
	if err != nil {
		return nil, err
	}
	j := &outdialJob{w: w, book: NewBook(Limits{Org: w.Load.Slots}), numbers: map[string]int{}, close: closing}
	counted, _ := countSteps(s, j.book)
	if err := j.queue(ctx, counted); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

func (j *outdialJob) queue(ctx context.Context, s store.Store) (err error) {
	if j.engine, err = NewEngine(s, Limits{Org: j.w.Load.Slots}, j); err != nil {
		return err
	}
	for i, b := range j.w.Load.Batches {
		made, err := j.engine.Create(ctx, Org, Request(len(b.Lengths), b.Limit))
		if err != nil {
			return err
		}
		j.batches = append(j.batches, made)
		j.numbers[made.ID] = i
	}
	return nil
}

// Dial implements [dialer.Dialer].
func (j *outdialJob) Dial(ctx context.Context, c dialer.Call, _ func(dialer.Progress)) (dialer.Outcome, error) {
	id, index, err := store.ParseRecipientID(c.Recipient)
	if err != nil {
		return dialer.Outcome{}, err
	}
	begun := time.Now()
	j.w.Call(ctx, j.numbers[id], index)
	return dialer.Outcome{Reason: dialer.ClientHangup, ConnectedAt: begun}, nil
}

func (j *outdialJob) Run(ctx context.Context) (time.Time, error) {
	j.stop = RunEngine(ctx, j.engine)
	left := j.batches
	end, err := await(ctx, j.w, func(ctx context.Context) (bool, error) {
		for ; len(left) > 0; left = left[1:] {
			b, err := j.engine.Batch(ctx, Org, left[0].ID)
			if err != nil || !b.Counts.Over() {
				return false, err
			}
			if b.Counts.Completed != b.Counts.Scheduled() {
				return false, fmt.Errorf("batch %s: counts %+v, want all completed", b.ID, b.Counts)
			}
		}
		return true, nil
	})
	return end, errors.Join(err, j.book.Wrong())
}

func (j *outdialJob) Close() error {
	var stopped error
	if j.stop != nil {
		stopped = j.stop()
	}
	return errors.Join(stopped, j.close())
}
