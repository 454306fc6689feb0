package twilio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
)

// Resume follows a call that was placed earlier, see [dialer.Resumer]. Where the call's SID was never
// learned, it is looked for by its numbers and the time of its attempt. A call that the account does not know, or of
// which it cannot be asked, is looked for in those that d has replaced.
func (d *Dialer) Resume(
	ctx context.Context, call dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	if dialer.Detached(ctx) {
		return dialer.Outcome{}, dialer.ErrDetached
	}
	if call.Ref != "" && !callSID.MatchString(call.Ref) {
		return dialer.Outcome{}, dialer.ErrUnknownCall
	}
	var why error
	for _, x := range d.accounts() {
		a, err := x.takeUp(ctx, call)
		if err == nil {
			f := &follower{dialer: x, attempt: a, report: report}
			return f.follow(ctx)
		}
		if why == nil || errors.Is(why, dialer.ErrUnknownCall) {
			why = err // that one account does not know the call says nothing while another cannot be asked
		}
		if !mayBeOthers(err) {
			break
		}
	}
	return dialer.Outcome{}, why
}

// mayBeOthers says whether the call that was not found may be one of another account.
func mayBeOthers(err error) bool {
	f, isFailure := errors.AsType[*failure](err)
	return errors.Is(err, errNotListed) || (isFailure && (f.fate == absent || f.fate == barred))
}

// takeUp finds the call at Twilio, and has the caller be its follower.
func (d *Dialer) takeUp(ctx context.Context, call dialer.Call) (*attempt, error) {
	a, isNew := d.calls.resume(call)
	err := d.refind(ctx, a, call)
	switch {
	case err == nil:
		return a, nil
	case errors.Is(err, dialer.ErrUnknownCall):
		d.calls.giveUp(a) // it is hung up, should it turn up
	case isNew:
		d.calls.forget(a)
	default:
		d.calls.leave(a) // its stream may go on
	}
	return nil, err
}

// refind asks Twilio what became of the call. A call that is to end is asked for all the same, since only
// Twilio can end it.
func (d *Dialer) refind(ctx context.Context, a *attempt, call dialer.Call) error {
	asking, cancel := outliving(ctx, d.config.Timing.HangUp)
	defer cancel()
	k, _ := a.look()
	switch {
	case k.sid != "" && call.Ref != "" && k.sid != call.Ref && !k.isGuess:
		return dialer.ErrUnknownCall
	case k.sid == "" && call.Ref == "":
		return d.refindListed(ctx, asking, a)
	case k.sid == "":
		k.sid = call.Ref
	}
	r, err := d.account.fetchSure(asking, k.sid)
	if err != nil {
		return resumeError(ctx, asFailure(err))
	}
	if r.from != string(call.From) || r.to != string(call.To) {
		return dialer.ErrUnknownCall
	}
	d.calls.note(r.sid, call.ID)
	e := eventOf(r)
	e.isNamed = true
	a.apply(e)
	return nil
}

// refindListed knows when the call may have been created: the request is sent, if at all, soon after the
// attempt was made durable, or came here from another carrier. It looks no further, since what the list shows of a
// call has nothing by which it is the attempt's but its numbers and its time: in a longer while there may be another.
func (d *Dialer) refindListed(ctx, asking context.Context, a *attempt) error {
	const slack = 30 * time.Second // for a process that was slow, and for clocks
	t, placed := d.config.Timing, a.call.PlacedAt
	err := d.lookUp(asking, a, window{placed, placed.Add(t.Create + t.Request + slack)})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNotListed), errors.Is(err, errAmbiguous):
		if dialer.Detached(ctx) {
			return dialer.ErrDetached
		}
		return fmt.Errorf("%w: %w", dialer.ErrUnknownCall, err)
	}
	return resumeError(ctx, asFailure(err))
}

func resumeError(ctx context.Context, f *failure) error {
	switch {
	case dialer.Detached(ctx):
		return dialer.ErrDetached
	case f.fate == absent:
		return fmt.Errorf("%w: %w", dialer.ErrUnknownCall, f)
	case f.fate == barred:
		return f.refusal()
	}
	return fmt.Errorf("asking Twilio about the call: %w", f)
}
