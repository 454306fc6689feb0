package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// refresh brings the scheduler what others wrote to the store, if they did.
func (l *loop) refresh(ctx context.Context) error {
	l.mu.Lock()
	dirty, first := l.dirty, !l.loaded
	l.dirty = false
	l.mu.Unlock()
	if !dirty && !first {
		return nil
	}
	err := l.read(ctx, first)
	if err != nil {
		l.mu.Lock()
		l.dirty = true // without the bell: turn says when to try again
		l.mu.Unlock()
	}
	return err
}

// read loads the batches that others changed, and what they left to this node or want ended.
func (l *loop) read(ctx context.Context, first bool) error {
	ctx, cancel := l.sys.timeout(ctx, l.s.e.cfg.StoreTimeout)
	defer cancel()
	if err := l.readBatches(ctx, first); err != nil {
		return err
	}
	if err := l.readOwn(ctx); err != nil {
		return err
	}
	return l.readHangUps(ctx)
}

// readBatches reads those that are open at first, and then what was changed since, however much that is.
func (l *loop) readBatches(ctx context.Context, first bool) error {
	const page = 500
	for {
		l.mu.Lock()
		q := store.BatchQuery{Org: l.org.id, ByRev: true, AfterRev: l.rev, Limit: page}
		l.mu.Unlock()
		if first {
			q = store.BatchQuery{Org: l.org.id, Open: true}
		}
		batches, err := l.s.e.cfg.Store.Batches(ctx, q)
		if err != nil {
			return fmt.Errorf("batches of the organisation: %w", err)
		}
		l.load(batches)
		if first || len(batches) < page {
			return nil
		}
	}
}

func (l *loop) load(batches []store.Batch) {
	now := l.sys.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range batches {
		l.sched.load(b, now)
		l.rev = max(l.rev, b.Rev)
	}
	l.loaded = true
	for _, b := range batches { // what was learned anew needs a route
		if j := l.sched.jobs[b.ID]; j != nil && j.route == nil {
			l.book.news = true
		}
	}
}

// readHangUps finds the calls of this node that another process wants ended.
func (l *loop) readHangUps(ctx context.Context) error {
	l.mu.Lock()
	none := len(l.sched.calls) == 0 // not l.live: one that waits for another carrier is no dialer's
	l.mu.Unlock()
	if none {
		return nil
	}
	calls, err := l.s.e.cfg.Store.Calls(ctx, store.CallQuery{
		Org: l.org.id, Owner: l.s.node.ID, InFlight: true, HangUp: true,
	})
	if err != nil {
		return fmt.Errorf("calls to be ended: %w", err)
	}
	now := l.sys.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range calls {
		l.sched.cancel(c.ID, dialer.HangUp(dialer.APICancelled), now)
	}
	return nil
}

// route tells the scheduler how the calls of each batch leave now. Where the directory says what it said before, as it
// does nearly always, they leave as they did.
func (l *loop) route(now time.Time) {
	l.book.unsure = false
	for _, j := range l.sched.jobs {
		if j.route != nil && j.routed == l.book.version {
			continue
		}
		j.routed = l.book.version
		a, okAgent := l.book.agents[j.batch.AgentID]
		n, okNumber := l.book.numbers[j.batch.NumberID]
		var unable refusal
		switch {
		case !okAgent:
			unable.reason = l.missing(WaitAgent, question{anAgent, j.batch.AgentID}, now)
		case !okNumber:
			unable.reason = l.missing(WaitNumber, question{aNumber, j.batch.NumberID}, now)
		case n.InboundOnly:
			unable.reason = WaitNumber
		}
		waits := unable.reason == "" && (!okAgent || !okNumber) // until the directory has answered
		l.book.unsure = l.book.unsure || waits || unable.reason != ""
		if waits {
			continue
		}
		to := endpoint{from: n.E164, agent: a}
		if same := j.route != nil && unable.reason == "" && j.route.key == routeKey(n, a.ID); same {
			j.endpoint = to
			continue
		}
		l.sched.setRoute(j, n, to, unable, now)
	}
}
