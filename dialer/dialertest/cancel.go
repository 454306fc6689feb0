package dialertest

import (
	"context"
	"errors"
	"slices"

	"github.com/outdial/outdial/dialer"
)

const hangsUp = "when the context is cancelled, Dial hangs up and returns the outcome soon, " +
	"with the reason that HangUpReason finds"

func cancelRules() []rule {
	return []rule{
		{"CancelWhileRingingHangsUp", hangsUp, cancelWhile(RingsForever, dialer.Ringing)},
		{"CancelWhileTalkingHangsUp", hangsUp, cancelWhile(TalksForever, dialer.Connected)},
		{"HangUpWhileRingingGivesItsReason", hangsUp, hangUpWhile(RingsForever, dialer.Ringing)},
		{"HangUpWhileTalkingGivesItsReason", hangsUp, hangUpWhile(TalksForever, dialer.Connected)},
		{"DeadlineWhileRingingIsNoAnswer", hangsUp, deadlineWhileRinging},
		{"DeadlineWhileTalkingIsMaxDuration", hangsUp, deadlineWhileTalking},
		{
			"CancelBeforeDialRingsNobody",
			"a context that is over already places nothing: " +
				"the outcome has the reason of its cause, or the error wraps ErrNotPlaced",
			cancelBeforeDialRingsNobody,
		},
		{"CancelAfterTheEndChangesNothing", "an outcome is final", cancelAfterTheEndChangesNothing},
	}
}

func cancelWhile(callee Callee, stage dialer.Stage) func(*trial) {
	return func(tr *trial) {
		w := tr.dial(callee).wait(stage)
		w.cancel(nil)
		w.ends(dialer.APICancelled)
		tr.noneLive()
	}
}

func hangUpWhile(callee Callee, stage dialer.Stage) func(*trial) {
	return func(tr *trial) {
		for _, reason := range []dialer.EndReason{dialer.Inactivity, dialer.AgentHangup, dialer.Error} {
			tr.dial(callee).wait(stage).hangUp(reason)
		}
		tr.noneLive()
	}
}

func deadlineWhileRinging(tr *trial) {
	parent, stop := context.WithTimeout(context.Background(), tr.Shortest)
	defer stop()
	ctx, cancel := context.WithCancelCause(parent)
	tr.dialIn(ctx, cancel, tr.call(RingsForever)).ends(dialer.DialNoAnswer)
	tr.noneLive()
}

// The cause alone is what counts, so the deadline need not be guessed.
func deadlineWhileTalking(tr *trial) {
	w := tr.dial(TalksForever).wait(dialer.Connected)
	w.cancel(context.DeadlineExceeded)
	w.ends(dialer.MaxDuration)
	tr.noneLive()
}

func cancelBeforeDialRingsNobody(tr *trial) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(dialer.HangUp(dialer.Inactivity))
	w := tr.dialIn(ctx, cancel, tr.call(Answers)).over()
	if !errors.Is(w.err, dialer.ErrNotPlaced) && (w.err != nil || w.outcome.Reason != dialer.Inactivity) {
		tr.Errorf("the call ended with %s", w.end())
	}
	if slices.Contains(w.stages(), dialer.Ringing) || !w.outcome.RangAt.IsZero() || !w.outcome.ConnectedAt.IsZero() {
		tr.Errorf("the phone rang")
	}
	tr.noneLive()
}

func cancelAfterTheEndChangesNothing(tr *trial) {
	w := tr.dial(Answers).over()
	w.cancel(dialer.HangUp(dialer.Inactivity))
	if w.err != nil || !isCompleted(w.outcome) {
		tr.Errorf("the call ended with %s", w.end())
	}
	tr.dial(Answers).over() // the dialer is as good as before
	tr.noneLive()
}
