package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// adopt takes over the calls of nodes whose lease ran out: each is resumed where its
// carrier can tell what became of it, and otherwise ends, its fate unknown. Nobody is
// dialled again because of it. It says whether there are none left.
func (s *session) adopt(ctx context.Context) bool {
	const page = 500
	for ctx.Err() == nil {
		orphans, err := s.adoptPage(ctx, page)
		if err == nil && s.unsure {
			err = s.reclaim(ctx)
		}
		s.unsure = err != nil
		if err != nil {
			if ctx.Err() == nil {
				s.e.cfg.Logger.WarnContext(ctx, "taking over calls failed", "error", err)
			}
			return false
		}
		for _, c := range orphans {
			s.handOver(ctx, c)
		}
		if len(orphans) < page {
			s.begin()
			return true
		}
	}
	return false
}

// reclaim finds the calls that were taken over when the answer got lost: this node owns
// them and does not know it, so nobody else ever would.
func (s *session) reclaim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.e.cfg.StoreTimeout)
	defer cancel()
	active, err := s.e.cfg.Store.Active(ctx)
	if err != nil {
		return fmt.Errorf("active organisations: %w", err)
	}
	for _, a := range active {
		calls, err := s.e.cfg.Store.Calls(ctx, store.CallQuery{Org: a.Org, Owner: s.node.ID, InFlight: true})
		if err != nil {
			return fmt.Errorf("calls that this node owns: %w", err)
		}
		for _, c := range calls {
			s.handOver(ctx, store.Claimed{Call: c}) // those that a loop knows it leaves alone
		}
	}
	return nil
}

// begin lets calls begin.
func (s *session) begin() {
	if s.ready.CompareAndSwap(false, true) {
		for _, l := range s.running() {
			l.ring()
		}
	}
}

func (s *session) adoptPage(ctx context.Context, limit int) ([]store.Claimed, error) {
	ctx, cancel := context.WithTimeout(ctx, s.e.cfg.StoreTimeout)
	defer cancel()
	return s.e.cfg.Store.Adopt(ctx, s.node.ID, limit)
}

// handOver gives a call that was taken over to its organisation's loop.
func (s *session) handOver(ctx context.Context, c store.Claimed) {
	o := s.orphan(ctx, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.loop(c.Call.Org); l != nil {
		l.post(func(now time.Time) { l.adopt(o, now) }) //nolint:contextcheck // see place
	}
}

// orphan is a call that was left behind, with what is known around it.
type orphan struct {
	claimed store.Claimed
	batch   store.Batch
	number  Number
	agent   dialer.Agent
}

// orphan gathers what resuming needs. What cannot be had is left out: the call is followed
// all the same, by its own deadline.
func (s *session) orphan(ctx context.Context, c store.Claimed) orphan {
	o := orphan{claimed: c, batch: store.Batch{
		Org: c.Call.Org, ID: c.Call.BatchID, Target: 1, Weight: 1,
		RingTimeout: MaxRingTimeout, MaxDuration: MaxMaxDuration,
	}}
	ctx, cancel := context.WithTimeout(ctx, s.e.cfg.StoreTimeout)
	defer cancel()
	b, err := s.e.cfg.Store.Batch(ctx, c.Call.Org, c.Call.BatchID)
	if err == nil {
		o.batch = b
	}
	o.number, _ = s.e.cfg.Directory.Number(ctx, c.Call.Org, o.batch.NumberID)
	o.agent, err = s.e.cfg.Directory.Agent(ctx, c.Call.Org, c.Call.AgentID)
	if err != nil {
		o.agent = dialer.Agent{ID: c.Call.AgentID}
	}
	return o
}

// adopt is told to the scheduler; the loop places what is to be resumed.
func (l *loop) adopt(o orphan, now time.Time) {
	if l.sched.knows(o.claimed.Call.ID) {
		return
	}
	c := o.claimed.Call
	l.logger().Info("taking over a call", "call", c.ID, "carrier", c.Carrier, "placed", c.DispatchedAt)
	if p, ok := l.sched.adopt(o, now); ok {
		l.place(p, true)
	}
}

func newLoop(s *session, o *orgState) *loop {
	l := &loop{
		s: s, org: o,
		bell: make(chan struct{}, 1),
		live: map[string]context.CancelCauseFunc{},
		book: directoryBook{
			agents: map[string]dialer.Agent{}, numbers: map[string]Number{}, faults: map[string]error{},
		},
	}
	l.sched = scheduler{
		org: o.id, node: s.node.ID, regions: s.e.cfg.Regions, grace: s.e.cfg.Grace, maxStep: s.e.cfg.MaxStep,
		capacity: o.capacity, carriers: s.e.carriers, wake: l.ring,
		newIDs: func(now time.Time, n int) ([]string, error) {
			return store.NewCallIDs(now, s.e.cfg.Random, n)
		},
	}
	l.sched.init()
	return l
}
