package systems

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// Bench is an engine over one of outdial's stores, with a carrier that takes everything.
type Bench struct {
	Store   store.Store
	Engine  *batch.Engine
	Carrier *Carrier // nil: another dialer has its place
	Steps   *Steps

	book   *Book
	dialer dialer.Dialer
	limits Limits
	close  func() error
	stop   func() error
}

// NewBench opens an empty store and makes an engine over it, which does not run yet.
func NewBench(ctx context.Context, l *lab.Lab, kind Store, limits Limits, d dialer.Dialer) (*Bench, error) {
	s, closing, err := kind.Open(ctx, l)
	if err != nil {
		return nil, err
	}
	b := &Bench{book: NewBook(limits), dialer: d, limits: limits, close: closing}
	b.Store, b.Steps = countSteps(s, b.book)
	if b.Carrier, _ = d.(*Carrier); b.Carrier != nil {
		b.Carrier.book = b.book
	}
	if b.Engine, err = NewEngine(b.Store, limits, d); err != nil {
		return nil, errors.Join(err, closing())
	}
	return b, nil
}

// Run has the engine dial until ctx ends or it is stopped.
func (b *Bench) Run(ctx context.Context) { b.stop = RunEngine(ctx, b.Engine) }

// Stop has the engine end, without waiting for what is queued.
func (b *Bench) Stop() error {
	if b.stop == nil {
		return nil
	}
	return b.stop()
}

// Renew stops the engine and makes another one over the same store.
func (b *Bench) Renew() (err error) {
	if err := b.Stop(); err != nil {
		return err
	}
	b.stop = nil
	b.Engine, err = NewEngine(b.Store, b.limits, b.dialer)
	return err
}

// Close stops the engine and deletes what was kept.
func (b *Bench) Close() error { return errors.Join(b.Stop(), b.close()) }

// Create makes batches of that many recipients for each organisation, some at a time.
func (b *Bench) Create(ctx context.Context, orgs []string, batches, recipients, target int) error {
	making, ctx := errgroup.WithContext(ctx)
	const parallel = 8
	making.SetLimit(parallel)
	r := Request(recipients, target)
	for _, org := range orgs {
		for range batches {
			making.Go(func() error {
				_, err := b.Engine.Create(ctx, org, r)
				return err
			})
		}
	}
	return making.Wait()
}

// Reached returns when that many calls had begun, which it waits for as long as anything is left to do.
func (b *Bench) Reached(ctx context.Context, calls int64) (at time.Time, err error) {
	counting, stop := context.WithCancel(ctx)
	reached := make(chan struct{})
	var then time.Time
	var missing error
	go func() {
		defer close(reached)
		then, missing = b.Carrier.Reached(counting, calls)
	}()
	defer func() {
		stop()
		<-reached
		if missing == nil { // also where it was reached just now
			at, err = then, nil
		}
	}()
	now := time.NewTicker(time.Second)
	defer now.Stop()
	for {
		select {
		case <-reached:
			return then, missing
		case <-now.C:
		}
		active, err := b.Store.Active(ctx)
		if err != nil {
			return time.Time{}, err
		}
		if len(active) == 0 {
			return time.Time{}, fmt.Errorf("%d calls began, want %d", b.Carrier.Calls(), calls)
		}
	}
}

// Finish waits until that many calls have begun and nothing is left to do. The error tells of calls that
// never began, or began besides, which is to be looked into and not to be timed.
func (b *Bench) Finish(ctx context.Context, calls int64) (time.Time, error) {
	if _, err := b.Reached(ctx, calls); err != nil {
		return time.Time{}, err
	}
	end, err := b.Idle(ctx)
	if began := b.Carrier.Calls(); err == nil && began != calls {
		err = fmt.Errorf("%d calls began, want %d", began, calls)
	}
	return end, err
}

// Check says whether each call that began was its recipient's only one and completed, no organisation was above its
// limit, and, with all, whether every recipient had a call. Nothing may be left to do, or the engine has stopped.
func (b *Bench) Check(ctx context.Context, all bool) error {
	if err := b.book.Wrong(); err != nil {
		return err
	}
	sum := 0
	for org := range b.limits {
		batches, err := b.Engine.Batches(ctx, store.BatchQuery{Org: org})
		if err != nil {
			return err
		}
		for _, x := range batches {
			called, err := b.book.check(x)
			if err != nil {
				return err
			}
			if all && called != x.Counts.Scheduled() {
				return fmt.Errorf("batch %s: %d of %d recipients were called", x.ID, called, x.Counts.Scheduled())
			}
			sum += called
		}
	}
	if n := b.book.calls.Load(); n != int64(sum) {
		return fmt.Errorf("%d calls began, of %d recipients", n, sum)
	}
	return nil
}

// CheckHeld says whether the calls of h began and completed, each of another recipient, and nobody else had one.
// It stops the engine.
func (b *Bench) CheckHeld(ctx context.Context, h *Holder) error {
	if err := errors.Join(b.Stop(), b.book.Wrong(), h.Check()); err != nil {
		return err
	}
	completed := 0
	for org := range b.limits {
		batches, err := b.Engine.Batches(ctx, store.BatchQuery{Org: org})
		if err != nil {
			return err
		}
		for _, x := range batches {
			if c := x.Counts; c.Completed+c.Queued != c.Scheduled() {
				return fmt.Errorf("batch %s: counts %+v, want no calls but completed ones", x.ID, c)
			}
			completed += x.Counts.Completed
		}
	}
	if completed != len(h.Seen) {
		return fmt.Errorf("%d calls completed, want %d", completed, len(h.Seen))
	}
	return nil
}

// Idle waits until no organisation has anything left to do.
func (b *Bench) Idle(ctx context.Context) (time.Time, error) {
	err := Until(ctx, func(ctx context.Context) (bool, error) {
		active, err := b.Store.Active(ctx)
		return len(active) == 0, err
	})
	return time.Now(), err
}

// NewNodes makes engines that each have a store of their own over one PostgreSQL database and share a
// carrier. They are closed in the reverse order.
func NewNodes(ctx context.Context, l *lab.Lab, limits Limits, c *Carrier, n int) (nodes []*Bench, err error) {
	url, drop, err := l.Database(ctx)
	if err != nil {
		return nil, err
	}
	c.book = NewBook(limits)
	defer func() {
		if err != nil {
			for _, b := range nodes {
				err = errors.Join(err, b.Close())
			}
			err = errors.Join(err, drop())
		}
	}()
	for i := range n {
		s, err := postgres.Open(ctx, postgres.Config{URL: url})
		if err != nil {
			return nodes, err
		}
		b := &Bench{Carrier: c, book: c.book, dialer: c, limits: limits, close: s.Close}
		b.Store, b.Steps = countSteps(s, c.book)
		if i == 0 {
			b.close = func() error { return errors.Join(s.Close(), drop()) }
		}
		nodes = append(nodes, b)
		if b.Engine, err = NewEngine(b.Store, limits, c); err != nil {
			return nodes, err
		}
	}
	return nodes, nil
}
