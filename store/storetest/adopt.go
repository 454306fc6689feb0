package storetest

import (
	"slices"

	"github.com/outdial/outdial/store"
)

func adoptRules() []rule {
	return []rule{
		{"AdoptedCallsAreReturnedOldestFirst", adoptedCallsAreReturnedOldestFirst},
		{"AdoptTakesNoMoreThanItsLimit", adoptTakesNoMoreThanItsLimit},
		{"AdoptLeavesCallsOfLiveNodes", adoptLeavesCallsOfLiveNodes},
		{"AdoptLeavesEndedCalls", adoptLeavesEndedCalls},
		{"AdoptTakesCallsOfAnExpiredNode", adoptTakesCallsOfAnExpiredNode},
		{"AdoptedCallObeysItsNewOwner", adoptedCallObeysItsNewOwner},
		{"AdoptTakesFromEveryOrganisation", adoptTakesFromEveryOrganisation},
		{"OrphansCountAgainstTheLimits", orphansCountAgainstTheLimits},
		{"AdoptHasNoRevision", adoptHasNoRevision},
	}
}

func (f *fixture) adopt(node string, limit int) []store.Claimed {
	f.Helper()
	got, err := f.Adopt(f.ctx, node, limit)
	f.ok(err)
	return got
}

func adoptedCallsAreReturnedOldestFirst(f *fixture) {
	first, a, b := f.node(), f.batch(2), f.batch(2)
	calls := []store.Call{f.claim(first, b, 1)[0], f.claim(first, a, 1)[0], f.claim(first, b, 1)[0]}
	started := f.started(calls[0])
	f.happen(first, started)
	calls[0].Status, calls[0].StartedAt = started.Status, started.StartedAt
	second := f.successor(first)
	var want []store.Claimed
	for _, c := range calls {
		c.Owner = second
		want = append(want, store.Claimed{Call: c, Metadata: people(2)[c.Index].Metadata})
	}
	f.equal("adopted", f.adopt(second, 10), want)
	f.equal("adopted the second time", len(f.adopt(second, 10)), 0)
	f.equal("call", f.call(calls[0]), want[0].Call)
}

func adoptTakesNoMoreThanItsLimit(f *fixture) {
	first, b := f.node(), f.batch(5)
	f.claim(first, b, 5)
	second := f.successor(first)
	for _, none := range []int{0, -1} {
		f.equal("adopted", len(f.adopt(second, none)), 0)
	}
	for _, want := range []int{2, 2, 1, 0} {
		f.equal("adopted", len(f.adopt(second, 2)), want)
	}
}

func adoptLeavesCallsOfLiveNodes(f *fixture) {
	node, b := f.node(), f.batch(2)
	calls := f.claim(node, b, 2)
	f.equal("adopted", len(f.adopt(node, 10)), 0)
	f.equal("call", f.call(calls[0]), calls[0])
}

func adoptLeavesEndedCalls(f *fixture) {
	first, b := f.node(), f.batch(4)
	calls := f.claim(first, b, 4)
	f.happen(first, f.completed(calls[0]), f.busy(calls[1]), f.requeued(calls[2]))
	second := f.successor(first)
	got := f.adopt(second, 10)
	f.equal("adopted", len(got), 1)
	f.equal("the one in flight", got[0].Call.ID, calls[3].ID)
	f.equal("owner of an ended call", f.call(calls[0]).Owner, first)
}

func adoptTakesCallsOfAnExpiredNode(f *fixture) {
	first, b := f.node(), f.batch(1)
	f.claim(first, b, 1)
	f.expire(first)
	f.equal("adopted", len(f.adopt(f.node(), 10)), 1)
}

func adoptedCallObeysItsNewOwner(f *fixture) {
	first, b := f.node(), f.batch(2)
	calls := f.claim(first, b, 1)
	second := f.successor(first)
	f.adopt(second, 10)
	f.refused(first, b, f.completed(calls[0]))
	third := f.successor(second)
	f.loses(third, b, f.completed(calls[0]))
	f.adopt(third, 10)
	f.equal("in flight with the new owner", len(f.calls(store.CallQuery{InFlight: true, Owner: third})), 1)
	f.happen(third, f.completed(calls[0]))
}

func adoptTakesFromEveryOrganisation(f *fixture) {
	first := f.node()
	var want []string
	for range 2 {
		for _, org := range []string{"org_3", org, "org_4", other, "org_5"} {
			want = append(want, f.claim(first, f.batch(1, of(org)), 1)[0].ID)
		}
	}
	second := f.successor(first)
	some := adoptedCalls(f.adopt(second, 7))
	rest := adoptedCalls(f.adopt(second, 7))
	f.equal("adopted within the limit", len(some), 7)
	f.equal("oldest first", slices.IsSorted(callIDs(some)) && slices.IsSorted(callIDs(rest)), true)
	f.equal("adopted", slices.Sorted(slices.Values(append(callIDs(some), callIDs(rest)...))), want)
}

func orphansCountAgainstTheLimits(f *fixture) {
	first, b := f.node(), f.batch(9, target(3))
	f.claim(first, b, 3)
	f.expire(first)
	second := f.node()
	f.equal("claimed while the target is taken", len(f.claim(second, b, 1)), 0)
	f.equal("claimed while the limit is reached", len(f.claimWithin(second, 3, 1, f.batch(1)).Claimed), 0)
	f.adopt(second, 10)
	f.equal("claimed after the adoption", len(f.claim(second, b, 1)), 0)
}

func adoptHasNoRevision(f *fixture) {
	first, b := f.node(), f.batch(2)
	f.claim(first, b, 1)
	before, recipients := f.again(b), f.recipients(b)
	f.adopt(f.successor(first), 10)
	f.equal("batch", f.again(b), before)
	f.equal("recipients", f.recipients(b), recipients)
}
