package dialertest

import (
	"crypto/rand"
	"errors"
	"reflect"
	"slices"

	"github.com/outdial/outdial/dialer"
)

const (
	detaches = "when the cause is ErrDetached, a Resumer returns ErrDetached at once and leaves the call as it is"
	resumes  = "Resume follows a call that was placed earlier to its end and returns the outcome"
)

func resumeRules() []rule {
	rules := []rule{
		{"DetachWhileRingingReturnsAtOnce", detaches, detachWhile(RingsForever, dialer.Ringing)},
		{"DetachWhileTalkingReturnsAtOnce", detaches, detachWhile(TalksForever, dialer.Connected)},
		{"DetachedResumeReturnsAtOnce", detaches, detachedResumeReturnsAtOnce},
		{"ResumeFollowsALiveCallToItsEnd", resumes, resumeFollowsALiveCallToItsEnd},
		{"CancelledResumeHangsUp", hangsUp, cancelledResumeHangsUp},
		{
			"ResumeOfAnEndedCallReturnsItsOutcome", "where the call is over already, its outcome is returned at once",
			resumeOfAnEndedCall,
		},
		{
			"ResumeOfAnUnknownCallIsErrUnknownCall", "the error is ErrUnknownCall when the carrier does not know the call",
			resumeOfAnUnknownCall,
		},
		{"ResumeNeverPlacesACall", "Resume must never place a call", resumeNeverPlacesACall},
		{
			"ResumeReportsLikeDial", "Resume reports in order, each stage at most once, and never after its return",
			resumeReportsLikeDial,
		},
	}
	for i, r := range rules {
		rules[i].check = func(tr *trial) {
			if !tr.Resumer {
				tr.Skip("the harness says that the dialer is no dialer.Resumer")
			}
			r.check(tr)
		}
	}
	return rules
}

// detached places a call, lets go of it at the stage, and returns how it can be resumed.
func (tr *trial) detached(callee Callee, stage dialer.Stage) dialer.Call {
	tr.Helper()
	w := tr.dial(callee).wait(stage)
	w.detach()
	return w.known()
}

func (w *watched) detach() {
	w.tr.Helper()
	w.cancel(dialer.ErrDetached)
	if !errors.Is(w.over().err, dialer.ErrDetached) {
		w.tr.Fatalf("the call was let go of and ended with %s: expected ErrDetached", w.end())
	}
	if !reflect.ValueOf(w.outcome).IsZero() {
		w.tr.Errorf("the call was let go of and has an outcome, with reason %q", w.outcome.Reason)
	}
}

func detachWhile(callee Callee, stage dialer.Stage) func(*trial) {
	return func(tr *trial) {
		call := tr.detached(callee, stage)
		if tr.Live != nil && tr.Live() != 1 {
			tr.Errorf("%d calls are live at the carrier: expected the one that was let go of", tr.Live())
		}
		tr.resume(call).wait(stage).hangUp(dialer.APICancelled)
		tr.noneLive()
	}
}

func detachedResumeReturnsAtOnce(tr *trial) {
	call := tr.detached(TalksForever, dialer.Connected)
	w := tr.resume(call).wait(dialer.Connected)
	w.detach()
	tr.resume(call).wait(dialer.Connected).hangUp(dialer.APICancelled)
	tr.noneLive()
}

// The callee never hangs up, so MaxDuration is the end that a call comes to by itself.
func resumeFollowsALiveCallToItsEnd(tr *trial) {
	call := tr.call(TalksForever)
	const times = 4 // time enough to let go of it
	call.MaxDuration = times * tr.Shortest
	w := tr.dialCall(call).wait(dialer.Connected)
	w.cancel(dialer.ErrDetached)
	w.over() // on a busy machine it may have come to its end just before
	again := tr.resume(w.known()).ends(dialer.MaxDuration)
	if again.outcome.ConnectedAt.IsZero() {
		tr.Errorf("the outcome says that the call never connected")
	}
	tr.noneLive()
}

func cancelledResumeHangsUp(tr *trial) {
	w := tr.resume(tr.detached(TalksForever, dialer.Connected)).wait(dialer.Connected)
	w.hangUp(dialer.Inactivity)
	if w.outcome.ConnectedAt.IsZero() {
		tr.Errorf("the outcome says that the call never connected")
	}
	tr.noneLive()
}

func resumeOfAnEndedCall(tr *trial) {
	for name, w := range tr.every() {
		again := tr.resume(w.known()).over()
		if again.err != nil || again.outcome.ConnectedAt.IsZero() != w.outcome.ConnectedAt.IsZero() {
			tr.Errorf("%s: resumed, it ended with %s, connected at %v", name, again.end(), again.outcome.ConnectedAt)
			continue
		}
		// Why a call was cancelled, only the one who did it knows.
		if w.outcome.Reason != dialer.APICancelled && again.outcome.Reason != w.outcome.Reason {
			tr.Errorf("%s: resumed, it ended with %s: expected %q", name, again.end(), w.outcome.Reason)
		}
	}
}

func resumeOfAnUnknownCall(tr *trial) {
	tr.dial(Answers).over() // the carrier knows one, but not the one that is asked for
	for _, ref := range []string{"", "unknown-" + rand.Text()} {
		call := tr.call(Answers)
		call.Ref = ref
		if w := tr.resume(call).over(); !errors.Is(w.err, dialer.ErrUnknownCall) {
			tr.Errorf("resumed with the reference %q, it ended with %s", ref, w.end())
		}
	}
}

func resumeNeverPlacesACall(tr *trial) {
	unknown := tr.resume(tr.call(Answers)).over()
	if unknown.err == nil || len(unknown.stages()) > 0 {
		tr.Errorf("a call that was never placed ended with %s, after %v", unknown.end(), unknown.stages())
	}
	ended := tr.dial(Answers).over()
	tr.resume(ended.known()).over()
	detached := tr.detached(TalksForever, dialer.Connected)
	tr.resume(detached).wait(dialer.Connected).hangUp(dialer.APICancelled)
	if tr.Placed != nil && tr.Placed() != 2 {
		tr.Errorf("the carrier took %d calls: expected 2, for those that were dialled", tr.Placed())
	}
	tr.noneLive()
}

func resumeReportsLikeDial(tr *trial) {
	w := tr.resume(tr.detached(RingsForever, dialer.Ringing)).wait(dialer.Ringing)
	w.hangUp(dialer.APICancelled)
	tr.letTimePass()
	stages := w.stages()
	if !slices.IsSorted(stages) || len(slices.Compact(slices.Clone(stages))) != len(stages) {
		tr.Errorf("reported %v", stages)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.late) > 0 {
		tr.Errorf("%v was reported after the return", w.late[0].Stage)
	}
}
