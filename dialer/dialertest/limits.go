package dialertest

import (
	"time"

	"github.com/outdial/outdial/dialer"
)

func limitRules() []rule {
	return []rule{
		{"RingTimeoutIsNoAnswer", "the dialer keeps RingTimeout: the outcome is dial_no_answer", ringTimeoutIsNoAnswer},
		{"MaxDurationEndsTheCall", "the dialer keeps MaxDuration: the outcome is max_duration", maxDurationEndsTheCall},
		{
			"RingTimeoutSparesAnsweredCalls", "RingTimeout is how long it may ring, not how long it may last",
			ringTimeoutSparesAnsweredCalls,
		},
	}
}

func ringTimeoutIsNoAnswer(tr *trial) {
	w := tr.dialBriefRing().ends(dialer.DialNoAnswer)
	tr.notEarly(w.took)
	tr.noneLive()
}

func maxDurationEndsTheCall(tr *trial) {
	w := tr.dialBriefTalk().ends(dialer.MaxDuration)
	tr.notEarly(w.took)
	tr.noneLive()
}

// ringTimeoutSparesAnsweredCalls has a call last longer than it may ring. A slow carrier
// may not have connected it in time: then there is nothing to see.
func ringTimeoutSparesAnsweredCalls(tr *trial) {
	const ring, talk = 5, 10 // times the shortest
	call := tr.call(TalksForever)
	call.RingTimeout, call.MaxDuration = ring*tr.Shortest, talk*tr.Shortest
	w := tr.dialCall(call).over()
	if w.outcome.Reason == dialer.DialNoAnswer && w.outcome.ConnectedAt.IsZero() {
		tr.Skipf("the carrier did not connect the call in %v", call.RingTimeout)
	}
	w.ends(dialer.MaxDuration)
}

// notEarly grants a tenth, since a carrier has a clock of its own.
func (tr *trial) notEarly(took time.Duration) {
	tr.Helper()
	const tenth = 10
	if took < tr.Shortest-tr.Shortest/tenth {
		tr.Errorf("the call ended after %v: it had %v", took, tr.Shortest)
	}
}
