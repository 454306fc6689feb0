package guard

import (
	"context"
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
)

// reservation is the room that a call takes up until it is known whether it is placed.
type reservation struct {
	ledger *Ledger
	to     dialer.Phone
	in     [MaxBlock + 1]*hours // where it was counted: guards that join later may bring other sizes of blocks
	over   bool                 // it is settled; guarded by the ledger's mu
}

// reserve waits for room for a call while those under way might leave some. The error is a *RefusedError where
// there is none, or says that ctx ended first.
func (g *plain) reserve(ctx context.Context, to dialer.Phone) (*reservation, error) {
	for {
		now := time.Now()
		r, settled := g.ledger.reserve(g.policy, to, now)
		switch {
		case r != nil:
			return r, nil
		case settled == nil:
			return nil, g.ledger.decide(g.policy.tooMany(to), to, now)
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return nil, fmt.Errorf("guard: %w: waiting for calls under way, which may use up those of this hour: %w",
				dialer.ErrNotAsked, context.Cause(ctx))
		}
	}
}

// reserve counts a call as under way in the blocks of every size. Where the policy has no room for it in its own,
// there is no reservation, but a channel that tells when to try again; nil: what was placed alone leaves none.
func (l *Ledger) reserve(p *policy, to dialer.Phone, now time.Time) (*reservation, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.stepOf(now)
	if !l.room(p, to, at) {
		return nil, nil
	}
	if own, b := l.blocks[p.digits], block(to, p.digits); p.hourly > 0 && own.count(b, at)+own.underWay(b) >= p.hourly {
		return nil, own.settled(b)
	}
	r := &reservation{ledger: l, to: to, in: l.blocks}
	for digits, h := range r.in {
		if h != nil {
			h.reserve(block(to, digits))
		}
	}
	return r, nil
}

// place counts the call as placed from now on, so that it counts for an hour after it was placed at the latest.
func (r *reservation) place() {
	r.settle(func(h *hours, block uint64) { h.add(block, r.ledger.stepOf(time.Now())) })
}

// giveBack does not count the call any more, unless it was placed.
func (r *reservation) giveBack() { r.settle(func(*hours, uint64) {}) }

// settle does nothing the second time. What becomes of the call is counted before those who wait look again.
func (r *reservation) settle(count func(h *hours, block uint64)) {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	if r.over {
		return
	}
	r.over = true
	for digits, h := range r.in {
		if h != nil {
			b := block(r.to, digits)
			count(h, b)
			h.settle(b)
		}
	}
}
