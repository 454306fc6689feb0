package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	e    *Engine
	node store.Node

	fenced  atomic.Bool // the lease is lost
	returns atomic.Bool // another session of this process follows, since it is
	bell    *bell       // it rings then
	pulse   *bell       // it rings when the store is to be told of this node at once

	// ready says that the calls which could be taken over have been. Before that no call
	// begins: what is in flight at a carrier is not known yet.
	ready     atomic.Bool
	uncounted atomic.Int64              // calls that loops were given to take over and have not looked at yet
	until     atomic.Pointer[time.Time] // of the lease, by this process's monotonic clock
	unsure    atomic.Bool               // calls may be this node's without it having learned it
	doubted   bool                      // they may have been, once; only run uses it
	reclaimed time.Time                 // when they were last looked for; only run uses it
	ownRead   atomic.Pointer[time.Time] // when a loop has last read its own

	lapses    atomic.Pointer[lapses] // nil: the nodes were not read yet
	announced atomic.Int64           // the takeover that the others were told of last

	takeovers     int64     // that there were; these are run's alone
	takeoverBegan time.Time // the latest one
	late          bool      // an adoption was given up, and may be carried out yet
	adoptedOf     string    // nodes of which all calls were adopted that can be
	adopted       time.Time // when

	mu       sync.Mutex
	loops    map[string]*loop // by organisation
	draining bool
	working  *group // loops
	asking   *group // questions to the directory
	cancel   context.CancelFunc
	ctx      context.Context //nolint:containedctx // the lifetime of loops, which begin at any time
}

// openSession takes a lease.
func (e *Engine) openSession(ctx context.Context) (*session, error) {
	id, err := newNodeID(e.cfg.Random)
	if err != nil {
		return nil, err
	}
	s := &session{
		e:       e,
		node:    store.Node{ID: id, Regions: e.cfg.Regions, StartedAt: e.now()},
		bell:    e.sys.newBell(),
		pulse:   e.sys.newBell(),
		working: newGroup(e.sys),
		asking:  newGroup(e.sys),
		loops:   map[string]*loop{},
	}
	e.carriers.surrender()
	if err := s.renew(ctx); err != nil {
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
		e.sys.wait(ctx, nil, e.sys.now().Add(e.cfg.PollInterval))
	}
	return nil
}

// newNodeID returns an id that no node had before.
func newNodeID(random io.Reader) (string, error) {
	const bytes = 16
	id := make([]byte, bytes)
	if _, err := io.ReadFull(random, id); err != nil {
		return "", fmt.Errorf("batch: a name for the node: %w", err)
	}
	return fmt.Sprintf("node_%x", id), nil
}

// patience is how long what a heartbeat waits for may take. Not as long as the lease lasts: one answer that never
// comes must not cost it. The first one has nothing to lose yet.
func (s *session) patience() time.Duration {
	const perLease = 3
	if s.until.Load() == nil {
		return s.e.cfg.StoreTimeout
	}
	return min(s.e.cfg.StoreTimeout, s.e.cfg.Lease/perLease)
}

func (s *session) heartbeat(ctx context.Context, lease time.Duration) error {
	ctx, cancel := s.e.sys.timeout(ctx, s.patience())
	defer cancel()
	begun := s.e.sys.now()
	node := s.node
	takeover := s.e.carriers.tell(&node)
	err := s.e.cfg.Store.Heartbeat(ctx, node, lease)
	if err != nil {
		return err
	}
	if s.announced.Swap(takeover) != takeover {
		s.bell.ring()
	}
	until := begun.Add(lease)
	if before := s.until.Swap(&until); before != nil && s.e.sys.now().After(*before) {
		for _, l := range s.running() { // those that took a turn meanwhile have begun no call
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
	helpers := newGroup(s.e.sys)
	helping, stop := context.WithCancel(context.WithoutCancel(ctx))
	helpers.begin(func() { s.beat(helping) })
	if hinter, ok := s.e.cfg.Store.(store.Hinter); ok {
		helpers.begin(func() { s.heed(hinter.Hints(helping)) })
	}
	defer s.close(helpers, stop) //nolint:contextcheck // for as long as it takes, whatever becomes of ctx
	s.e.cfg.Logger.InfoContext(ctx, "dialling", "node", s.node.ID)
	s.poll(ctx) // first, since it says as of when an organisation's loop has to read
	for {
		begun := s.e.sys.now()
		// Carriers are shared: one loop must not fill the channels of a call that another has not looked at yet.
		counted := s.adopt(ctx) && s.uncounted.Load() == 0
		if counted || s.mourned() {
			s.begin()
		}
		s.endTakeover(counted && !s.unsure.Load())
		s.poll(ctx)
		s.e.sys.wait(ctx, s.bell, begun.Add(s.e.cfg.PollInterval))
		switch {
		case s.fenced.Load():
			return fenced
		case ctx.Err() != nil:
			s.drain() //nolint:contextcheck // ctx is over
			return drained
		}
	}
}

// heed takes the store's hints, until there are no more.
func (s *session) heed(hints <-chan string) {
	for org := range hints {
		if org == "" {
			s.bell.ring() // it polls
			continue
		}
		s.e.feed.changed(org)
		s.changed(org)
	}
}

// beat renews the lease until ctx ends.
func (s *session) beat(ctx context.Context) {
	const perLease = 3
	for due := s.e.sys.now(); ; {
		every := s.e.cfg.Lease / perLease
		if s.hungry() {
			every = min(every, s.e.cfg.PollInterval)
		}
		// One that took longer than that is followed at once.
		due = later(due.Add(every), s.e.sys.now())
		s.e.sys.wait(ctx, s.pulse, due)
		if ctx.Err() != nil {
			return
		}
		due = s.e.sys.now()
		err := s.renew(ctx)
		switch {
		case errors.Is(err, store.ErrNotOwner), errors.Is(err, store.ErrOwned):
			s.fence()
			return
		case err != nil && ctx.Err() == nil:
			s.e.cfg.Logger.WarnContext(ctx, "renewing the lease failed", "node", s.node.ID, "error", err)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// poll finds the organisations that have something to do, and those where others did something.
func (s *session) poll(ctx context.Context) {
	ctx, cancel := s.e.sys.timeout(ctx, s.e.cfg.StoreTimeout)
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
		if l := s.loop(a.Org, a.Rev); l != nil && !l.knows(a.Rev) {
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

// loop returns the organisation's loop and begins one where there is none. rev is a revision that the organisation
// had before this was called, 0 where none is known. Nil while draining. The caller holds s.mu.
func (s *session) loop(org string, rev int64) *loop {
	if l := s.loops[org]; l != nil || s.draining {
		return l
	}
	l := newLoop(s, s.e.useOrg(org))
	l.rev = rev // what is open is read after it, and what was over by then need not be
	s.loops[org] = l
	s.working.begin(func() {
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
	if l := s.loop(org, 0); l != nil {
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

// running returns the loops, by organisation: what is done to them in turn is then the same every time.
func (s *session) running() []*loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return inOrder(s.loops)
}

// stops says that no call begins any more.
func (s *session) stops() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// drain begins no more calls and waits for those in flight, as long as it may.
func (s *session) drain() {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	for _, l := range s.running() {
		l.post(func(time.Time) { l.sched.draining = true })
	}
	s.pulse.ring() // others may have what is not used here any more
	if wait := s.e.cfg.DrainTimeout; wait != NoDrain && s.await(wait) {
		return
	}
	for _, l := range s.running() {
		l.post(func(now time.Time) { l.sched.letGo(now) })
	}
	// Twice: until the dialer's time to hang up is over, and until that is written.
	s.await(2 * s.e.cfg.Grace)
}

// await says whether all loops ended within wait. A lost lease ends the waiting.
func (s *session) await(wait time.Duration) bool {
	until := s.e.sys.now().Add(wait)
	for {
		now := s.e.sys.now()
		switch {
		case s.working.empty():
			return true
		case s.fenced.Load() || !now.Before(until):
			return false
		}
		if s.doubts() && s.reclaim(s.ctx) != nil {
			s.unsure.Store(true)
		}
		s.endTakeover(s.uncounted.Load() == 0 && !s.unsure.Load())
		if s.working.wait(earliest(until, now.Add(s.e.cfg.PollInterval))) {
			return true
		}
		s.poll(s.ctx) // others may cancel a call
	}
}

// close ends everything that belongs to the session and gives up its lease.
func (s *session) close(helpers *group, stop context.CancelFunc) {
	s.e.mu.Lock()
	s.e.session = nil
	s.e.mu.Unlock()
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	loops := s.running()
	s.cancel()
	s.working.wait(time.Time{})
	s.awaitCalls(loops)
	stop()
	helpers.wait(time.Time{})
	if !s.fenced.Load() {
		s.resign(s.ctx) // with what those calls use that are left to be taken over
	}
	for _, l := range loops {
		l.release()
	}
}

// resign gives up the lease. ctx may have ended: it is about the node's name only.
func (s *session) resign(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	s.node.Beat++ // whoever renewed it has ended
	if err := s.heartbeat(ctx, 0); err != nil && !errors.Is(err, store.ErrNotOwner) {
		s.e.cfg.Logger.WarnContext(ctx, "giving up the lease failed; it will run out", "node", s.node.ID, "error", err)
	}
}

// awaitCalls waits for the calls that were let go of and for the directory's answers, which nobody needs any more. A
// dialer or directory that does not return then has lost its goroutine.
func (s *session) awaitCalls(loops []*loop) {
	until := s.e.sys.now().Add(s.e.cfg.Grace)
	defer func() {
		if !s.asking.wait(until) {
			s.e.cfg.Logger.Error("the directory does not answer; the goroutines that ask it are left behind", "node", s.node.ID)
		}
	}()
	for _, l := range loops {
		if !l.calls.wait(until) {
			s.e.cfg.Logger.Error("a dialer does not end its calls; their goroutines are left behind", "node", s.node.ID)
			return
		}
	}
}
