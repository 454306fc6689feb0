package storetest

import (
	"slices"

	"github.com/outdial/outdial/store"
)

func pageRules() []rule {
	return []rule{
		{"BatchesAreNewestFirst", batchesAreNewestFirst},
		{"BatchPagesGoForth", batchPagesGoForth},
		{"BatchPagesGoBack", batchPagesGoBack},
		{"BatchPagesTakeFilters", batchPagesTakeFilters},
		{"BatchPagesTakeStatuses", batchPagesTakeStatuses},
		{"BatchPagesTakeTimes", batchPagesTakeTimes},
		{"BatchTimesNeedNotFollowIds", batchTimesNeedNotFollowIDs},
		{"CallsAreNewestFirst", callsAreNewestFirst},
		{"CallPagesGoForthAndBack", callPagesGoForthAndBack},
		{"RecipientPagesGoForth", recipientPagesGoForth},
		{"RecipientPagesGoBack", recipientPagesGoBack},
	}
}

// seven creates batches, not in the order of their ids, and returns the ids newest first.
func (f *fixture) seven() []string {
	f.Helper()
	var drafts []store.Batch
	for range 7 {
		drafts = append(drafts, f.draft())
	}
	for _, i := range []int{3, 0, 6, 1, 2, 5, 4} {
		_, err := f.CreateBatch(f.ctx, drafts[i], people(1))
		f.ok(err)
	}
	slices.Reverse(drafts)
	return batchIDs(drafts)
}

func batchesAreNewestFirst(f *fixture) {
	ids := f.seven()
	f.equal("batches", batchIDs(f.batches(store.BatchQuery{})), ids)
	f.equal("the newest three", batchIDs(f.batches(store.BatchQuery{Limit: 3})), ids[:3])
}

func batchPagesGoForth(f *fixture) {
	ids := f.seven()
	page := func(after string) []string { return batchIDs(f.batches(store.BatchQuery{After: after, Limit: 3})) }
	f.equal("behind the third", page(ids[2]), ids[3:6])
	f.equal("behind the sixth", page(ids[5]), ids[6:])
	f.equal("behind the last", len(page(ids[6])), 0)
	f.equal("all behind the second", batchIDs(f.batches(store.BatchQuery{After: ids[1]})), ids[2:])
	f.equal("behind an id of no batch", page(f.draft().ID), ids[:3])
}

func batchPagesGoBack(f *fixture) {
	ids := f.seven()
	page := func(before string) []string { return batchIDs(f.batches(store.BatchQuery{Before: before, Limit: 3})) }
	f.equal("before the last", page(ids[6]), ids[3:6])
	f.equal("before the third", page(ids[2]), ids[:2])
	f.equal("before the first", len(page(ids[0])), 0)
	f.equal("all before the sixth", batchIDs(f.batches(store.BatchQuery{Before: ids[5]})), ids[:5])
}

func batchPagesTakeFilters(f *fixture) {
	var mine []string
	for i := range 9 {
		b := f.batch(1, func(b *store.Batch) { b.AgentID = []string{"agent_1", "agent_2", "agent_3"}[i%3] })
		if b.AgentID == "agent_2" {
			mine = append([]string{b.ID}, mine...)
		}
	}
	query := store.BatchQuery{AgentID: "agent_2", After: mine[0], Limit: 1}
	f.equal("behind the first of the agent's", batchIDs(f.batches(query)), mine[1:2])
	query = store.BatchQuery{AgentID: "agent_2", Before: mine[2], Limit: 1, Open: true}
	f.equal("before the last of the agent's", batchIDs(f.batches(query)), mine[1:2])
}

// callsAreNewestFirst by their ids, which several nodes may use in another order.
func callsAreNewestFirst(f *fixture) {
	node, b, ids := f.node(), f.batch(3), f.callIDs(3)
	for _, i := range []int{1, 2, 0} {
		claim := f.claimOf(b, 1)
		claim.CallIDs = ids[i : i+1]
		f.advance(store.Step{Owner: node, Claims: []store.Claim{claim}})
	}
	slices.Reverse(ids)
	f.equal("calls", callIDs(f.calls(store.CallQuery{})), ids)
	f.equal("calls of the batch", callIDs(f.calls(store.CallQuery{BatchID: b.ID})), ids)
	f.equal("calls in flight", callIDs(f.calls(store.CallQuery{InFlight: true})), ids)
}

func callPagesGoForthAndBack(f *fixture) {
	node, a, b := f.node(), f.batch(9), f.batch(9)
	var of []string
	var all []string
	for range 3 {
		one, two := f.claim(node, a, 2), f.claim(node, b, 1)
		of = append(of, callIDs(one)...)
		all = append(append(all, callIDs(one)...), callIDs(two)...)
	}
	slices.Reverse(of)
	slices.Reverse(all)
	for _, want := range []struct {
		query store.CallQuery
		ids   []string
	}{
		{store.CallQuery{Limit: 4}, all[:4]},
		{store.CallQuery{After: all[3], Limit: 4}, all[4:8]},
		{store.CallQuery{After: all[8], Limit: 4}, nil},
		{store.CallQuery{Before: all[8], Limit: 4}, all[4:8]},
		{store.CallQuery{Before: all[1], Limit: 4}, all[:1]},
		{store.CallQuery{BatchID: a.ID, After: of[1], Limit: 2}, of[2:4]},
		{store.CallQuery{BatchID: a.ID, Before: of[5], Limit: 2}, of[3:5]},
		{store.CallQuery{InFlight: true, After: all[0], Limit: 2}, all[1:3]},
		{store.CallQuery{InFlight: true, Before: all[4], Limit: 2}, all[2:4]},
	} {
		f.equal("calls", callIDs(f.calls(want.query)), want.ids)
	}
}

func (f *fixture) page(b store.Batch, q store.RecipientQuery) []int {
	f.Helper()
	q.Org, q.BatchID = b.Org, b.ID
	got, err := f.Recipients(f.ctx, q)
	f.ok(err)
	return recipientIndexes(got)
}

func recipientPagesGoForth(f *fixture) {
	b := f.batch(7)
	f.batch(2)
	f.equal("the first three", f.page(b, store.RecipientQuery{Limit: 3}), []int{0, 1, 2})
	f.equal("from the fourth", f.page(b, store.RecipientQuery{From: 3, Limit: 3}), []int{3, 4, 5})
	f.equal("from the last", f.page(b, store.RecipientQuery{From: 6, Limit: 3}), []int{6})
	f.equal("from behind the last", len(f.page(b, store.RecipientQuery{From: 7, Limit: 3})), 0)
	f.equal("all from the third", f.page(b, store.RecipientQuery{From: 2}), []int{2, 3, 4, 5, 6})
}

func recipientPagesGoBack(f *fixture) {
	b := f.batch(7)
	f.equal("before the last", f.page(b, store.RecipientQuery{Before: 6, Limit: 3}), []int{3, 4, 5})
	f.equal("before the third", f.page(b, store.RecipientQuery{Before: 2, Limit: 3}), []int{0, 1})
	f.equal("all before the fourth", f.page(b, store.RecipientQuery{Before: 3}), []int{0, 1, 2})
	f.equal("before what is behind the last", f.page(b, store.RecipientQuery{Before: 99, Limit: 2}), []int{5, 6})
	f.equal("between", f.page(b, store.RecipientQuery{From: 2, Before: 4}), []int{2, 3})
}
