package twilio

import (
	"context"
	"fmt"
	"time"

	rest "github.com/twilio/twilio-go/rest/api/v2010"

	"github.com/outdial/outdial/dialer"
)

var errBusyRoute = fmt.Errorf("%w: another call to the same number is being placed", dialer.ErrNotAsked)

// Dial places the call and follows it to its end, see [dialer.Dialer].
func (d *Dialer) Dial(
	ctx context.Context, call dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	if ctx.Err() != nil {
		return tooLate(ctx)
	}
	params, err := d.paramsOf(call)
	if err != nil {
		return dialer.Outcome{}, fmt.Errorf("%w: %w", dialer.ErrNotPlaced, err)
	}
	if d.closed() {
		return dialer.Outcome{}, fmt.Errorf("%w: %w", dialer.ErrNotPlaced, errClosed)
	}
	if err := d.tryAgent(ctx, call); err != nil {
		return notYet(ctx, &dialer.UnavailableError{Cause: err, AgentOnly: true})
	}
	a, ok := d.calls.begin(call)
	if !ok {
		return dialer.Outcome{}, fmt.Errorf("%w: the call's id was used before", dialer.ErrNotPlaced)
	}
	f := &follower{dialer: d, attempt: a, report: report}
	return f.dial(ctx, params)
}

// tooLate is for a call that ended before anything was sent.
func tooLate(ctx context.Context) (dialer.Outcome, error) {
	if dialer.Detached(ctx) {
		return dialer.Outcome{}, fmt.Errorf("%w: %w", dialer.ErrNotPlaced, dialer.ErrDetached)
	}
	return dialer.Outcome{Reason: dialer.HangUpReason(ctx, false), EndedAt: time.Now()}, nil
}

func (f *follower) dial(ctx context.Context, params *rest.CreateCallParams) (dialer.Outcome, error) {
	d, a := f.dialer, f.attempt
	within, cancel := context.WithTimeoutCause(ctx, d.config.Timing.Create, errTooLong)
	defer cancel()
	next, err := d.calls.enter(within, route{a.call.From, a.call.To})
	if err != nil {
		d.calls.forget(a)
		return notYet(ctx, &dialer.UnavailableError{Cause: errBusyRoute})
	}
	defer next()
	lost := f.create(ctx, within, params)
	if lost != nil && lost.fate != unknown {
		d.calls.forget(a)
		return f.unplaced(ctx, lost)
	}
	if lost != nil {
		if err := f.search(ctx, lost); err != nil {
			return dialer.Outcome{}, err
		}
	}
	next()
	return f.follow(ctx)
}

// create asks for the call until it is there, or until it may not be asked for again. It returns nil if the
// call is there.
func (f *follower) create(ctx, within context.Context, params *rest.CreateCallParams) *failure {
	asking, cancel := outliving(ctx, grace)
	defer cancel()
	for failures := 0; ; failures++ {
		if within.Err() != nil {
			return &failure{fate: notSent, cause: context.Cause(within)}
		}
		f.began = time.Now()
		r, err := f.dialer.account.create(asking, params)
		if err == nil {
			f.dialer.calls.note(r.sid, f.attempt.call.ID)
			e := eventOf(r)
			e.isNamed = true
			f.attempt.apply(e)
			return nil
		}
		lost := asFailure(err)
		if k, _ := f.attempt.look(); k.sid != "" {
			return nil // the answer was lost, and a callback was faster
		}
		if lost.fate != turnedAway && lost.fate != notSent {
			return lost
		}
		f.dialer.log.DebugContext(ctx, "twilio: a call could not be placed yet", "call", f.attempt.call.ID, "error", lost)
		wait := max(lost.after+jitter(time.Second/2), backoff(failures, time.Second/4, 4*time.Second))
		if by, _ := within.Deadline(); time.Until(by) < wait || !pause(within, wait) {
			return lost
		}
	}
}

// unplaced is the end of a call that is certainly not there.
func (f *follower) unplaced(ctx context.Context, lost *failure) (dialer.Outcome, error) {
	switch lost.fate {
	case turnedAway, notSent:
		return notYet(ctx, &dialer.UnavailableError{Cause: lost, After: lost.after})
	case unknown, refused, barred, absent:
	}
	return dialer.Outcome{}, lost.refusal()
}

// notYet is for a call that may be placed later, unless it is to end.
func notYet(ctx context.Context, why *dialer.UnavailableError) (dialer.Outcome, error) {
	if ctx.Err() != nil {
		return tooLate(ctx)
	}
	return dialer.Outcome{}, why
}

// search looks for a call whose request was lost, or makes the error that says that its fate is unknown.
func (f *follower) search(ctx context.Context, lost *failure) error {
	d, a := f.dialer, f.attempt
	d.log.WarnContext(ctx, "twilio: it is not known whether a call was placed", "call", a.call.ID, "error", lost)
	looking, cancel := outliving(ctx, grace)
	defer cancel()
	if d.lookUp(looking, a, window{f.began, time.Now().Add(time.Hour)}) == nil {
		return nil
	}
	if dialer.Detached(ctx) {
		d.calls.leave(a)
		return dialer.ErrDetached
	}
	d.calls.finish(a)
	return fmt.Errorf("it is not known whether the call was placed, and Twilio does not list it: %w", lost)
}
