package storetest

import (
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func limitRules() []rule {
	return []rule{
		{"OrganisationLimitIsKept", organisationLimitIsKept},
		{"OrganisationLimitCoversAllBatches", organisationLimitCoversAllBatches},
		{"OrganisationLimitCoversAllOwners", organisationLimitCoversAllOwners},
		{"TargetIsKept", targetIsKept},
		{"TargetCoversAllOwners", targetCoversAllOwners},
		{"LoweredLimitClaimsNothing", loweredLimitClaimsNothing},
		{"LoweredLimitLetsEventsThrough", loweredLimitLetsEventsThrough},
		{"LoweredTargetClaimsNothing", loweredTargetClaimsNothing},
		{"RaisedTargetAdmitsMore", raisedTargetAdmitsMore},
		{"ConnectedCallsCount", connectedCallsCount},
		{"TargetOfOneBatchLeavesAnotherAlone", targetOfOneBatchLeavesAnotherAlone},
	}
}

func target(n int) func(*store.Batch) { return func(b *store.Batch) { b.Target = n } }

func (f *fixture) claimWithin(node string, limit, n int, batches ...store.Batch) store.Advanced {
	f.Helper()
	s := store.Step{Owner: node, Limit: limit}
	for _, b := range batches {
		s.Claims = append(s.Claims, f.claimOf(b, n))
	}
	return f.advance(s)
}

func organisationLimitIsKept(f *fixture) {
	node, b := f.node(), f.batch(9)
	f.equal("claimed", len(f.claimWithin(node, 3, 5, b).Claimed), 3)
	got := f.claimWithin(node, 3, 5, b)
	f.equal("claimed at the limit", len(got.Claimed), 0)
	f.equal("in flight", got.InFlight, 3)
}

func organisationLimitCoversAllBatches(f *fixture) {
	node, a, b := f.node(), f.batch(9), f.batch(9)
	f.equal("claimed", len(f.claimWithin(node, 5, 3, a, b).Claimed), 5)
	f.equal("claimed at the limit", len(f.claimWithin(node, 5, 3, f.batch(2)).Claimed), 0)
}

func organisationLimitCoversAllOwners(f *fixture) {
	first, b := f.node(), f.batch(9)
	f.claimWithin(first, 4, 3, b)
	got := f.claimWithin(f.successor(first), 4, 3, b)
	f.equal("claimed by the second node", len(got.Claimed), 1)
	f.equal("in flight", got.InFlight, 4)
}

func targetIsKept(f *fixture) {
	node, b := f.node(), f.batch(9, target(3))
	f.equal("claimed", len(f.claim(node, b, 5)), 3)
	f.equal("claimed at the target", len(f.claim(node, b, 5)), 0)
	twice := f.batch(9, target(3))
	got := f.claimWithin(node, many, 2, twice, twice)
	f.equal("claimed by two claims of one step", len(got.Claimed), 3)
}

func targetCoversAllOwners(f *fixture) {
	first, b := f.node(), f.batch(9, target(4))
	f.claim(first, b, 3)
	f.equal("claimed by the second node", len(f.claim(f.successor(first), b, 3)), 1)
}

func loweredLimitClaimsNothing(f *fixture) {
	node, b := f.node(), f.batch(9)
	calls := f.claim(node, b, 5)
	f.equal("claimed below what is in flight", len(f.claimWithin(node, 2, 1, b).Claimed), 0)
	f.happen(node, f.completed(calls[0]), f.completed(calls[1]), f.completed(calls[2]))
	f.equal("claimed at the lowered limit", len(f.claimWithin(node, 2, 1, b).Claimed), 0)
	f.equal("claimed below it", len(f.claimWithin(node, 3, 5, b).Claimed), 1)
	f.equal("claimed under a negative limit", len(f.claimWithin(node, -1, 1, b).Claimed), 0)
}

func loweredLimitLetsEventsThrough(f *fixture) {
	node, b := f.node(), f.batch(3)
	calls := f.claim(node, b, 3)
	got := f.advance(store.Step{Owner: node, Limit: 1, Events: []store.Event{f.started(calls[0]), f.completed(calls[1])}})
	f.equal("lost", len(got.Lost), 0)
	f.equal("in flight", got.InFlight, 2)
	f.equal("counts", f.again(b).Counts, fsm.Counts{Dispatched: 1, Started: 1, Completed: 1})
}

func loweredTargetClaimsNothing(f *fixture) {
	node, b := f.node(), f.batch(9, target(5))
	calls := f.claim(node, b, 5)
	f.change(b, store.Change{Action: store.ActionSetTarget, Target: 2})
	f.equal("calls in flight go on", f.again(b).Counts, fsm.Counts{Queued: 4, Dispatched: 5})
	f.equal("claimed above the target", len(f.claim(node, b, 1)), 0)
	f.happen(node, f.completed(calls[0]), f.completed(calls[1]), f.completed(calls[2]), f.completed(calls[3]))
	f.equal("claimed below it", len(f.claim(node, b, 5)), 1)
}

func raisedTargetAdmitsMore(f *fixture) {
	node, b := f.node(), f.batch(9, target(1))
	f.claim(node, b, 5)
	f.change(b, store.Change{Action: store.ActionSetTarget, Target: 3})
	f.equal("claimed", len(f.claim(node, b, 5)), 2)
}

func connectedCallsCount(f *fixture) {
	node, b := f.node(), f.batch(9, target(2))
	calls := f.claim(node, b, 2)
	f.happen(node, f.started(calls[0]), f.started(calls[1]))
	f.equal("claimed at the target", len(f.claim(node, b, 1)), 0)
	f.equal("claimed at the limit", len(f.claimWithin(node, 2, 1, f.batch(1)).Claimed), 0)
}

func targetOfOneBatchLeavesAnotherAlone(f *fixture) {
	node, a, b := f.node(), f.batch(9, target(1)), f.batch(9, target(2))
	got := f.claimWithin(node, many, 5, a, b)
	f.equal("claimed", indexes(callsOf(got)), []int{0, 0, 1})
}
