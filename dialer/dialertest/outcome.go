package dialertest

import (
	"reflect"

	"github.com/outdial/outdial/dialer"
)

func outcomeRules() []rule {
	return []rule{
		{
			"EveryCallHasOneOutcome",
			"Dial blocks until the call is over, then returns its outcome, with the reason that fits; " +
				"an error says that there is none",
			everyCallHasOneOutcome,
		},
		{"ReasonIsValid", "the reason is one of dialer.EndReasons()", reasonIsValid},
		{
			"BusyCalleeIsDialBusy", "a callee who is busy ends the call with dial_busy, and it never connected",
			busyCalleeIsDialBusy,
		},
		{
			"AnsweredCallConnected", "a call that was answered has the time at which it connected, and completes",
			answeredCallConnected,
		},
		{
			"RefIsTheSameThroughout", "a call has one reference at the carrier, and no other call has it",
			refIsTheSameThroughout,
		},
	}
}

func everyCallHasOneOutcome(tr *trial) {
	calls := tr.every()
	for _, e := range endings() {
		w := calls[e.name]
		if w.err != nil || !e.want(w.outcome) {
			tr.Errorf("%s: ended with %s", e.name, w.end())
		}
	}
	w := tr.dial(Refused).over()
	if !reflect.ValueOf(w.outcome).IsZero() && w.err != nil {
		tr.Errorf("a refused call has an error and an outcome, with reason %q", w.outcome.Reason)
	}
}

func reasonIsValid(tr *trial) {
	for name, w := range tr.every() {
		if w.err == nil && !w.outcome.Reason.Valid() {
			tr.Errorf("%s: the reason %q does not exist", name, w.outcome.Reason)
		}
	}
}

func busyCalleeIsDialBusy(tr *trial) {
	w := tr.dial(Busy).ends(dialer.DialBusy)
	if !w.outcome.ConnectedAt.IsZero() {
		tr.Errorf("the call connected at %v", w.outcome.ConnectedAt)
	}
}

func answeredCallConnected(tr *trial) {
	w := tr.dial(Answers).over()
	if w.err != nil {
		tr.Fatalf("the call ended with %s", w.end())
	}
	if w.outcome.ConnectedAt.IsZero() {
		tr.Errorf("the outcome says that the call never connected")
	}
	if !w.outcome.Reason.Completes(true) {
		tr.Errorf("the call ended with %q", w.outcome.Reason)
	}
}

func refIsTheSameThroughout(tr *trial) {
	whose := map[string]string{}
	for name, w := range tr.every() {
		ref := w.known().Ref
		for _, p := range w.heard() {
			if p.Ref != "" && p.Ref != ref {
				tr.Errorf("%s: the reference is %q, then %q", name, p.Ref, ref)
			}
		}
		if other, taken := whose[ref]; taken && ref != "" {
			tr.Errorf("the calls %q and %q have the same reference %q", name, other, ref)
		}
		whose[ref] = name
	}
}
