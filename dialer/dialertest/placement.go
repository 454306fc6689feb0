package dialertest

import (
	"errors"
	"slices"

	"github.com/outdial/outdial/dialer"
)

func placementRules() []rule {
	return []rule{
		{
			"RefusedCallWrapsErrNotPlaced", "the error for a call that the carrier refuses outright wraps ErrNotPlaced",
			refusedCallWrapsErrNotPlaced,
		},
		{"RefusedCallRingsNobody", "ErrNotPlaced says that nobody's phone rang", refusedCallRingsNobody},
		{
			"OnlyUnplacedCallsWrapErrNotPlaced",
			"ErrNotPlaced must not be returned for a call that the carrier took, however it ended",
			onlyUnplacedCallsWrapErrNotPlaced,
		},
		{
			"UnavailableCarrierSaysSo", "a carrier that takes no call now gives an UnavailableError, which wraps ErrNotPlaced",
			unavailableCarrierSaysSo,
		},
	}
}

func refusedCallWrapsErrNotPlaced(tr *trial) {
	if w := tr.dial(Refused).over(); !errors.Is(w.err, dialer.ErrNotPlaced) {
		tr.Errorf("the call ended with %s: expected an error that wraps ErrNotPlaced", w.end())
	}
}

func refusedCallRingsNobody(tr *trial) {
	w := tr.dial(Refused).over()
	if stages := w.stages(); slices.ContainsFunc(stages, func(s dialer.Stage) bool { return s >= dialer.Ringing }) {
		tr.Errorf("reported %v", stages)
	}
	if tr.Placed != nil && tr.Placed() != 0 {
		tr.Errorf("the carrier took %d calls", tr.Placed())
	}
	tr.noneLive()
}

func onlyUnplacedCallsWrapErrNotPlaced(tr *trial) {
	for name, w := range tr.every() {
		if errors.Is(w.err, dialer.ErrNotPlaced) {
			tr.Errorf("%s: the carrier took the call, and the error is: %v", name, w.err)
		}
	}
}

func unavailableCarrierSaysSo(tr *trial) {
	if tr.NoUnavailable {
		tr.Skip("the harness cannot make the carrier unavailable")
	}
	w := tr.dial(Unavailable).over()
	var unavailable *dialer.UnavailableError
	if !errors.As(w.err, &unavailable) || !errors.Is(w.err, dialer.ErrNotPlaced) {
		tr.Fatalf("the call ended with %s: expected a *dialer.UnavailableError", w.end())
	}
	if unavailable.After < 0 {
		tr.Errorf("the carrier wants to be left alone for %v", unavailable.After)
	}
	tr.noneLive()
}
