package systems

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// Carrier counts calls, which are over when they begin.
type Carrier struct {
	Note func(c dialer.Call) // told of each call; nil: nobody

	calls   atomic.Int64
	waiting atomic.Int64 // waiters
	mu      sync.Mutex
	waiters []waiter
}

type waiter struct {
	calls   int64
	reached chan time.Time
}

// Dial implements [dialer.Dialer].
func (c *Carrier) Dial(_ context.Context, call dialer.Call, _ func(dialer.Progress)) (dialer.Outcome, error) {
	now := time.Now()
	n := c.calls.Add(1)
	if c.waiting.Load() > 0 {
		c.tell(n, now)
	}
	if c.Note != nil {
		c.Note(call)
	}
	return dialer.Outcome{Reason: dialer.ClientHangup, ConnectedAt: now}, nil
}

// tell wakes those who waited for that many calls.
func (c *Carrier) tell(n int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.waiters[:0]
	for _, w := range c.waiters {
		if n >= w.calls {
			w.reached <- now
			c.waiting.Add(-1)
		} else {
			kept = append(kept, w)
		}
	}
	c.waiters = kept
}

// Calls is how many began so far.
func (c *Carrier) Calls() int64 { return c.calls.Load() }

// Reached returns when that many calls had begun, which it waits for.
func (c *Carrier) Reached(ctx context.Context, calls int64) (time.Time, error) {
	w := waiter{calls, make(chan time.Time, 1)}
	c.mu.Lock()
	c.waiters = append(c.waiters, w)
	c.mu.Unlock()
	c.waiting.Add(1)
	c.tell(c.calls.Load(), time.Now()) // those that began before anybody looked for waiters
	select {
	case at := <-w.reached:
		return at, nil
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
}

// Holder keeps calls up until Let is closed, but for the first ones. It does as little as it can: what it
// took of a goroutine's stack would be counted as the engine's.
type Holder struct {
	Let   chan struct{}
	First int64 // how many calls are over when they begin
	calls atomic.Int64
}

// Dial implements [dialer.Dialer].
func (h *Holder) Dial(ctx context.Context, _ dialer.Call, _ func(dialer.Progress)) (dialer.Outcome, error) {
	if h.calls.Add(1) <= h.First {
		return dialer.Outcome{Reason: dialer.ClientHangup, ConnectedAt: time.Now()}, nil
	}
	select {
	case <-h.Let:
	case <-ctx.Done():
	}
	return dialer.Outcome{Reason: dialer.ClientHangup, ConnectedAt: time.Now()}, nil
}

// Calls is how many began so far.
func (h *Holder) Calls() int64 { return h.calls.Load() }

// Bench is an engine over one of outdial's stores, with a carrier that takes everything.
type Bench struct {
	Store   store.Store
	Engine  *batch.Engine
	Carrier *Carrier // nil: another dialer has its place
	Steps   *Steps

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
	b := &Bench{dialer: d, limits: limits, close: closing}
	b.Store, b.Steps = countSteps(s)
	b.Carrier, _ = d.(*Carrier)
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

// Finish waits until that many calls have begun and nothing is left to do. The error tells of calls that
// never began, or did not complete, which is to be looked into and not to be timed.
func (b *Bench) Finish(ctx context.Context, calls int64) (time.Time, error) {
	counting, stop := context.WithCancel(ctx)
	defer stop()
	reached := make(chan struct{})
	go func() {
		defer close(reached)
		_, _ = b.Carrier.Reached(counting, calls) // or it was stopped
	}()
	now := time.NewTicker(time.Second)
	defer now.Stop()
	for over := false; !over; {
		select {
		case <-reached:
			over = true
		case <-now.C:
			active, err := b.Store.Active(ctx)
			if err != nil {
				return time.Time{}, err
			}
			over = len(active) == 0
		}
	}
	end, err := b.Idle(ctx)
	if began := b.Carrier.Calls(); err == nil && began != calls {
		err = fmt.Errorf("%d calls began, want %d", began, calls)
	}
	return end, err
}

// Check says whether every call of the organisations completed.
func (b *Bench) Check(ctx context.Context, orgs []string) error {
	var sum fsm.Counts
	for _, org := range orgs {
		batches, err := b.Engine.Batches(ctx, store.BatchQuery{Org: org})
		if err != nil {
			return err
		}
		for _, x := range batches {
			sum.Completed += x.Counts.Completed
			sum.Failed += x.Counts.Scheduled() - x.Counts.Completed
		}
	}
	if sum.Failed > 0 {
		return fmt.Errorf("%d of %d calls did not complete", sum.Failed, sum.Scheduled())
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
		b := &Bench{Carrier: c, dialer: c, limits: limits, close: s.Close}
		b.Store, b.Steps = countSteps(s)
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
