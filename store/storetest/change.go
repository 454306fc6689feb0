package storetest

import (
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func changeRules() []rule {
	return []rule{
		{"CancelCancelsEveryQueuedRecipient", cancelCancelsEveryQueuedRecipient},
		{"CancelLetsCallsInFlightGoOn", cancelLetsCallsInFlightGoOn},
		{"CancelWithNobodyQueuedIsRemembered", cancelWithNobodyQueuedIsRemembered},
		{"SecondCancelChangesNothing", secondCancelChangesNothing},
		{"CancelOfAnEndedBatchChangesNothing", cancelOfAnEndedBatchChangesNothing},
		{"PauseAndResumeSetAndClearPausedAt", pauseAndResumeSetAndClearPausedAt},
		{"PauseOfACancelledBatchChangesNothing", pauseOfACancelledBatchChangesNothing},
		{"SetTargetSetsTarget", setTargetSetsTarget},
		{"FirstTargetNeverChanges", firstTargetNeverChanges},
		{"HangUpMarksTheCall", hangUpMarksTheCall},
		{"HangUpOfAnEndedCallChangesNothing", hangUpOfAnEndedCallChangesNothing},
		{"HangUpOfAnotherBatchsCallIsNotFound", hangUpOfAnotherBatchsCallIsNotFound},
		{"ChangeOfAnUnknownBatchIsNotFound", changeOfAnUnknownBatchIsNotFound},
	}
}

// unchanged does something that must change nothing.
func (f *fixture) unchanged(b store.Batch, c store.Change) {
	f.Helper()
	before, recipients := f.again(b), f.recipients(b)
	f.equal("batch as returned", f.change(b, c), before)
	f.equal("batch", f.again(b), before)
	f.equal("recipients", f.recipients(b), recipients)
}

func cancelCancelsEveryQueuedRecipient(f *fixture) {
	b := f.batch(3)
	at := f.tick()
	got := f.change(b, store.Change{Action: store.ActionCancel, At: at})
	want := b
	want.CancelledAt, want.UpdatedAt, want.Counts, want.Rev = at, at, fsm.Counts{Cancelled: 3}, got.Rev
	f.equal("batch as returned", got, want)
	f.equal("batch", f.again(b), want)
	f.equal("status", got.Status(), fsm.BatchCancelled)
	for _, r := range f.recipients(b) {
		f.equal("recipient", r.Status, fsm.Cancelled)
		f.equal("UpdatedAt of the recipient", r.UpdatedAt, at)
	}
}

func cancelLetsCallsInFlightGoOn(f *fixture) {
	node, b := f.node(), f.batch(4)
	calls := f.claim(node, b, 2)
	before := f.recipient(b, 0)
	f.do(b, store.ActionCancel)
	f.equal("recipient in flight", f.recipient(b, 0), before)
	f.equal("call in flight", f.call(calls[0]), calls[0])
	f.happen(node, f.started(calls[0]), f.completed(calls[0]), f.busy(calls[1]))
	f.equal("counts", f.again(b).Counts, fsm.Counts{Completed: 1, Failed: 1, Cancelled: 2})
}

func cancelWithNobodyQueuedIsRemembered(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	got := f.do(b, store.ActionCancel)
	f.equal("cancelled", got.CancelledAt.IsZero(), false)
	f.equal("status", got.Status(), fsm.BatchCompleted)
	f.happen(node, f.completed(call))
	f.equal("counts", f.again(b).Counts, fsm.Counts{Completed: 1})
}

func secondCancelChangesNothing(f *fixture) {
	node, b := f.node(), f.batch(3)
	f.claim(node, b, 1)
	f.do(b, store.ActionCancel)
	f.unchanged(b, store.Change{Action: store.ActionCancel})
}

func cancelOfAnEndedBatchChangesNothing(f *fixture) {
	node, b := f.node(), f.batch(2)
	calls := f.claim(node, b, 2)
	f.happen(node, f.completed(calls[0]), f.busy(calls[1]))
	f.unchanged(b, store.Change{Action: store.ActionCancel})
}

func pauseAndResumeSetAndClearPausedAt(f *fixture) {
	b := f.batch(1)
	f.unchanged(b, store.Change{Action: store.ActionResume})
	at := f.tick()
	got := f.change(b, store.Change{Action: store.ActionPause, At: at})
	want := b
	want.PausedAt, want.UpdatedAt, want.Rev = at, at, got.Rev
	f.equal("paused", got, want)
	f.equal("paused, read again", f.again(b), want)
	f.unchanged(b, store.Change{Action: store.ActionPause})
	at = f.tick()
	got = f.change(b, store.Change{Action: store.ActionResume, At: at})
	want.PausedAt, want.UpdatedAt, want.Rev = time.Time{}, at, got.Rev
	f.equal("resumed", f.again(b), want)
}

func pauseOfACancelledBatchChangesNothing(f *fixture) {
	b := f.batch(1)
	f.do(b, store.ActionCancel)
	f.unchanged(b, store.Change{Action: store.ActionPause})
	paused := f.batch(1)
	f.do(paused, store.ActionPause)
	f.do(paused, store.ActionCancel)
	f.unchanged(paused, store.Change{Action: store.ActionResume})
}

func setTargetSetsTarget(f *fixture) {
	b := f.batch(1, target(4))
	at := f.tick()
	got := f.change(b, store.Change{Action: store.ActionSetTarget, Target: 9, At: at})
	want := b
	want.Target, want.UpdatedAt, want.Rev = 9, at, got.Rev
	f.equal("batch as returned", got, want)
	f.equal("batch", f.again(b), want)
	f.unchanged(b, store.Change{Action: store.ActionSetTarget, Target: 9})
}

func firstTargetNeverChanges(f *fixture) {
	node, b := f.node(), f.batch(6, target(4), func(b *store.Batch) { b.FirstTarget = 3 })
	f.equal("FirstTarget", b.FirstTarget, 3)
	f.change(b, store.Change{Action: store.ActionSetTarget, Target: 5})
	f.equal("FirstTarget after the target was set", f.again(b).FirstTarget, 3)
	call := f.claim(node, b, 6)[0]
	f.happen(node, f.busy(call))
	for a := store.ActionCancel + 1; a < store.ActionHangUp; a++ {
		f.equal("FirstTarget after a change", f.change(b, store.Change{Action: a, Target: int(a)}).FirstTarget, 3)
	}
	f.do(b, store.ActionCancel)
	got := f.again(b)
	f.equal("Target and FirstTarget", []int{got.Target, got.FirstTarget}, []int{int(store.ActionSetTarget), 3})
}

func hangUpMarksTheCall(f *fixture) {
	node, b := f.node(), f.batch(2)
	calls := f.claim(node, b, 2)
	before, recipients := f.again(b), f.recipients(b)
	at := f.tick()
	hangUp := store.Change{Action: store.ActionHangUp, CallID: calls[1].ID, At: at}
	got := f.change(b, hangUp)
	want := calls[1]
	want.HangUpAt = at
	f.equal("call", f.call(want), want)
	f.equal("calls to be hung up", f.calls(store.CallQuery{InFlight: true, HangUp: true, Owner: node}), []store.Call{want})
	f.equal("recipients", f.recipients(b), recipients)
	if got.Rev <= before.Rev || !got.UpdatedAt.Equal(at) {
		f.Fatalf("revision %d, UpdatedAt %s: the call's owner is not told", got.Rev, got.UpdatedAt)
	}
	hangUp.At = f.tick()
	f.unchanged(b, hangUp)
	f.equal("call after the second", f.call(want), want)
}

func hangUpOfAnEndedCallChangesNothing(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	f.happen(node, f.completed(call))
	f.unchanged(b, store.Change{Action: store.ActionHangUp, CallID: call.ID})
	f.equal("HangUpAt", f.call(call).HangUpAt, time.Time{})
}

func hangUpOfAnotherBatchsCallIsNotFound(f *fixture) {
	node, a, b := f.node(), f.batch(1), f.batch(1)
	call := f.claim(node, a, 1)[0]
	for _, id := range []string{call.ID, "call_0", ""} {
		_, err := f.Change(f.ctx, org, b.ID, store.Change{Action: store.ActionHangUp, CallID: id, At: f.tick()})
		f.is(err, store.ErrNotFound)
	}
	f.equal("call", f.call(call), call)
}

func changeOfAnUnknownBatchIsNotFound(f *fixture) {
	b := f.batch(1)
	for a := store.ActionCancel; a <= store.ActionHangUp; a++ {
		_, err := f.Change(f.ctx, org, f.draft().ID, store.Change{Action: a, At: f.tick(), Target: 1})
		f.is(err, store.ErrNotFound)
	}
	f.equal("the other batch", f.again(b), b)
}
