package batch

import (
	"errors"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

var (
	// errOrphan is how a call ends whose node died and whose carrier cannot tell.
	errOrphan = errors.New("the engine stopped while the call was under way")

	// errPanic is how a call ends whose dialer panicked.
	errPanic = errors.New("the dialer panicked")
)

func dialerDetached(err error) bool { return errors.Is(err, dialer.ErrDetached) }

// judge writes down what became of a call. What a dialer says is believed only as far as
// it is consistent: a call that was seen ringing was placed, whatever the error says.
func (s *scheduler) judge(a *attempt, o dialer.Outcome, err error, now time.Time) {
	var busy *dialer.UnavailableError
	certain := errors.Is(err, dialer.ErrNotPlaced) && a.rangAt.IsZero() && a.status == fsm.Dispatched
	unavailable := certain && errors.As(err, &busy)
	again := unavailable || (certain && dialerDetached(err)) // let go of before it was placed
	if a.carrier != nil && unavailable {
		a.carrier.refused(now, busy.After)
	} else if a.carrier != nil && !errors.Is(err, errOrphan) {
		a.carrier.took()
	}
	ev := s.event(a)
	ev.EndedAt = moment(o.EndedAt, now)
	switch {
	case again && !a.cancelled:
		ev.Status, ev.Error = fsm.Queued, err.Error()
	case certain && a.cancelled:
		ev.Status, ev.Unplaced, ev.Error = fsm.Failed, true, "cancelled before a call was placed"
	case certain:
		ev.Status, ev.Unplaced, ev.Error = fsm.Failed, true, err.Error()
	case err != nil:
		ev.Status, ev.EndReason = fsm.Failed, dialer.Error
		ev.RangAt = a.rangAt
		ev.Error = "what became of the call is unknown: " + err.Error()
	default:
		judgeOutcome(ev, a, o)
	}
}

func judgeOutcome(ev *store.Event, a *attempt, o dialer.Outcome) {
	ev.Details = o.Details
	if o.Ref != a.ref && o.Ref != "" {
		ev.Ref = o.Ref
	}
	ev.RangAt = firstTime(a.rangAt, o.RangAt, ev.EndedAt)
	ev.StartedAt = firstTime(a.startedAt, o.ConnectedAt, ev.EndedAt)
	if !ev.StartedAt.IsZero() && ev.RangAt.After(ev.StartedAt) {
		ev.RangAt = ev.StartedAt
	}
	ev.EndReason, ev.Error = o.Reason, o.Message
	if !o.Reason.Valid() {
		ev.EndReason = dialer.Error
		ev.Error = "the dialer gave an unknown end reason: " + string(o.Reason)
	}
	ev.Status = fsm.Failed
	if ev.EndReason.Completes(!ev.StartedAt.IsZero()) {
		ev.Status = fsm.Completed
	}
}

// firstTime is the time that was reported on the way, else that of the outcome, and never
// after the end. Zero where the thing did not happen.
func firstTime(reported, outcome, end time.Time) time.Time {
	if !reported.IsZero() {
		outcome = reported
	}
	if outcome.IsZero() {
		return outcome
	}
	return moment(outcome, end)
}
