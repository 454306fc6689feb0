package dialertest

import (
	"errors"

	"github.com/outdial/outdial/dialer"
)

func loadRules() []rule {
	return []rule{{
		"ManyCallsAtOnceAreSafe", "a dialer is safe for concurrent use by as many goroutines as there are calls",
		manyCallsAtOnceAreSafe,
	}}
}

func manyCallsAtOnceAreSafe(tr *trial) {
	callees := []Callee{Answers, TalksForever, Busy, RingsForever, Refused}
	calls := make([]*watched, tr.AtOnce)
	for i := range calls {
		calls[i] = tr.dial(callees[i%len(callees)])
	}
	for i, w := range calls { // all of them are under way before the first is hung up
		switch callees[i%len(callees)] {
		case TalksForever:
			w.wait(dialer.Connected)
		case RingsForever:
			w.wait(dialer.Ringing)
		case Answers, Busy, Refused, Unavailable:
		}
	}
	for i, w := range calls {
		w.finish(callees[i%len(callees)])
	}
	tr.noneLive()
}

// finish sees to it that a call to such a callee ends, and ends as it should.
func (w *watched) finish(callee Callee) {
	w.tr.Helper()
	switch callee {
	case TalksForever:
		w.hangUp(dialer.AgentHangup)
	case RingsForever:
		w.hangUp(dialer.APICancelled)
	case Busy:
		w.ends(dialer.DialBusy)
	case Refused, Unavailable:
		if !errors.Is(w.over().err, dialer.ErrNotPlaced) {
			w.tr.Errorf("a refused call ended with %s", w.end())
		}
	case Answers:
		if w.over().err != nil || !isCompleted(w.outcome) {
			w.tr.Errorf("an answered call ended with %s", w.end())
		}
	}
}
