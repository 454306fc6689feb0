package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/outdial/outdial/dialer"
)

// ErrCannotProbe is returned by Probe where the carrier behind the guard is no [dialer.Prober].
var ErrCannotProbe = fmt.Errorf("this carrier kind has no way to ask: %w", errors.ErrUnsupported)

// New returns a dialer that places over d what the rules allow and refuses the rest with a
// *[RefusedError]. The error names the rule that cannot be used. It counts calls for itself: for the carriers
// of one program, use [Ledger.Guard].
//
// It is a [dialer.Resumer] only if d is one. It passes on Limits (the zero value where d has none), Probe
// (ErrCannotProbe) and Close (nil). It has a method Leave() for who takes it out of use before it is closed, and
// Unwrap, so that [dialer.As] finds what d is. Calls that have been placed are resumed without being looked at. Like
// d, it is safe for concurrent use.
func New(d dialer.Dialer, rules Rules) (dialer.Dialer, error) { return new(Ledger).Guard(d, rules) }

// plain guards a dialer that is no Resumer.
type plain struct {
	inner  dialer.Dialer
	policy *policy
	ledger *Ledger
}

// Dial implements dialer.Dialer. Where calls under way may use up the block's calls of the hour, the error is a
// [dialer.UnavailableError] that wraps [dialer.ErrNotAsked].
func (g *plain) Dial(
	ctx context.Context, call dialer.Call, report func(dialer.Progress),
) (outcome dialer.Outcome, err error) {
	if err := g.policy.check(call.To); err != nil {
		return dialer.Outcome{}, g.ledger.decide(err, call.To, time.Now())
	}
	room, err := g.reserve(call)
	if err != nil {
		return dialer.Outcome{}, err
	}
	defer func() { // after a panic, too: the fate of the call is unknown, and it may have cost
		if errors.Is(err, dialer.ErrNotPlaced) {
			room.giveBack()
		} else {
			room.place()
		}
	}()
	return g.inner.Dial(ctx, call, func(p dialer.Progress) {
		if p.Stage >= dialer.Ringing { // so nobody needs to wait for the end of the call
			room.place()
		}
		report(p)
	})
}

// Limits implements dialer.Limiter.
func (g *plain) Limits() dialer.Limits {
	if l, ok := g.inner.(dialer.Limiter); ok {
		return l.Limits()
	}
	return dialer.Limits{}
}

// Probe implements dialer.Prober.
func (g *plain) Probe(ctx context.Context) error {
	if p, ok := dialer.As[dialer.Prober](g.inner); ok {
		return p.Probe(ctx)
	}
	return ErrCannotProbe
}

// Leave tells the ledger that no call will be placed over this guard any more, as its Close does, for a dialer that is
// kept open for what its carrier still has to say. More than one Leave does no harm.
func (g *plain) Leave() { g.ledger.leave(g) }

// Close implements io.Closer.
func (g *plain) Close() error {
	g.Leave()
	if c, ok := g.inner.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Unwrap returns the dialer that is guarded.
func (g *plain) Unwrap() dialer.Dialer { return g.inner }

// resumable guards a Resumer.
type resumable struct {
	*plain

	resumer dialer.Resumer
}

// Resume implements dialer.Resumer. The call has been placed already, so nothing is refused.
func (g *resumable) Resume(
	ctx context.Context, call dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	return g.resumer.Resume(ctx, call, report)
}

var (
	_ dialer.Limiter = (*plain)(nil)
	_ dialer.Prober  = (*plain)(nil)
	_ io.Closer      = (*plain)(nil)
	_ dialer.Resumer = (*resumable)(nil)
)
