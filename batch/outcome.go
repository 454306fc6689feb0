package batch

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

var (
	// errOrphan is how a call ends whose node died and whose carrier cannot tell.
	errOrphan = errors.New("the engine stopped while the call was under way")

	// errLeaseOver has a call queued again that was claimed under a lease that ran out meanwhile.
	errLeaseOver = fmt.Errorf("%w: the lease ran out first: %w", dialer.ErrNotPlaced, errAgain)

	// errPanic is how a call ends whose dialer panicked.
	errPanic = errors.New("the dialer panicked")
)

func dialerDetached(err error) bool { return errors.Is(err, dialer.ErrDetached) }

// verdict is what an error of a dialer says, as far as it is consistent.
type verdict struct {
	certain bool                     // nobody's phone rang
	busy    *dialer.UnavailableError // nobody's could have at present; nil: it is about this call
	again   bool                     // nobody was asked to place it
	unasked bool                     // its carrier was not asked: that says nothing of it
	final   bool                     // no carrier may be asked, now or later
}

func (v verdict) agentOnly() bool { return v.busy != nil && v.busy.AgentOnly }

// verdict believes a dialer only so far: a call that was seen ringing was placed, whatever the error
// says.
func (a *attempt) verdict(err error) verdict {
	v := verdict{certain: errors.Is(err, dialer.ErrNotPlaced) && a.rangAt.IsZero() && a.status == fsm.Dispatched}
	if v.certain {
		v.busy, _ = errors.AsType[*dialer.UnavailableError](err)
	}
	if v.busy != nil && a.resumed {
		return verdict{} // it could not be asked: that says nothing of the call
	}
	v.again = v.certain && (a.detached || errors.Is(err, errAgain))
	v.unasked = v.certain && errors.Is(err, dialer.ErrNotAsked)
	v.final = v.certain && errors.Is(err, dialer.ErrForbidden)
	return v
}

// judge writes down what became of a call.
func (s *scheduler) judge(a *attempt, o dialer.Outcome, err error, now time.Time) {
	v := a.verdict(err)
	again := v.again || (v.certain && !v.final && a.mayBeTaken(v))
	a.job.after(a, v, again, now)
	s.learn(a, v, o, err, now)
	ev := s.event(a)
	ev.EndedAt = a.moment(o.EndedAt, now)
	switch {
	case again && !a.cancelled:
		ev.Status, ev.Error = fsm.Queued, clean(a.everyRefusal(err.Error()))
	case v.certain && a.cancelled:
		ev.Status, ev.Unplaced, ev.Error = fsm.Failed, true, store.CancelledBefore
	case v.certain:
		ev.Status, ev.Unplaced, ev.Error = fsm.Failed, true, clean(a.everyRefusal(err.Error()))
	case err != nil:
		ev.Status, ev.EndReason = fsm.Failed, dialer.Error
		ev.RangAt = a.rangAt
		ev.Error = clean("what became of the call is unknown: " + err.Error())
	default:
		judgeOutcome(ev, a, o)
	}
}

func judgeOutcome(ev *store.Event, a *attempt, o dialer.Outcome) {
	ev.Details = cleanDetails(o.Details)
	if o.Ref != a.ref && o.Ref != "" {
		ev.Ref = clean(o.Ref)
	}
	ev.RangAt = a.firstTime(a.rangAt, o.RangAt, ev.EndedAt)
	ev.StartedAt = a.firstTime(a.startedAt, o.ConnectedAt, ev.EndedAt)
	if !ev.StartedAt.IsZero() && ev.RangAt.After(ev.StartedAt) {
		ev.RangAt = ev.StartedAt
	}
	ev.EndReason, ev.Error = o.Reason, clean(o.Message)
	if !o.Reason.Valid() {
		ev.EndReason = dialer.Error
		ev.Error = clean("the dialer gave an unknown end reason: " + string(o.Reason))
	}
	ev.Status = fsm.Failed
	if ev.EndReason.Completes(!ev.StartedAt.IsZero()) {
		ev.Status = fsm.Completed
	}
}

// firstTime is the time that was reported on the way, else that of the outcome, and never
// after the end. Zero where the thing did not happen.
func (a *attempt) firstTime(reported, outcome, end time.Time) time.Time {
	if !reported.IsZero() {
		outcome = reported
	}
	if outcome.IsZero() {
		return outcome
	}
	return a.moment(outcome, end)
}

// dialError is what an error of a dialer said, without the error: its methods are the
// dialer's code, and run where they can be guarded.
type dialError struct {
	text  string
	kinds []error
}

func (e *dialError) Error() string   { return e.text }
func (e *dialError) Unwrap() []error { return e.kinds }

func plain(err error) error {
	if err == nil {
		return nil
	}
	e := &dialError{text: clean(err.Error())}
	for _, kind := range []error{
		dialer.ErrNotPlaced, dialer.ErrNotAsked, dialer.ErrForbidden, dialer.ErrDetached, dialer.ErrUnknownCall,
	} {
		if errors.Is(err, kind) {
			e.kinds = append(e.kinds, kind)
		}
	}
	var busy *dialer.UnavailableError
	if errors.As(err, &busy) && busy != nil {
		e.kinds = append(e.kinds, &dialer.UnavailableError{
			After: busy.After, Notice: clean(busy.Notice), CallerOnly: busy.CallerOnly, AgentOnly: busy.AgentOnly,
		})
	}
	return e
}

// maxText is the most bytes that are kept of a text of a carrier.
const maxText = 4096

// clean makes a text of a carrier into one that every store can keep: a step with one that
// it cannot would never be written, and nothing after it.
func clean(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func cleanDetails(details map[string]string) map[string]string {
	const most = 100
	if len(details) == 0 {
		return nil
	}
	kept := make(map[string]string, len(details))
	for k, v := range details {
		if len(kept) == most {
			break
		}
		kept[clean(k)] = clean(v)
	}
	return kept
}
