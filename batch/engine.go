package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Engine creates batches, dials them while it runs, and tells what became of them. It
// is safe for concurrent use. Make one with [New].
//
// An engine that does not run can create, read, change and cancel all the same: another
// one over the same store does the dialling.
type Engine struct {
	cfg       Config
	sys       system
	carriers  *carriers
	balancers *balancers
	feed      *feed
	running   atomic.Bool

	mu      sync.Mutex
	orgs    map[string]*orgState
	session *session // nil: not running
	kept    []func() // see keepDialers
}

// orgState is what the engine keeps of an organisation between its loops: the limit that
// batches and the host's reservations share.
type orgState struct {
	id       string
	capacity *capacity
	reserved atomic.Int64 // units that the host has or waits for
	users    int          // loops and reservations; guarded by Engine.mu
}

// New makes an engine. The error names every field of cfg that cannot be used. Nothing
// runs yet.
func New(cfg Config) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return newEngine(cfg, machine{}), nil
}

func newEngine(cfg Config, sys system) *Engine {
	return &Engine{
		cfg:       cfg.withDefaults(),
		sys:       sys,
		carriers:  newCarriers(cfg.Dialers),
		balancers: &balancers{all: map[string]*balancer{}},
		feed:      newFeed(),
		orgs:      map[string]*orgState{},
	}
}

// Run dials what is due until ctx ends, then begins no more calls, waits for those in
// flight up to Config.DrainTimeout, and returns nil. What it had to leave is taken
// over by the next engine that runs over the store.
//
// An engine runs once: ErrRunning. It returns an error at once when it cannot begin:
// store.ErrOwned where another process dials from the same store and it admits one only.
// Later faults of the store do not end it: it begins no call and tries again.
func (e *Engine) Run(ctx context.Context) error {
	if len(e.carriers.all()) == 0 {
		return errors.New("batch: Config.Dialers: an engine that runs needs at least one")
	}
	if !e.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	s, err := e.openSession(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // it was asked to end before it had begun
	case err != nil:
		return err
	}
	defer e.releaseDialers()
	for s.run(ctx) == fenced {
		e.cfg.Logger.WarnContext(ctx, "the node's lease ran out; its calls belong to others; beginning anew",
			"node", s.node.ID)
		if s = e.reopenSession(ctx); s == nil {
			break
		}
	}
	return nil
}

// now is the time to be stored. The scheduler measures with the system's, whose differences a step of
// the machine's clock does not change.
func (e *Engine) now() time.Time { return stored(e.sys.now()) }

// useOrg returns the organisation's state and keeps it until dropOrg.
func (e *Engine) useOrg(id string) *orgState {
	e.mu.Lock()
	defer e.mu.Unlock()
	o := e.orgs[id]
	if o == nil {
		o = &orgState{id: id, capacity: newCapacity(0)}
		e.orgs[id] = o
	}
	o.users++
	return o
}

func (e *Engine) dropOrg(o *orgState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if o.users--; o.users == 0 {
		delete(e.orgs, o.id)
	}
}

// current returns the session, nil when the engine does not run.
func (e *Engine) current() *session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.session
}

// changed has whoever dials for the organisation or watches the batch look at it again.
func (e *Engine) changed(org, batchID string) {
	e.feed.changed(org, batchID)
	if s := e.current(); s != nil {
		s.changed(org)
	}
}

// Reserve takes n of the organisation's concurrency limit for calls that the host makes or
// takes itself, so that they and its batches stay within it together. It waits until
// that many are free, before any batch gets one. release gives them back and may be
// called more than once.
//
// It counts in this process: another node over the same store does not know of it.
// ErrNotFound for an organisation that is unknown, or is so before it is served; an error
// where n is less than 1 or above the limit; the context's error where ctx ends first.
func (e *Engine) Reserve(ctx context.Context, org string, n int) (release func(), err error) {
	found, err := e.cfg.Directory.Organisation(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("batch: organisation %q: %w", org, err)
	}
	if n < 1 || n > found.ConcurrencyLimit {
		return nil, fmt.Errorf("batch: reserving %d of organisation %q: expected 1 to its limit of %d",
			n, org, found.ConcurrencyLimit)
	}
	o := e.useOrg(org)
	o.capacity.setLimit(found.ConcurrencyLimit)
	o.reserved.Add(int64(n)) // before it is acquired, so that no node claims what is waited for
	if err := e.acquire(ctx, o, n); err != nil {
		o.reserved.Add(-int64(n))
		e.unreserved(o)
		return nil, fmt.Errorf("batch: reserving %d of organisation %q: %w", n, org, err)
	}
	return sync.OnceFunc(func() {
		o.reserved.Add(-int64(n))
		o.capacity.release(n)
		e.unreserved(o)
	}), nil
}

// acquire waits for n units, as long as the organisation's limit is not below n: a waiter
// that cannot be served would keep every batch waiting behind it.
func (e *Engine) acquire(ctx context.Context, o *orgState, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	go func() { // it is not waited for: the directory may not return
		ticker := time.NewTicker(e.cfg.DirectoryTTL)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			found, err := e.cfg.Directory.Organisation(ctx, o.id)
			switch {
			case ctx.Err() != nil: // it is too late: o may be nobody's
				return
			case errors.Is(err, ErrNotFound):
				cancel(err)
				return
			case err == nil && found.ConcurrencyLimit < n:
				cancel(fmt.Errorf("the limit is %d by now", found.ConcurrencyLimit))
				return
			case err == nil:
				o.capacity.setLimit(found.ConcurrencyLimit)
			}
		}
	}()
	err := o.capacity.acquire(ctx, n)
	close(done)
	if err != nil {
		err = context.Cause(ctx)
	}
	cancel(nil)
	return err
}

func (e *Engine) unreserved(o *orgState) {
	e.dropOrg(o)
	if s := e.current(); s != nil {
		s.ring(o.id)
	}
}
