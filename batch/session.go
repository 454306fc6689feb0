package batch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/store"
)

// ending is how a session ended.
type ending uint8

const (
	drained ending = iota // it was asked to
	fenced                // its lease ran out
)

// session is one node's time as an owner of calls: from taking a lease to giving it up or
// losing it. Whoever has lost a lease owns nothing under its old name any more, so it
// comes back as another session, under a name that was never used.
type session struct {
	e      *Engine
	node   store.Node
	fenced chan struct{}
	fence  func() // closes fenced

	// ready says that the calls which could be taken over have been. Before that no call
	// begins: what is in flight at a carrier is not known yet.
	ready  atomic.Bool
	until  atomic.Pointer[time.Time] // of the lease, by this process's monotonic clock
	unsure atomic.Bool               // calls may be this node's without it having learned it

	mu       sync.Mutex
	loops    map[string]*loop // by organisation
	draining bool
	wg       sync.WaitGroup // loops
	cancel   context.CancelFunc
	ctx      context.Context //nolint:containedctx // the lifetime of loops, which begin at any time
}

// openSession takes a lease.
func (e *Engine) openSession(ctx context.Context) (*session, error) {
	s := &session{
		e:      e,
		node:   store.Node{ID: "node_" + rand.Text(), Regions: e.cfg.Regions, StartedAt: e.now()},
		fenced: make(chan struct{}),
		loops:  map[string]*loop{},
	}
	s.fence = sync.OnceFunc(func() { close(s.fenced) })
	if err := s.heartbeat(ctx, e.cfg.Lease); err != nil {
		if !errors.Is(err, store.ErrOwned) {
			s.resign(ctx) // it may have been written all the same, and nobody would renew it
		}
		return nil, fmt.Errorf("batch: taking up work: %w", err)
	}
	// Loops outlive ctx: they drain.
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	e.mu.Lock()
	e.session = s
	e.mu.Unlock()
	return s, nil
}

// reopenSession takes a lease again, for as long as it takes. Nil when ctx ended first.
func (e *Engine) reopenSession(ctx context.Context) *session {
	for ctx.Err() == nil {
		s, err := e.openSession(ctx)
		if err == nil {
			return s
		}
		e.cfg.Logger.WarnContext(ctx, "taking up work again failed", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(e.cfg.PollInterval):
		}
	}
	return nil
}

func (s *session) heartbeat(ctx context.Context, lease time.Duration) error {
	// Not as long as the lease lasts: one answer that never comes must not cost it.
	const perLease = 3
	ctx, cancel := context.WithTimeout(ctx, min(s.e.cfg.StoreTimeout, s.e.cfg.Lease/perLease))
	defer cancel()
	begun := time.Now()
	err := s.e.cfg.Store.Heartbeat(ctx, s.node, lease)
	if err != nil {
		return err
	}
	until := begun.Add(lease)
	if before := s.until.Swap(&until); before != nil && begun.After(*before) {
		for _, l := range s.running() { // they have begun no call meanwhile
			l.ring()
		}
	}
	return nil
}

// leased says whether the lease runs, by what this process knows. The store may know better: then
// the answer to a heartbeat was lost.
func (s *session) leased(now time.Time) bool { return !now.After(*s.until.Load()) }

// run dials until ctx ends or the lease is lost.
func (s *session) run(ctx context.Context) ending {
	var helpers sync.WaitGroup
	helping, stop := context.WithCancel(context.WithoutCancel(ctx))
	helpers.Go(func() { s.beat(helping) })
	defer s.close(&helpers, stop)
	s.e.cfg.Logger.InfoContext(ctx, "dialling", "node", s.node.ID)
	ticker := time.NewTicker(s.e.cfg.PollInterval)
	defer ticker.Stop()
	var adopted time.Time
	for {
		if time.Since(adopted) >= s.e.cfg.Lease/2 && s.adopt(ctx) {
			adopted = time.Now()
		}
		s.poll(ctx)
		select {
		case <-s.fenced:
			return fenced
		case <-ctx.Done():
			s.drain()
			return drained
		case <-ticker.C:
		}
	}
}

// beat renews the lease until ctx ends.
func (s *session) beat(ctx context.Context) {
	const perLease = 3
	ticker := time.NewTicker(s.e.cfg.Lease / perLease)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := s.heartbeat(ctx, s.e.cfg.Lease)
		switch {
		case errors.Is(err, store.ErrNotOwner), errors.Is(err, store.ErrOwned):
			s.fence()
			return
		case err != nil && ctx.Err() == nil:
			s.e.cfg.Logger.WarnContext(ctx, "renewing the lease failed", "node", s.node.ID, "error", err)
		}
	}
}

// poll finds the organisations that have something to do, and those where others did something.
func (s *session) poll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.e.cfg.StoreTimeout)
	defer cancel()
	active, err := s.e.cfg.Store.Active(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.e.cfg.Logger.WarnContext(ctx, "asking the store for work failed", "error", err)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := make(map[string]bool, len(active))
	for _, a := range active {
		seen[a.Org] = true
		if l := s.loop(a.Org); l != nil && !l.knows(a.Rev) {
			l.changed()
		}
	}
	for org, l := range s.loops {
		if !seen[org] { // others brought its last call to an end
			l.changed()
		}
	}
}

func (l *loop) knows(rev int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rev == rev
}

// loop returns the organisation's loop and begins one where there is none. Nil while
// draining. The caller holds s.mu.
func (s *session) loop(org string) *loop {
	if l := s.loops[org]; l != nil || s.draining {
		return l
	}
	l := newLoop(s, s.e.useOrg(org))
	s.loops[org] = l
	s.wg.Go(func() {
		defer s.e.dropOrg(l.org)
		l.run(s.ctx)
	})
	return l
}

// retire ends a loop that has nothing to do, unless something has come up.
func (s *session) retire(l *loop) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dirty || len(l.inbox) > 0 || !l.sched.idle() || len(l.live) > 0 {
		return false
	}
	delete(s.loops, l.org.id)
	return true
}

// changed has the organisation's loop read what was written.
func (s *session) changed(org string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.loop(org); l != nil {
		l.changed()
	}
}

// ring has the organisation's loop take a turn, if there is one.
func (s *session) ring(org string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.loops[org]; l != nil {
		l.ring()
	}
}

// running returns the loops.
func (s *session) running() []*loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	loops := make([]*loop, 0, len(s.loops))
	for _, l := range s.loops {
		loops = append(loops, l)
	}
	return loops
}

// drain begins no more calls and waits for those in flight, as long as it may.
func (s *session) drain() {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	for _, l := range s.running() {
		l.post(func(time.Time) { l.sched.draining = true })
	}
	idle := make(chan struct{})
	go func() { // ends with the loops, which close waits for
		s.wg.Wait()
		close(idle)
	}()
	if wait := s.e.cfg.DrainTimeout; wait != NoDrain && s.await(idle, wait) {
		return
	}
	for _, l := range s.running() {
		l.post(func(now time.Time) { l.sched.letGo(now) })
	}
	// Twice: until the dialer's time to hang up is over, and until that is written.
	s.await(idle, 2*s.e.cfg.Grace)
}

// await says whether done was closed within wait. A lost lease ends the waiting.
func (s *session) await(done <-chan struct{}, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	ticker := time.NewTicker(s.e.cfg.PollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return true
		case <-timer.C:
			return false
		case <-s.fenced:
			return false
		case <-ticker.C:
			s.poll(s.ctx) // others may cancel a call
		}
	}
}

// close ends everything that belongs to the session and gives up its lease.
func (s *session) close(helpers *sync.WaitGroup, stop context.CancelFunc) {
	s.e.mu.Lock()
	s.e.session = nil
	s.e.mu.Unlock()
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	loops := s.running()
	s.cancel()
	s.wg.Wait()
	s.awaitCalls(loops)
	for _, l := range loops {
		l.release()
	}
	stop()
	helpers.Wait()
	select {
	case <-s.fenced:
		return
	default:
	}
	s.resign(s.ctx)
}

// resign gives up the lease. ctx may have ended: it is about the node's name only.
func (s *session) resign(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if err := s.heartbeat(ctx, 0); err != nil && !errors.Is(err, store.ErrNotOwner) {
		s.e.cfg.Logger.WarnContext(ctx, "giving up the lease failed; it will run out", "node", s.node.ID, "error", err)
	}
}

// awaitCalls waits for the calls that were let go of. A dialer that does not return
// then has lost its goroutine.
func (s *session) awaitCalls(loops []*loop) {
	gone := make(chan struct{})
	go func() { // ends with the dialers' calls
		for _, l := range loops {
			l.calls.Wait()
		}
		close(gone)
	}()
	timer := time.NewTimer(s.e.cfg.Grace)
	defer timer.Stop()
	select {
	case <-gone:
	case <-timer.C:
		s.e.cfg.Logger.Error("a dialer does not end its calls; their goroutines are left behind", "node", s.node.ID)
	}
}
