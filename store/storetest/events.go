package storetest

import (
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func eventRules() []rule {
	return []rule{
		{"EventsWriteTheirFieldsToTheCall", eventsWriteTheirFieldsToTheCall},
		{"ZeroFieldsOfAnEventWriteNothing", zeroFieldsOfAnEventWriteNothing},
		{"EventInTheSameStatusLeavesTheRecipient", eventInTheSameStatusLeavesTheRecipient},
		{"StartedCallStartsItsRecipient", startedCallStartsItsRecipient},
		{"CompletedCallGivesItsEndReason", completedCallGivesItsEndReason},
		{"CallMayCompleteWithoutHavingStarted", callMayCompleteWithoutHavingStarted},
		{"FailedCallKeepsItsError", failedCallKeepsItsError},
		{"UnplacedCallGivesItsErrorToTheRecipient", unplacedCallGivesItsErrorToTheRecipient},
		{"RequeuedCallIsUnplacedAndItsRecipientQueued", requeuedCallIsUnplacedAndItsRecipientQueued},
		{"RequeueInACancelledBatchCancels", requeueInACancelledBatchCancels},
		{"RequeueOfACancelledCallFails", requeueOfACancelledCallFails},
		{"EventsApplyInTheirOrder", eventsApplyInTheirOrder},
		{"EventsComeBeforeClaims", eventsComeBeforeClaims},
		{"EventOfEndedCallIsLost", eventOfEndedCallIsLost},
		{"EventOfForeignOwnerIsLost", eventOfForeignOwnerIsLost},
		{"EventOfUnknownCallIsLost", eventOfUnknownCallIsLost},
		{"IllegalTransitionIsLost", illegalTransitionIsLost},
		{"LostEventTakesNoOtherWithIt", lostEventTakesNoOtherWithIt},
	}
}

func (f *fixture) full(c store.Call, s fsm.RecipientStatus) store.Event {
	e := event(c, s)
	e.Ref, e.RangAt, e.StartedAt, e.EndedAt = "CA1", f.tick(), f.tick(), f.tick()
	e.EndReason, e.Error, e.Details = dialer.AgentHangup, "odd", map[string]string{"sip": "200", "x": ""}
	return e
}

// written is the call after the event, by the documentation of Event.
func written(c store.Call, e store.Event) store.Call {
	c.Status, c.Ref, c.RangAt, c.StartedAt, c.EndedAt = e.Status, e.Ref, e.RangAt, e.StartedAt, e.EndedAt
	c.EndReason, c.Error, c.Details = e.EndReason, e.Error, e.Details
	return c
}

func eventsWriteTheirFieldsToTheCall(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	e := f.full(call, fsm.Completed)
	f.happen(node, e)
	want := written(call, e)
	f.equal("call", f.call(call), want)
	e.Details["sip"] = "500"
	f.equal("the details are the store's own", f.call(call).Details["sip"], "200")
}

func zeroFieldsOfAnEventWriteNothing(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	e := f.full(call, fsm.Started)
	e.EndedAt, e.EndReason = time.Time{}, ""
	f.happen(node, e)
	end := f.completed(call)
	f.happen(node, end)
	want := written(call, e)
	want.Status, want.EndedAt, want.EndReason = fsm.Completed, end.EndedAt, end.EndReason
	f.equal("call", f.call(call), want)
}

func eventInTheSameStatusLeavesTheRecipient(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	before := f.recipient(b, 0)
	e := event(call, fsm.Dispatched)
	e.Ref, e.RangAt = "CA1", f.tick()
	got := f.happen(node, e)
	call.Ref, call.RangAt = e.Ref, e.RangAt
	f.equal("call", f.call(call), call)
	f.equal("recipient", f.recipient(b, 0), before)
	after := f.again(b)
	f.equal("batch of the step", got.Batches, []store.Batch{after})
	if after.Rev <= before.Rev || after.Rev != got.Rev || got.Rev <= got.PrevRev {
		f.Fatalf("revision %d after %d: a change of a call is one of its batch", after.Rev, got.PrevRev)
	}
}

func startedCallStartsItsRecipient(f *fixture) {
	node, b := f.node(), f.batch(2)
	call := f.claim(node, b, 1)[0]
	step := f.step(store.Step{Owner: node, Events: []store.Event{f.started(call)}})
	before := f.recipient(b, 0)
	f.advance(step)
	after := f.recipient(b, 0)
	before.Status, before.UpdatedAt, before.Rev = fsm.Started, step.Now, after.Rev
	f.equal("recipient", after, before)
	call.Status, call.StartedAt = fsm.Started, step.Events[0].StartedAt
	f.equal("call", f.call(call), call)
	f.equal("batch UpdatedAt", f.again(b).UpdatedAt, step.Now)
	f.equal("counts", f.again(b).Counts, fsm.Counts{Queued: 1, Started: 1})
}

func completedCallGivesItsEndReason(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	f.happen(node, f.started(call))
	got := f.happen(node, f.completed(call))
	r := f.recipient(b, 0)
	f.equal("status", r.Status, fsm.Completed)
	f.equal("end reason", r.EndReason, dialer.ClientHangup)
	f.equal("call id", r.CallID, call.ID)
	f.equal("in flight", got.InFlight, 0)
	f.equal("counts", f.again(b).Counts, fsm.Counts{Completed: 1})
}

func callMayCompleteWithoutHavingStarted(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	f.happen(node, f.completed(call))
	f.equal("status", f.call(call).Status, fsm.Completed)
	f.equal("StartedAt", f.call(call).StartedAt, time.Time{})
}

func failedCallKeepsItsError(f *fixture) {
	node, b := f.node(), f.batch(2)
	calls := f.claim(node, b, 2)
	f.happen(node, f.started(calls[1]))
	for i, call := range calls {
		e := f.busy(call)
		e.Error = "486"
		f.happen(node, e)
		r := f.recipient(b, i)
		f.stands(r, "failed", call.ID, "dial_busy", "")
		f.equal("error of the call", f.call(call).Error, "486")
		f.equal("unplaced", f.call(call).Unplaced, false)
	}
	f.equal("counts", f.again(b).Counts, fsm.Counts{Failed: 2})
}

func unplacedCallGivesItsErrorToTheRecipient(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	e := f.unplaced(call)
	e.EndReason = dialer.Error
	f.happen(node, e)
	r := f.recipient(b, 0)
	f.stands(r, "failed", "", "", "no route")
	c := f.call(call)
	f.equal("call", []string{c.Status.String(), string(c.EndReason), c.Error}, []string{"failed", "error", "no route"})
	f.equal("unplaced", c.Unplaced, true)
	f.equal("counts", f.again(b).Counts, fsm.Counts{Failed: 1, Unplaced: 1})
	f.equal("batch", f.again(b).Status(), fsm.BatchFailed)
}

func requeuedCallIsUnplacedAndItsRecipientQueued(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	e := f.requeued(call)
	got := f.happen(node, e)
	want := call
	want.Status, want.Unplaced, want.EndedAt, want.Error = fsm.Failed, true, e.EndedAt, e.Error
	f.equal("call", f.call(call), want)
	r := f.recipient(b, 0)
	f.stands(r, "queued", "", "", "")
	f.equal("attempts", r.Attempts, 1)
	f.equal("in flight", got.InFlight, 0)
	f.equal("counts", f.again(b).Counts, fsm.Counts{Queued: 1})
	next := f.claim(node, b, 1)
	f.equal("next attempt", next[0].Attempt, 2)
}

func requeueInACancelledBatchCancels(f *fixture) {
	node, b := f.node(), f.batch(2)
	calls := f.claim(node, b, 2) // nobody is queued when the batch is cancelled
	f.do(b, store.ActionCancel)
	f.happen(node, f.requeued(calls[1]))
	f.equal("status", f.recipient(b, 1).Status, fsm.Cancelled)
	f.equal("counts", f.again(b).Counts, fsm.Counts{Dispatched: 1, Cancelled: 1})
	f.equal("call", f.call(calls[1]).Status, fsm.Failed)
	f.equal("claimed", len(f.claim(node, b, 1)), 0)
}

func requeueOfACancelledCallFails(f *fixture) {
	node, b := f.node(), f.batch(2)
	call := f.claim(node, b, 1)[0]
	f.change(b, store.Change{Action: store.ActionHangUp, CallID: call.ID, At: f.tick()})
	f.happen(node, f.requeued(call))
	f.stands(f.recipient(b, 0), "failed", "", "", store.CancelledBefore)
	f.equal("unplaced", f.call(call).Unplaced, true)
	f.equal("counts", f.again(b).Counts, fsm.Counts{Queued: 1, Failed: 1, Unplaced: 1})
	f.equal("next", f.claim(node, b, 1)[0].Index, 1)
}

func eventsApplyInTheirOrder(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	f.happen(node, f.started(call), f.completed(call))
	f.equal("status", f.recipient(b, 0).Status, fsm.Completed)
	f.equal("it had started", f.call(call).StartedAt.IsZero(), false)
}

func eventsComeBeforeClaims(f *fixture) {
	node, b := f.node(), f.batch(2, func(b *store.Batch) { b.Target = 1 })
	call := f.claim(node, b, 1)[0]
	got := f.advance(store.Step{
		Owner: node, Limit: 1, Events: []store.Event{f.completed(call)}, Claims: []store.Claim{f.claimOf(b, 1)},
	})
	f.equal("claimed into the slot that became free", indexes(callsOf(got)), []int{1})
	f.equal("in flight", got.InFlight, 1)
}

// loses writes events that must be lost, and nothing may have changed.
func (f *fixture) loses(node string, b store.Batch, events ...store.Event) {
	f.Helper()
	batch, recipients, calls := f.again(b), f.recipients(b), f.calls(store.CallQuery{})
	got := f.advance(store.Step{Owner: node, Events: events})
	var want []string
	for _, e := range events {
		want = append(want, e.CallID)
	}
	f.equal("lost", got.Lost, want)
	f.equal("revision", got.Rev, got.PrevRev)
	f.equal("batch", f.again(b), batch)
	f.equal("recipients", f.recipients(b), recipients)
	f.equal("calls", f.calls(store.CallQuery{}), calls)
}

func eventOfEndedCallIsLost(f *fixture) {
	node, b := f.node(), f.batch(3)
	calls := f.claim(node, b, 3)
	f.happen(node, f.completed(calls[0]), f.busy(calls[1]), f.requeued(calls[2]))
	for _, s := range []fsm.RecipientStatus{fsm.Dispatched, fsm.Started, fsm.Completed, fsm.Failed, fsm.Queued} {
		f.loses(node, b, f.full(calls[0], s), f.full(calls[1], s), f.full(calls[2], s))
	}
}

func eventOfForeignOwnerIsLost(f *fixture) {
	first, b := f.node(), f.batch(1)
	call := f.claim(first, b, 1)[0]
	second := f.successor(first)
	for _, s := range []fsm.RecipientStatus{fsm.Dispatched, fsm.Started, fsm.Completed, fsm.Failed, fsm.Queued} {
		f.loses(second, b, f.full(call, s))
	}
}

func eventOfUnknownCallIsLost(f *fixture) {
	node, b := f.node(), f.batch(1)
	f.loses(node, b, f.full(store.Call{BatchID: b.ID, ID: f.callIDs(1)[0]}, fsm.Completed))
	f.loses(node, b, f.full(store.Call{BatchID: f.draft().ID, ID: f.callIDs(1)[0]}, fsm.Completed))
}

func illegalTransitionIsLost(f *fixture) {
	node, b := f.node(), f.batch(2)
	calls := f.claim(node, b, 2)
	f.happen(node, f.started(calls[1]))
	f.loses(node, b, f.full(calls[0], fsm.Cancelled))
	f.loses(node, b, f.full(calls[1], fsm.Cancelled))
	f.loses(node, b, f.full(calls[1], fsm.Dispatched))
	f.loses(node, b, f.full(calls[1], fsm.Queued))
}

func lostEventTakesNoOtherWithIt(f *fixture) {
	node, b := f.node(), f.batch(2)
	calls := f.claim(node, b, 2)
	f.happen(node, f.busy(calls[0]))
	got := f.advance(store.Step{Owner: node, Events: []store.Event{f.completed(calls[0]), f.completed(calls[1])}})
	f.equal("lost", got.Lost, []string{calls[0].ID})
	f.equal("counts", f.again(b).Counts, fsm.Counts{Completed: 1, Failed: 1})
}
