package storetest

import (
	"fmt"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func replayRules() []rule {
	return []rule{
		{"ReplayOfWrittenClaimReturnsTheSameCalls", replayOfWrittenClaimReturnsTheSameCalls},
		{"ReplayOfUnwrittenClaimClaims", replayOfUnwrittenClaimClaims},
		{"ReplayOfPartlyServedClaimClaimsNoMore", replayOfPartlyServedClaimClaimsNoMore},
		{"ReplayIsDecidedClaimByClaim", replayIsDecidedClaimByClaim},
		{"ReplayReturnsOnlyTheOwnersCalls", replayReturnsOnlyTheOwnersCalls},
		{"ReplayOfWrittenEventIsNotLost", replayOfWrittenEventIsNotLost},
		{"ReplayOfWrittenEventChangesNothing", replayOfWrittenEventChangesNothing},
		{"ReplayOfUnwrittenEventApplies", replayOfUnwrittenEventApplies},
		{"ReplayOfForeignEventIsLost", replayOfForeignEventIsLost},
		{"ReplayOfRequeueAndClaimReturnsTheClaim", replayOfRequeueAndClaimReturnsTheClaim},
	}
}

func replayOfWrittenClaimReturnsTheSameCalls(f *fixture) {
	node, a, b := f.node(), f.batch(5), f.batch(5)
	step := f.step(store.Step{Owner: node, Claims: []store.Claim{f.claimOf(b, 2), f.claimOf(a, 3)}})
	first := f.advance(step)
	step.Replay = true
	for range 2 {
		got := f.advance(step)
		f.equal("claimed again", got.Claimed, first.Claimed)
		f.equal("in flight", got.InFlight, 5)
		f.equal("revision", got.Rev, first.Rev)
		f.equal("revision before", got.PrevRev, first.Rev)
	}
}

func replayOfUnwrittenClaimClaims(f *fixture) {
	node, b := f.node(), f.batch(5)
	got := f.advance(store.Step{Owner: node, Replay: true, Claims: []store.Claim{f.claimOf(b, 2)}})
	f.equal("claimed", indexes(callsOf(got)), []int{0, 1})
}

func replayOfPartlyServedClaimClaimsNoMore(f *fixture) {
	node, b := f.node(), f.batch(9)
	step := f.step(store.Step{Owner: node, Limit: 2, Claims: []store.Claim{f.claimOf(b, 5)}})
	first := f.advance(step)
	f.equal("claimed", len(first.Claimed), 2)
	step.Replay, step.Limit = true, many
	f.equal("claimed again", f.advance(step).Claimed, first.Claimed)
}

func replayIsDecidedClaimByClaim(f *fixture) {
	node, a, b := f.node(), f.batch(2), f.batch(2)
	step := f.step(store.Step{Owner: node, Limit: 1, Claims: []store.Claim{f.claimOf(a, 1), f.claimOf(b, 1)}})
	f.equal("claimed", len(f.advance(step).Claimed), 1)
	step.Replay, step.Limit = true, 2
	got := callsOf(f.advance(step))
	f.equal("claimed with room for both", callIDs(got), []string{step.Claims[0].CallIDs[0], step.Claims[1].CallIDs[0]})
}

func replayReturnsOnlyTheOwnersCalls(f *fixture) {
	first, b := f.node(), f.batch(5)
	step := f.step(store.Step{Owner: first, Claims: []store.Claim{f.claimOf(b, 2)}})
	f.advance(step)
	second := f.successor(first)
	step.Owner, step.Replay = second, true
	got := f.advance(step)
	f.equal("claimed by another node", len(got.Claimed), 0)
	f.equal("in flight", got.InFlight, 2)
}

// fates are one event of each kind that takes a call somewhere.
func (f *fixture) fates(node string, b store.Batch) []store.Event {
	f.Helper()
	calls := f.claim(node, b, 5)
	accepted := func(i int) store.Event {
		e := event(calls[i], fsm.Dispatched)
		e.Ref = fmt.Sprintf("CA%d", i)
		return e
	}
	return []store.Event{
		accepted(0), f.started(calls[0]), f.completed(calls[0]), accepted(1), f.started(calls[1]),
		f.busy(calls[2]), f.unplaced(calls[3]), f.requeued(calls[4]),
	}
}

func replayOfWrittenEventIsNotLost(f *fixture) {
	node, b := f.node(), f.batch(6)
	step := f.step(store.Step{Owner: node, Events: f.fates(node, b)})
	f.equal("lost", len(f.advance(step).Lost), 0)
	step.Replay = true
	f.equal("lost again", len(f.advance(step).Lost), 0)
}

func replayOfWrittenEventChangesNothing(f *fixture) {
	node, b := f.node(), f.batch(6)
	step := f.step(store.Step{Owner: node, Events: f.fates(node, b)})
	f.advance(step)
	before, calls := f.again(b), f.calls(store.CallQuery{})
	step.Replay = true
	f.advance(step)
	after := f.again(b)
	f.equal("counts", after.Counts, before.Counts)
	f.equal("calls", f.calls(store.CallQuery{}), calls)
}

func replayOfUnwrittenEventApplies(f *fixture) {
	node, b := f.node(), f.batch(6)
	got := f.advance(store.Step{Owner: node, Replay: true, Events: f.fates(node, b)})
	f.equal("lost", len(got.Lost), 0)
	f.equal("counts", f.again(b).Counts, fsm.Counts{Queued: 2, Started: 1, Completed: 1, Failed: 2, Unplaced: 1})
}

func replayOfForeignEventIsLost(f *fixture) {
	first, b := f.node(), f.batch(2)
	calls := f.claim(first, b, 1)
	second := f.successor(first)
	got := f.advance(store.Step{Owner: second, Replay: true, Events: []store.Event{f.completed(calls[0])}})
	f.equal("lost", got.Lost, callIDs(calls))
	f.equal("call", f.call(calls[0]), calls[0])
}

func replayOfRequeueAndClaimReturnsTheClaim(f *fixture) {
	node, b := f.node(), f.batch(1)
	calls := f.claim(node, b, 1)
	step := f.step(store.Step{
		Owner: node, Events: []store.Event{f.requeued(calls[0])}, Claims: []store.Claim{f.claimOf(b, 1)},
	})
	first := f.advance(step)
	f.equal("claimed", indexes(callsOf(first)), []int{0})
	step.Replay = true
	again := f.advance(step)
	f.equal("claimed again", again.Claimed, first.Claimed)
	f.equal("lost", len(again.Lost), 0)
	f.equal("counts", f.again(b).Counts, fsm.Counts{Dispatched: 1})
}
