package sip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
)

// verdict is what became of the call at one server: it was answered, or it is over, or the next
// server may be tried.
type verdict struct {
	dialog *dialog
	over   *ending
	fails  error // the call is over, and nobody's phone rang

	why    error
	after  time.Duration // how long the server wants to be left alone
	maybe  bool          // somebody may have heard of the call, though nobody's phone is known to ring
	ending ending        // if there is no next server and maybe
}

func over(e ending) verdict { return verdict{over: &e} }

// place tries one server after the other. It returns the dialog, or the ending, or an
// error that says that nobody's phone rang.
func (c *call) place(ctx context.Context) (*dialog, ending, error) {
	var tried tally
	if c.ringOver() {
		return nil, ending{}, &dialer.UnavailableError{Cause: errAgentLate, AgentOnly: true}
	}
	if c.agentLeft() {
		return nil, ending{}, &dialer.UnavailableError{Cause: errAgentLeft, AgentOnly: true}
	}
	for _, t := range c.d.trunks {
		hops, err := t.hops(ctx)
		if err != nil {
			tried.add(t.Name, verdict{why: err})
			continue
		}
		for _, h := range hops {
			if isOver(ctx) {
				return nil, c.cancelled(ctx), nil
			}
			if c.ringOver() {
				tried.add(t.Name, verdict{why: errNoTime})
				return tried.result()
			}
			v := c.tryHop(ctx, t, h)
			switch {
			case v.dialog != nil:
				return v.dialog, ending{}, nil
			case v.over != nil:
				return nil, *v.over, nil
			case v.fails != nil:
				return nil, ending{}, v.fails
			}
			tried.add(t.Name, v)
		}
	}
	if isOver(ctx) {
		return nil, c.cancelled(ctx), nil
	}
	return tried.result()
}

func (c *call) tryHop(ctx context.Context, t *trunk, h hop) verdict {
	if after, err := t.account.resting(); err != nil {
		return verdict{why: err, after: after}
	}
	if after, err := t.resting(h.remote); err != nil {
		return verdict{why: err, after: after}
	}
	v := c.try(ctx, t, h)
	if v.why != nil && c.stage >= dialer.Accepted { // a phone may have rung, by an INVITE before
		return over(ending{reason: dialer.Error, message: t.Name + ": " + v.why.Error()})
	}
	return v
}

var errAgentLeft = errors.New("the agent hung up before the call was placed")

// agentLeft says whether there is nobody any more for the callee to talk to.
func (c *call) agentLeft() bool {
	select {
	case <-c.session.Left():
		return true
	default:
		return false
	}
}

func isOver(ctx context.Context) bool { return ctx.Err() != nil }

var errNoTime = errors.New("the time that the phone may ring has passed")

// ringOver says whether the phone may ring no longer.
func (c *call) ringOver() bool {
	select {
	case <-c.ring:
		return true
	default:
		return false
	}
}

// tally is what the servers said that did not take the call.
type tally struct {
	causes []error
	after  time.Duration
	last   *ending
}

func (t *tally) add(name string, v verdict) {
	t.causes = append(t.causes, fmt.Errorf("%s: %w", name, v.why))
	if v.after > 0 && (t.after == 0 || v.after < t.after) {
		t.after = v.after
	}
	if v.maybe {
		t.last = &v.ending
	}
}

// result is the end of a call that no server took. Only where every one is certain to have rung
// nobody may the call be placed again.
func (t *tally) result() (*dialog, ending, error) {
	if t.last != nil {
		if t.last.message == "" {
			t.last.message = errors.Join(t.causes...).Error()
		}
		return nil, *t.last, nil
	}
	return nil, ending{}, &dialer.UnavailableError{Cause: errors.Join(t.causes...), After: t.after}
}
