package guard

import (
	"context"
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
)

// A call that waits in Dial for those under way holds a place in every limit, so it does not for long. But as an engine
// gives up a recipient whom a carrier that takes others has refused a hundred times, a hundred waits have to be longer
// than a phone may ring without anybody being told of it.
const (
	firstPatience = 100 * time.Millisecond
	mostPatience  = 2 * time.Second
)

// patience is how long a call waits for those under way before its recipient is put back. The first time it does not,
// as there may be others who can be called. After that it does, for longer and longer, or a recipient that
// nobody else is left beside would be put back as often as the machine can.
func patience(call dialer.Call) time.Duration {
	const doublings = 5
	if call.Attempt <= 1 {
		return 0
	}
	wait := min(firstPatience<<min(call.Attempt-2, doublings), mostPatience)
	if half := call.RingTimeout / 2; half > 0 {
		wait = min(wait, half)
	}
	return wait
}

// reservation is the room that a call takes up until it is known whether it is placed.
type reservation struct {
	ledger *Ledger
	to     dialer.Phone
	over   bool // it is settled; guarded by the ledger's mu
}

// reserve takes room for a call, and waits a little for it while calls under way might leave some. The error is a
// *RefusedError where there is none, or says that it is not known yet.
func (g *plain) reserve(ctx context.Context, call dialer.Call) (*reservation, error) {
	enough := time.NewTimer(patience(call))
	defer enough.Stop()
	for {
		now := time.Now()
		r, settled := g.ledger.reserve(g.policy, call.To, now)
		switch {
		case r != nil:
			return r, nil
		case settled == nil:
			return nil, g.ledger.decide(g.policy.tooMany(call.To), call.To, now)
		}
		select {
		case <-settled:
		case <-enough.C:
			return nil, undecided(nil)
		case <-ctx.Done():
			return nil, undecided(context.Cause(ctx))
		}
	}
}

// undecided has an engine queue the recipient again, and learn nothing of the carrier from it.
func undecided(why error) error {
	err := fmt.Errorf("%w: calls under way may use up those of this hour to the block of numbers", dialer.ErrNotAsked)
	if why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return &dialer.UnavailableError{Cause: err}
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
	for digits, h := range l.blocks {
		if h != nil {
			h.reserve(block(to, digits))
		}
	}
	return &reservation{ledger: l, to: to}, nil
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
	for digits, h := range r.ledger.blocks { // also those of guards that joined since: they began with it
		if h != nil {
			b := block(r.to, digits)
			count(h, b)
			h.settle(b)
		}
	}
}
