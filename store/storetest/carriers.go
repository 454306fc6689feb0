package storetest

import (
	"slices"

	"github.com/outdial/outdial/store"
)

func (h Harness) carrierRules() []rule {
	rules := []rule{
		{"OnlyNodeAdoptsWhateverItsCarriers", onlyNodeAdoptsWhateverItsCarriers},
		{"CarriersAreThoseOfTheLatestHeartbeat", carriersAreThoseOfTheLatestHeartbeat},
	}
	if h.OneNode {
		return rules
	}
	return append(rules,
		rule{"AdoptLeavesCallsToWhoHasTheirCarrier", adoptLeavesCallsToWhoHasTheirCarrier},
		rule{"AdoptTakesFromNodesThatHadTheCarrier", adoptTakesFromNodesThatHadTheCarrier},
		rule{"NodeWithoutCarriersHasNone", nodeWithoutCarriersHasNone},
		rule{"FirstOfThoseWithTheCarrierAdopts", firstOfThoseWithTheCarrierAdopts},
		rule{"CallsThatAreLeftDoNotCount", callsThatAreLeftDoNotCount},
		rule{"MovedCallIsLeftByItsNewCarrier", movedCallIsLeftByItsNewCarrier},
		rule{"AdoptGoesByTheLatestHeartbeat", adoptGoesByTheLatestHeartbeat},
		rule{"AdoptTellsCarriersApart", adoptTellsCarriersApart},
		rule{"AdoptLeavesCallsOfEveryOrganisation", adoptLeavesCallsOfEveryOrganisation},
		rule{"RandomAdoptionsMatchTheRule", randomAdoptionsMatchTheRule},
	)
}

// orphans are calls over carriers, one each, whose owner had all of them and has left.
func (f *fixture) orphans(carriers ...string) []store.Call {
	f.Helper()
	gone, b := f.nodeWith(carriers...), f.batch(len(carriers))
	var calls []store.Call
	for _, carrier := range carriers {
		calls = append(calls, f.claimOver(gone, b, carrier))
	}
	f.leave(gone)
	return calls
}

func (f *fixture) claimOver(node string, b store.Batch, carrier string) store.Call {
	f.Helper()
	claim := f.claimOf(b, 1)
	claim.Carrier = carrier
	return callsOf(f.advance(store.Step{Org: b.Org, Owner: node, Claims: []store.Claim{claim}}))[0]
}

// takes adopts for a node, and these must be the calls that it gets.
func (f *fixture) takes(node string, limit int, want ...store.Call) {
	f.Helper()
	got := adoptedCalls(f.adopt(node, limit))
	f.equal("adopted by "+node, callIDs(got), callIDs(want))
	for i, c := range got {
		want[i].Owner = node
		f.equal("adopted call", c, want[i])
		f.equal("adopted call, read again", f.call(c), want[i])
	}
}

func onlyNodeAdoptsWhateverItsCarriers(f *fixture) {
	calls := f.orphans("a", "b")
	node := f.nodeWith("c")
	f.takes(node, 10, calls...)
	f.leave(node)
	f.takes(f.nodeWith(), 10, calls...)
}

func carriersAreThoseOfTheLatestHeartbeat(f *fixture) {
	node := f.nodeWith("a", "b")
	for _, carriers := range [][]string{{"b"}, {"c", "a", "b"}, nil, {"a"}} {
		f.ok(f.Heartbeat(f.ctx, store.Node{ID: node, Carriers: carriers}, lease))
		f.equal("carriers", f.nodeList()[0].Carriers, carriers)
	}
}

func adoptLeavesCallsToWhoHasTheirCarrier(f *fixture) {
	calls := f.orphans("a", "b", "c", "b")
	one, two := f.nodeWith("x", "a"), f.nodeWith("b", "y")
	f.takes(one, 10, calls[0], calls[2]) // c is nobody's
	f.equal("a call that was left", f.call(calls[1]), calls[1])
	f.takes(one, 10)
	f.takes(two, 10, calls[1], calls[3])
}

func adoptTakesFromNodesThatHadTheCarrier(f *fixture) {
	calls := f.orphans("a", "a", "a")
	node, left, expired := f.nodeWith("b"), f.nodeWith("a"), f.nodeWith("a")
	f.takes(node, 10)
	f.leave(left)
	f.takes(node, 10) // the other one has it
	f.expire(expired)
	f.takes(node, 10, calls...)
}

func nodeWithoutCarriersHasNone(f *fixture) {
	calls := f.orphans("a", "b")
	none, a := f.nodeWith(), f.nodeWith("a")
	f.takes(none, 10, calls[1])
	f.takes(a, 10, calls[0])
	calls = f.orphans("a", "b")
	f.leave(a)
	f.nodeWith()
	f.takes(none, 10, append(f.orphansOf(a), calls...)...)
}

// orphansOf are the calls in flight of a node, oldest first.
func (f *fixture) orphansOf(node string) []store.Call {
	f.Helper()
	calls := f.calls(store.CallQuery{InFlight: true, Owner: node})
	slices.SortFunc(calls, func(a, b store.Call) int { return a.DispatchedAt.Compare(b.DispatchedAt) })
	return calls
}

func firstOfThoseWithTheCarrierAdopts(f *fixture) {
	calls := f.orphans("a", "a", "a")
	one, two := f.nodeWith("a"), f.nodeWith("b", "a")
	f.takes(two, 2, calls[0], calls[1])
	f.takes(one, 2, calls[2])
}

func callsThatAreLeftDoNotCount(f *fixture) {
	calls := f.orphans("a", "a", "a", "b", "a", "b", "b")
	node := f.nodeWith("b")
	f.nodeWith("a")
	f.takes(node, 2, calls[3], calls[5])
	f.takes(node, 2, calls[6])
	f.takes(node, 2)
}

func movedCallIsLeftByItsNewCarrier(f *fixture) {
	gone, b := f.nodeWith("a", "b"), f.batch(2)
	calls := []store.Call{f.claimOver(gone, b, "a"), f.claimOver(gone, b, "b")}
	for i, carrier := range []string{"b", "a"} {
		move := f.moved(calls[i], carrier)
		f.happen(gone, move)
		calls[i].Carrier, calls[i].Tries = carrier, move.Tries
	}
	f.leave(gone)
	a, second := f.nodeWith("a"), f.nodeWith("b")
	f.takes(a, 10, calls[1])
	f.takes(second, 10, calls[0])
}

func adoptGoesByTheLatestHeartbeat(f *fixture) {
	calls := f.orphans("a", "b")
	node, other := f.nodeWith(), f.nodeWith("a", "b")
	f.takes(node, 10)
	f.ok(f.Heartbeat(f.ctx, store.Node{ID: other, Carriers: []string{"b"}}, lease))
	f.takes(node, 10, calls[0])
	f.ok(f.Heartbeat(f.ctx, store.Node{ID: node, Carriers: []string{"b"}}, lease))
	f.takes(node, 10, calls[1])
}

func adoptTellsCarriersApart(f *fixture) {
	names := append(oddTexts(), "a", "A", "aa", "a,b", "", `"a"`, "a\x00", "\u00e4", "a\u0308")
	calls := f.orphans(names...)
	for i, c := range slices.Backward(calls) {
		one, others := f.nodeWith(names[i]), f.nodeWith(slices.Concat(names[:i], names[i+1:])...)
		f.takes(one, 10, c)
		f.leave(others)
	}
}

func adoptLeavesCallsOfEveryOrganisation(f *fixture) {
	gone := f.node()
	var a, b []store.Call
	for _, name := range []string{org, other, "org_3"} {
		batch := f.batch(2, of(name))
		a, b = append(a, f.claimOver(gone, batch, "a")), append(b, f.claimOver(gone, batch, "b"))
	}
	f.leave(gone)
	one, two := f.nodeWith("a"), f.nodeWith("b")
	f.takes(one, 10, a...)
	f.takes(two, 10, b...)
}
