package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// doubts says whether to look for calls that this node owns without having learned it. A write that was
// given up may be carried out yet, and nobody knows how much later; so a node that has given up one
// asks again now and then as long as it has its name.
func (s *session) doubts() bool {
	const again, perLease = time.Minute, 2
	now := s.e.sys.now()
	since := now.Sub(s.reclaimed)
	soon := s.unsure.Load() && since >= s.e.cfg.Lease/perLease // all loops read: not for each step that fails
	soon = soon || s.late && since >= s.e.cfg.Lease            // its channels are nobody's until it is known
	if !soon && (!s.doubted || since < again) {
		return false
	}
	s.unsure.Store(false)
	s.doubted, s.reclaimed = true, now
	return true
}

// reclaim has the calls found that were taken over when the answer got lost: this node owns
// them and does not know it, so nobody else ever would.
func (s *session) reclaim(ctx context.Context) error {
	ctx, cancel := s.e.sys.timeout(ctx, s.e.cfg.StoreTimeout)
	defer cancel()
	active, err := s.e.cfg.Store.Active(ctx)
	if err != nil {
		return fmt.Errorf("active organisations: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range active {
		s.uncounted.Add(1)
		if l := s.loop(a.Org, 0); l == nil || !l.doubt() {
			s.counted()
		}
	}
	return nil
}

// doubt has the loop look for calls that are this node's without it knowing. It says whether it was not going to.
func (l *loop) doubt() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubts {
		return false
	}
	l.doubts, l.dirty = true, true
	l.ring()
	return true
}

// readOwn finds them. The loop does that itself, between two steps: the answer is then no older than a step that
// ended some of them.
func (l *loop) readOwn(ctx context.Context) error {
	l.mu.Lock()
	doubts := l.doubts
	l.mu.Unlock()
	if !doubts {
		return nil
	}
	calls, err := l.s.e.cfg.Store.Calls(ctx, store.CallQuery{Org: l.org.id, Owner: l.s.node.ID, InFlight: true})
	if err != nil {
		return fmt.Errorf("calls that this node owns: %w", err)
	}
	now := l.sys.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s.ownRead.Store(&now)
	for _, c := range calls {
		l.adopt(store.Claimed{Call: c}, now) //nolint:contextcheck // see place; what it knows it leaves alone
	}
	l.doubts = false
	l.s.counted()
	return nil
}

// begin lets calls begin.
func (s *session) begin() {
	s.mu.Lock()
	begins := !s.fenced.Load() && s.ready.CompareAndSwap(false, true)
	if begins {
		s.e.releaseDialers() // who was taken over holds them by now
	}
	s.mu.Unlock()
	if begins {
		for _, l := range s.running() {
			l.ring()
		}
	}
}

// handOver gives a call that was taken over to its organisation's loop. asked is when the store was asked for it: a
// loop that has read its own calls since may have had this one already, and ended it, so it looks again.
func (s *session) handOver(c store.Claimed, asked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.loop(c.Call.Org, 0)
	if l == nil {
		return
	}
	s.uncounted.Add(1)
	l.post(func(now time.Time) {
		read := s.ownRead.Load() // whichever loop it was: this one may have begun since
		switch {
		case read == nil || read.Before(asked):
			l.adopt(c, now)
		case !l.lost && !l.doubts:
			l.doubts, l.dirty = true, true
			l.ring()
			return // readOwn counts it
		}
		s.counted()
	})
}

// orphan is a call that was left behind, with what is known around it.
type orphan struct {
	claimed store.Claimed
	batch   store.Batch
	number  Number
	agent   dialer.Agent
}

// adopt tells the scheduler of a call that was taken over and follows it, where that can be
// done. What is not known around it by now is done without: nothing is asked for here, since
// all calls wait until those that were left behind are counted.
func (l *loop) adopt(c store.Claimed, now time.Time) {
	if l.lost || l.sched.knows(c.Call.ID) {
		return
	}
	o := &orphan{claimed: c, agent: dialer.Agent{ID: c.Call.AgentID}, batch: store.Batch{
		Org: c.Call.Org, ID: c.Call.BatchID, Target: 1, Weight: 1,
		RingTimeout: MaxRingTimeout, MaxDuration: MaxMaxDuration,
	}}
	if j := l.sched.jobs[c.Call.BatchID]; j != nil {
		o.batch = j.batch
	}
	if agent, ok := l.book.agents[c.Call.AgentID]; ok {
		o.agent = agent
	}
	o.number = l.book.numbers[o.batch.NumberID]
	l.logger().Info("taking over a call", "call", c.Call.ID, "carrier", c.Call.Carrier, "placed", c.Call.DispatchedAt)
	if p := l.sched.adopt(o, now); p != nil {
		l.place(p, true)
		l.dirty = true // its cancellation may have been read, and passed over, before it was known
	}
}

func newLoop(s *session, o *orgState) *loop {
	l := &loop{
		s: s, sys: s.e.sys, org: o,
		bell: s.e.sys.newBell(), calls: newGroup(s.e.sys),
		live: map[string]context.CancelCauseFunc{},
		book: newDirectoryBook(o.id, s.e.cfg.DirectoryTTL, s.e.cfg.StoreTimeout),
	}
	l.sched = scheduler{
		org: o.id, node: s.node.ID, regions: s.e.cfg.Regions, grace: s.e.cfg.Grace, maxStep: s.e.cfg.MaxStep,
		capacity: o.capacity, carrier: s.e.carriers.get, balancers: s.e.balancers, wake: l.ring,
		resuming: s.e.carriers.resuming, canResume: s.canResume, directed: l.directed, fresh: l.fresh,
		newIDs: func(now time.Time, n int) ([]string, error) {
			return store.NewCallIDs(now, s.e.cfg.Random, n)
		},
	}
	l.sched.init()
	return l
}
