package guard

import (
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
)

// reservation is the room that a call takes up until it is known whether it is placed.
type reservation struct {
	ledger *Ledger
	to     dialer.Phone
	over   bool // it is settled; guarded by the ledger's mu
}

// reserve takes room for a call. The error is a *RefusedError where there is none; where calls under way might
// leave some, it has an engine queue the recipient again, and learn nothing of the carrier from it.
func (g *plain) reserve(call dialer.Call) (*reservation, error) {
	now := time.Now()
	r, full := g.ledger.reserve(g.policy, call.To, now)
	switch {
	case full:
		return nil, g.ledger.decide(g.policy.tooMany(call.To), call.To, now)
	case r == nil:
		return nil, &dialer.UnavailableError{Cause: fmt.Errorf(
			"%w: calls under way may use up those of this hour to the block of numbers", dialer.ErrNotAsked)}
	}
	return r, nil
}

// reserve counts a call as under way in the blocks of every size. There is no reservation where the policy has no room
// for it in its own; full says that what was placed alone leaves none.
func (l *Ledger) reserve(p *policy, to dialer.Phone, now time.Time) (r *reservation, full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.stepOf(now)
	if !l.room(p, to, at) {
		return nil, true
	}
	if own, b := l.blocks[p.digits], block(to, p.digits); p.hourly > 0 && own.count(b, at)+own.underWay(b) >= p.hourly {
		return nil, false
	}
	for digits, h := range l.blocks {
		if h != nil {
			h.reserve(block(to, digits))
		}
	}
	return &reservation{ledger: l, to: to}, false
}

// place counts the call as placed from now on, so that it counts for an hour after it was placed at the latest.
func (r *reservation) place() {
	r.settle(func(h *hours, block uint64) { h.add(block, r.ledger.stepOf(time.Now())) })
}

// giveBack does not count the call any more, unless it was placed.
func (r *reservation) giveBack() { r.settle(func(*hours, uint64) {}) }

// settle does nothing the second time. What becomes of the call is counted before it is no longer under way.
func (r *reservation) settle(count func(h *hours, block uint64)) {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	if r.over {
		return
	}
	r.over = true
	for digits, h := range r.ledger.blocks { // also those of guards that joined since: they began with it
		if h != nil {
			b := block(r.to, digits)
			count(h, b)
			h.settle(b)
		}
	}
}
