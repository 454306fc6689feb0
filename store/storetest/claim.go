package storetest

import (
	"slices"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func claimRules() []rule {
	return []rule{
		{"ClaimMakesACall", claimMakesACall},
		{"ClaimsAreInIndexOrder", claimsAreInIndexOrder},
		{"ClaimTakesNoMoreThanItsCallIDs", claimTakesNoMoreThanItsCallIDs},
		{"ClaimTakesNoMoreThanAreQueued", claimTakesNoMoreThanAreQueued},
		{"ClaimsAreServedInTheirOrder", claimsAreServedInTheirOrder},
		{"ScheduledBatchIsNotClaimedBefore", scheduledBatchIsNotClaimedBefore},
		{"PausedBatchIsNeverClaimed", pausedBatchIsNeverClaimed},
		{"CancelledBatchIsNeverClaimed", cancelledBatchIsNeverClaimed},
		{"UnknownBatchIsNeverClaimed", unknownBatchIsNeverClaimed},
		{"AdmittedAtIsTheFirstClaims", admittedAtIsTheFirstClaims},
		{"StepReturnsEveryBatchItNames", stepReturnsEveryBatchItNames},
		{"ExistingCallIDIsNeverUsedAgain", existingCallIDIsNeverUsedAgain},
		{"IDOfACallThatIsOverIsNeverUsedAgain", idOfACallThatIsOverIsNeverUsedAgain},
		{"IDOfACallThatEndsIsNeverUsedAgain", idOfACallThatEndsIsNeverUsedAgain},
	}
}

func claimMakesACall(f *fixture) {
	node, b := f.node(), f.batch(2)
	c := f.claimOf(b, 1)
	step := f.step(store.Step{Owner: node, Claims: []store.Claim{c}})
	got := f.advance(step)
	want := store.Call{
		Org: org, ID: c.CallIDs[0], BatchID: b.ID, Index: 0, Attempt: 1, Status: fsm.Dispatched, Owner: node,
		Carrier: c.Carrier, From: c.From, To: people(1)[0].To, AgentID: b.AgentID, DispatchedAt: step.Now,
	}
	f.equal("claimed", got.Claimed, []store.Claimed{{Call: want, Metadata: people(1)[0].Metadata}})
	f.equal("call", f.call(want), want)
	f.equal("in flight", got.InFlight, 1)
	r := f.recipient(b, 0)
	f.equal("recipient", r, store.Recipient{
		Org: org, BatchID: b.ID, To: want.To, Metadata: people(1)[0].Metadata, Status: fsm.Dispatched,
		Attempts: 1, CallID: want.ID, CreatedAt: b.CreatedAt, UpdatedAt: step.Now, Rev: r.Rev,
	})
	after := b
	after.AdmittedAt, after.UpdatedAt, after.Rev = step.Now, step.Now, got.Rev
	after.Counts = fsm.Counts{Queued: 1, Dispatched: 1}
	f.equal("batch", f.again(b), after)
	f.equal("batches of the step", got.Batches, []store.Batch{after})
}

func claimsAreInIndexOrder(f *fixture) {
	node, b := f.node(), f.batch(70)
	var all []int
	for _, n := range []int{1, 2, 64, 3} {
		calls := f.claim(node, b, n)
		f.equal("call ids ascend with the indexes", slices.IsSorted(callIDs(calls)), true)
		all = append(all, indexes(calls)...)
	}
	want := make([]int, 70)
	for i := range want {
		want[i] = i
	}
	f.equal("claimed", all, want)
}

func claimTakesNoMoreThanItsCallIDs(f *fixture) {
	node, b := f.node(), f.batch(5)
	f.equal("claimed with no ids", len(f.claim(node, b, 0)), 0)
	f.equal("claimed with two ids", len(f.claim(node, b, 2)), 2)
}

func claimTakesNoMoreThanAreQueued(f *fixture) {
	node, b := f.node(), f.batch(3)
	calls := f.claim(node, b, 10)
	f.equal("claimed", indexes(calls), []int{0, 1, 2})
	f.equal("claimed afterwards", len(f.claim(node, b, 10)), 0)
}

func claimsAreServedInTheirOrder(f *fixture) {
	node, a, b := f.node(), f.batch(3), f.batch(3)
	got := callsOf(f.advance(store.Step{
		Owner: node, Limit: 4, Claims: []store.Claim{f.claimOf(b, 3), f.claimOf(a, 3)},
	}))
	f.equal("claimed", indexes(got), []int{0, 1, 2, 0})
	f.equal("batch of the first three", got[2].BatchID, b.ID)
	f.equal("batch of the fourth", got[3].BatchID, a.ID)
}

func scheduledBatchIsNotClaimedBefore(f *fixture) {
	at := f.tick().Add(time.Hour)
	node, b := f.node(), f.batch(2, func(b *store.Batch) { b.ScheduledAt = at })
	step := store.Step{Owner: node, Now: at.Add(-time.Microsecond), Claims: []store.Claim{f.claimOf(b, 1)}}
	f.equal("claimed a microsecond early", len(f.advance(step).Claimed), 0)
	step.Now = at
	f.equal("claimed in time", len(f.advance(step).Claimed), 1)
}

func pausedBatchIsNeverClaimed(f *fixture) {
	node, b := f.node(), f.batch(2)
	f.do(b, store.ActionPause)
	f.equal("claimed while paused", len(f.claim(node, b, 1)), 0)
	f.do(b, store.ActionResume)
	f.equal("claimed once resumed", len(f.claim(node, b, 1)), 1)
	f.equal("created paused", len(f.claim(node, f.batch(1, func(b *store.Batch) { b.PausedAt = b.CreatedAt }), 1)), 0)
}

func cancelledBatchIsNeverClaimed(f *fixture) {
	node, b := f.node(), f.batch(3)
	f.claim(node, b, 1)
	f.do(b, store.ActionCancel)
	f.equal("claimed", len(f.claim(node, b, 2)), 0)
}

func unknownBatchIsNeverClaimed(f *fixture) {
	node, b := f.node(), f.batch(1)
	got := f.advance(store.Step{Owner: node, Claims: []store.Claim{f.claimOf(f.draft(), 1), f.claimOf(b, 1)}})
	f.equal("claimed", len(got.Claimed), 1)
	f.equal("batches of the step", batchIDs(got.Batches), []string{b.ID})
}

func admittedAtIsTheFirstClaims(f *fixture) {
	node, b := f.node(), f.batch(3)
	f.equal("AdmittedAt before", f.again(b).AdmittedAt, time.Time{})
	calls := f.claim(node, b, 1)
	admitted := f.again(b).AdmittedAt
	f.equal("AdmittedAt", admitted, calls[0].DispatchedAt)
	f.claim(node, b, 1)
	f.happen(node, f.busy(calls[0]))
	f.do(b, store.ActionRetry)
	f.claim(node, b, 2)
	f.equal("AdmittedAt after more claims", f.again(b).AdmittedAt, admitted)
}

func stepReturnsEveryBatchItNames(f *fixture) {
	node, a, b, c := f.node(), f.batch(3), f.batch(1), f.batch(1)
	calls := f.claim(node, a, 2)
	f.do(c, store.ActionPause)
	got := f.advance(store.Step{
		Owner:  node,
		Events: []store.Event{f.started(calls[0]), f.busy(calls[1])},
		Claims: []store.Claim{f.claimOf(b, 1), f.claimOf(c, 1), f.claimOf(a, 1)},
	})
	byID := map[string]store.Batch{}
	for _, batch := range got.Batches {
		byID[batch.ID] = batch
	}
	f.equal("batches of the step", len(got.Batches), 3)
	for _, want := range []store.Batch{a, b, c} {
		f.equal("batch of the step", byID[want.ID], f.again(want))
	}
	f.equal("in flight", got.InFlight, 3)
}

// A store may refuse the step or pass over the id, but one id never names two calls.
func existingCallIDIsNeverUsedAgain(f *fixture) {
	node, b := f.node(), f.batch(3)
	call := f.claim(node, b, 1)[0]
	f.refusesID(node, b, call)
	f.equal("the call", f.call(call), call)
}

// refusesID claims under the id of a call that exists.
func (f *fixture) refusesID(node string, b store.Batch, call store.Call, events ...store.Event) {
	f.Helper()
	claim := f.claimOf(b, 1)
	claim.CallIDs = []string{call.ID}
	got, err := f.Advance(f.ctx, f.step(store.Step{Owner: node, Events: events, Claims: []store.Claim{claim}}))
	if err == nil {
		f.equal("claimed under the id of another call", len(got.Claimed), 0)
	}
}

func idOfACallThatIsOverIsNeverUsedAgain(f *fixture) {
	node, b := f.node(), f.batch(3)
	calls := f.claim(node, b, 2)
	f.happen(node, f.completed(calls[0]), f.requeued(calls[1]))
	for _, c := range calls {
		want := f.call(c)
		f.refusesID(node, b, c)
		f.equal("the call", f.call(c), want)
	}
}

func idOfACallThatEndsIsNeverUsedAgain(f *fixture) {
	node, b := f.node(), f.batch(3)
	call := f.claim(node, b, 1)[0]
	f.refusesID(node, b, call, f.completed(call))
}
