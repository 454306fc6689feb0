package storetest

import (
	"slices"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func moveRules() []rule {
	return []rule{
		{"MovedCallGoesOnOverItsCarrier", movedCallGoesOnOverItsCarrier},
		{"MoveLeavesTheRecipient", moveLeavesTheRecipient},
		{"MoveWritesWhatItsEventSays", moveWritesWhatItsEventSays},
		{"MoveToTheSameCarrierBeginsAnew", moveToTheSameCarrierBeginsAnew},
		{"MoveNeedsNothingButACarrier", moveNeedsNothingButACarrier},
		{"EventWithoutACarrierMovesNothing", eventWithoutACarrierMovesNothing},
		{"MovesApplyInTheirOrder", movesApplyInTheirOrder},
		{"MovedCallTakesItsPlaceBesideClaims", movedCallTakesItsPlaceBesideClaims},
		{"MovedCallMayBeRequeued", movedCallMayBeRequeued},
		{"MoveOfEndedCallIsLost", moveOfEndedCallIsLost},
		{"MoveOfForeignCallIsLost", moveOfForeignCallIsLost},
		{"ReplayOfWrittenMoveChangesNothing", replayOfWrittenMoveChangesNothing},
		{"ReplayOfUnwrittenMoveApplies", replayOfUnwrittenMoveApplies},
		{"ReplayOfMoveAndEndChangesNothing", replayOfMoveAndEndChangesNothing},
	}
}

// accepted is a carrier's own id for a call that has not connected, and when it rang.
func (f *fixture) accepted(c store.Call, ref string) store.Event {
	e := event(c, fsm.Dispatched)
	e.Ref, e.RangAt = ref, f.tick()
	return e
}

// moved takes a call from its carrier to another one.
func (f *fixture) moved(c store.Call, carrier string) store.Event {
	e := event(c, fsm.Dispatched)
	e.Carrier = carrier
	e.Tries = slices.Concat(c.Tries, []store.Try{{Carrier: c.Carrier, At: f.tick(), Error: "503 from it"}})
	return e
}

// ringing is a call that says all that one in flight can.
func (f *fixture) ringing(node string, b store.Batch) store.Call {
	f.Helper()
	call := f.claim(node, b, 1)[0]
	f.change(b, store.Change{Action: store.ActionHangUp, CallID: call.ID})
	e := f.accepted(call, "CA1")
	e.Error, e.Details = "odd", map[string]string{"sip": "180"}
	f.happen(node, e)
	return f.call(call)
}

func movedCallGoesOnOverItsCarrier(f *fixture) {
	node, b := f.node(), f.batch(2)
	call := f.ringing(node, b)
	f.claim(node, b, 1)
	for _, carrier := range []string{"carrier_2", "carrier_3", "carrier_1"} {
		e := f.moved(call, carrier)
		f.happen(node, e)
		call.Carrier, call.Tries, call.Ref, call.RangAt = carrier, e.Tries, "", time.Time{}
		f.equal("the moved call", f.call(call), call) // its owner and attempt, and that it shall be ended, too
	}
	f.equal("carrier of the other call", f.calls(store.CallQuery{})[0].Carrier, "carrier_1")
}

func moveLeavesTheRecipient(f *fixture) {
	node, b := f.node(), f.batch(2)
	call := f.claim(node, b, 1)[0]
	before, batch := f.recipients(b), f.again(b)
	step := f.step(store.Step{Owner: node, Events: []store.Event{f.moved(call, "carrier_2")}})
	got := f.advance(step)
	f.equal("in flight", got.InFlight, 1)
	f.equal("recipients", f.recipients(b), before)
	after := f.again(b)
	batch.UpdatedAt, batch.Rev = step.Now, after.Rev
	f.equal("batch", after, batch)
	f.equal("batch of the step", got.Batches, []store.Batch{after})
	if after.Rev <= got.PrevRev || after.Rev != got.Rev {
		f.Fatalf("revision %d after %d: a move is a change of the batch", after.Rev, got.PrevRev)
	}
}

func moveWritesWhatItsEventSays(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.ringing(node, b)
	e := f.moved(call, "carrier_2")
	e.Ref, e.Error, e.Details = "CA2", "even", map[string]string{"sip": "183"}
	f.happen(node, e)
	want := call
	want.Carrier, want.Tries, want.Ref, want.RangAt = e.Carrier, e.Tries, e.Ref, time.Time{}
	want.Error, want.Details = e.Error, e.Details
	f.equal("call with a ref", f.call(call), want)
	e = f.moved(want, "carrier_3")
	e.RangAt = f.tick()
	f.happen(node, e)
	want.Carrier, want.Tries, want.Ref, want.RangAt = e.Carrier, e.Tries, "", e.RangAt
	f.equal("call that rings", f.call(call), want)
	e = f.full(want, fsm.Completed)
	e.Carrier = "carrier_4" // it moved, connected and ended between two writes
	f.happen(node, e)
	want = written(want, e)
	want.Carrier = "carrier_4"
	f.equal("call that ended", f.call(call), want)
	f.equal("recipient", f.recipient(b, 0).Status, fsm.Completed)
}

func moveToTheSameCarrierBeginsAnew(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.ringing(node, b)
	e := event(call, fsm.Dispatched)
	e.Carrier = call.Carrier
	f.happen(node, e)
	call.Ref, call.RangAt = "", time.Time{}
	f.equal("call", f.call(call), call)
}

func moveNeedsNothingButACarrier(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	e := event(call, fsm.Dispatched)
	e.Carrier = "carrier_2"
	f.happen(node, e)
	call.Carrier = e.Carrier
	f.equal("call", f.call(call), call)
}

func eventWithoutACarrierMovesNothing(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	move := f.moved(call, "carrier_2")
	f.happen(node, move)
	for _, e := range []store.Event{f.accepted(call, "CA2"), f.started(call), f.completed(call)} {
		f.happen(node, e)
		got := f.call(call)
		f.equal("carrier", got.Carrier, "carrier_2")
		f.equal("tries", got.Tries, move.Tries)
		f.equal("ref", got.Ref, "CA2")
	}
}

func movesApplyInTheirOrder(f *fixture) {
	node, b := f.node(), f.batch(3)
	calls := f.claim(node, b, 3)
	second, third := f.accepted(calls[0], "CA2"), f.moved(calls[0], "carrier_3")
	last := f.accepted(calls[1], "CA3")
	f.happen(node,
		f.accepted(calls[0], "CA1"), f.moved(calls[0], "carrier_2"), second, third, // not accepted yet
		f.moved(calls[1], "carrier_2"), f.accepted(calls[1], "CA2"), f.moved(calls[1], "carrier_3"), last,
		f.moved(calls[2], "carrier_2"), f.started(calls[2]), f.completed(calls[2]),
	)
	var got [3][2]string
	for i, c := range calls {
		c = f.call(c)
		got[i] = [2]string{c.Carrier, c.Ref}
	}
	f.equal("carriers and refs", got, [3][2]string{{"carrier_3", ""}, {"carrier_3", "CA3"}, {"carrier_2", ""}})
	f.equal("tries", f.call(calls[0]).Tries, third.Tries)
	f.equal("RangAt", []time.Time{f.call(calls[0]).RangAt, f.call(calls[1]).RangAt}, []time.Time{{}, last.RangAt})
	f.equal("counts", f.again(b).Counts, fsm.Counts{Dispatched: 2, Completed: 1})
}

func movedCallTakesItsPlaceBesideClaims(f *fixture) {
	node, b := f.node(), f.batch(5, target(3))
	call := f.claim(node, b, 1)[0]
	got := f.advance(store.Step{
		Owner: node, Limit: 2, Claims: []store.Claim{f.claimOf(b, 3)},
		Events: []store.Event{f.moved(call, "carrier_2"), f.moved(call, "carrier_3")},
	})
	f.equal("claimed beside the moved call", indexes(callsOf(got)), []int{1})
	f.equal("carrier of what was claimed", got.Claimed[0].Call.Carrier, "carrier_1")
	f.equal("tries of what was claimed", len(got.Claimed[0].Call.Tries), 0)
	f.equal("in flight", got.InFlight, 2)
	f.equal("carrier", f.call(call).Carrier, "carrier_3")
	f.equal("counts", f.again(b).Counts, fsm.Counts{Queued: 3, Dispatched: 2})
}

func movedCallMayBeRequeued(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	f.happen(node, f.moved(call, "carrier_2"))
	end := f.requeued(call)
	end.Tries = []store.Try{{Carrier: "carrier_1", At: f.tick()}, {Carrier: "carrier_2", At: f.tick(), Error: "full"}}
	f.happen(node, end)
	f.stands(f.recipient(b, 0), "queued", "", "", "")
	f.equal("tries of the call", f.call(call).Tries, end.Tries)
	f.equal("carrier of the call", f.call(call).Carrier, "carrier_2")
	next := f.claim(node, b, 1)[0]
	f.equal("next attempt", next.Attempt, 2)
	f.equal("carrier of the next attempt", next.Carrier, "carrier_1")
	f.equal("tries of the next attempt", len(next.Tries), 0)
	f.equal("tries of the earlier attempt", f.call(call).Tries, end.Tries)
}

func moveOfEndedCallIsLost(f *fixture) {
	node, b := f.node(), f.batch(3)
	calls := f.claim(node, b, 3)
	f.happen(node, f.completed(calls[0]), f.busy(calls[1]), f.requeued(calls[2]))
	f.loses(node, b, f.moved(calls[0], "carrier_2"), f.moved(calls[1], "carrier_2"), f.moved(calls[2], "carrier_2"))
}

func moveOfForeignCallIsLost(f *fixture) {
	first, b := f.node(), f.batch(1)
	call := f.claim(first, b, 1)[0]
	second := f.successor(first)
	f.loses(second, b, f.moved(call, "carrier_2"))
	f.loses(second, b, f.moved(store.Call{BatchID: b.ID, ID: f.callIDs(1)[0]}, "carrier_2"))
	f.adopt(second, 1)
	f.happen(second, f.moved(call, "carrier_2"))
	f.equal("carrier", f.call(call).Carrier, "carrier_2")
}

// moving is a step that moves two calls and claims one; one of the two has connected by its end.
func (f *fixture) moving(node string, b store.Batch) store.Step {
	f.Helper()
	calls := f.claim(node, b, 2)
	return f.step(store.Step{Owner: node, Claims: []store.Claim{f.claimOf(b, 1)}, Events: []store.Event{
		f.accepted(calls[0], "CA1"), f.moved(calls[0], "carrier_2"),
		f.moved(calls[1], "carrier_2"), f.accepted(calls[1], "CA2"), f.started(calls[1]),
	}})
}

func replayOfWrittenMoveChangesNothing(f *fixture) {
	node, b := f.node(), f.batch(4)
	step := f.moving(node, b)
	first := f.advance(step)
	counts, recipients, calls := f.again(b).Counts, f.recipients(b), f.calls(store.CallQuery{})
	step.Replay = true
	for range 2 {
		got := f.advance(step)
		f.equal("lost", len(got.Lost), 0)
		f.equal("claimed again", got.Claimed, first.Claimed)
		f.equal("calls", f.calls(store.CallQuery{}), calls)
		f.equal("recipients", f.recipients(b), recipients)
		f.equal("counts", f.again(b).Counts, counts)
	}
}

func replayOfUnwrittenMoveApplies(f *fixture) {
	node, b := f.node(), f.batch(4)
	step := f.moving(node, b)
	step.Replay = true
	got := f.advance(step)
	f.equal("lost", len(got.Lost), 0)
	f.equal("claimed", indexes(callsOf(got)), []int{2})
	calls := f.calls(store.CallQuery{}) // newest first
	f.equal("carriers and refs", [][]string{{calls[2].Carrier, calls[2].Ref}, {calls[1].Carrier, calls[1].Ref}},
		[][]string{{"carrier_2", ""}, {"carrier_2", "CA2"}})
	f.equal("tries", calls[2].Tries, step.Events[1].Tries)
	f.equal("counts", f.again(b).Counts, fsm.Counts{Queued: 1, Dispatched: 2, Started: 1})
}

func replayOfMoveAndEndChangesNothing(f *fixture) {
	node, b := f.node(), f.batch(3)
	calls := f.claim(node, b, 3)
	step := f.step(store.Step{Owner: node})
	for i, end := range []store.Event{f.completed(calls[0]), f.unplaced(calls[1]), f.requeued(calls[2])} {
		step.Events = append(step.Events, f.accepted(calls[i], "CA1"), f.moved(calls[i], "carrier_2"), end)
	}
	f.advance(step)
	recipients, ended := f.recipients(b), f.calls(store.CallQuery{})
	step.Replay = true
	f.equal("lost", len(f.advance(step).Lost), 0)
	f.equal("calls", f.calls(store.CallQuery{}), ended)
	f.equal("recipients", f.recipients(b), recipients)
}
