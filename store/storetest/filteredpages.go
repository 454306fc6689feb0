package storetest

import (
	"slices"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// walkBoth reads a filtered list in pages of each size, forth and back, and compares it with
// what it must be.
func (f *fixture) walkBoth(what string, q store.BatchQuery, want []string) {
	f.Helper()
	f.equal(what, batchIDs(f.batches(q)), want)
	for q.Limit = 1; q.Limit <= len(want)+1; q.Limit++ {
		f.equal(what+", page by page", f.walk(q, func(q *store.BatchQuery, page []string) {
			q.After = page[len(page)-1]
		}), want)
		back := q
		back.Before = "!" // below every id
		got := f.walk(back, func(q *store.BatchQuery, page []string) {
			slices.Reverse(page)
			q.Before = page[len(page)-1]
		})
		slices.Reverse(got)
		f.equal(what+", page by page from the end", got, want)
	}
}

// walk follows a list: next makes q ask for the page behind the one that it is given.
func (f *fixture) walk(q store.BatchQuery, next func(q *store.BatchQuery, page []string)) []string {
	f.Helper()
	var out []string
	for {
		page := batchIDs(f.batches(q))
		if len(page) > q.Limit {
			f.Fatalf("a page of %d batches, want %d at most", len(page), q.Limit)
		}
		if len(out) > 100 {
			f.Fatalf("page by page there is no end: %v", out)
		}
		if len(page) == 0 {
			return out
		}
		next(&q, page)
		out = append(out, page...)
	}
}

// variety creates three batches each that are pending, in progress, completed and still up,
// completed and over, cancelled, and failed, some of each of another agent, and returns them as
// they stand, newest first.
func (f *fixture) variety() []store.Batch {
	f.Helper()
	node := f.node()
	var out []store.Batch
	for i := range 18 {
		b := f.batch(2, func(b *store.Batch) { b.AgentID = []string{"agent_1", "agent_2"}[i%4/2] })
		switch i % 6 {
		case 1:
			f.claim(node, b, 1)
		case 2:
			f.claim(node, b, 2)
		case 3:
			calls := f.claim(node, b, 2)
			f.happen(node, f.completed(calls[0]), f.busy(calls[1]))
		case 4:
			f.do(b, store.ActionCancel)
		case 5:
			calls := f.claim(node, b, 2)
			f.happen(node, f.unplaced(calls[0]), f.unplaced(calls[1]))
		}
		out = append(out, f.again(b))
	}
	slices.Reverse(out)
	return out
}

func idsOf(batches []store.Batch, wanted func(store.Batch) bool) []string {
	var out []string
	for _, b := range batches {
		if wanted(b) {
			out = append(out, b.ID)
		}
	}
	return out
}

func batchPagesTakeStatuses(f *fixture) {
	all := f.variety()
	for _, statuses := range [][]fsm.BatchStatus{
		{fsm.BatchCompleted},
		{fsm.BatchFailed},
		{fsm.BatchPending, fsm.BatchCancelled},
		{fsm.BatchCancelled, fsm.BatchCompleted, fsm.BatchCancelled},
		{fsm.BatchInProgress, fsm.BatchPending, fsm.BatchCompleted, fsm.BatchFailed, fsm.BatchCancelled},
	} {
		has := func(b store.Batch) bool { return slices.Contains(statuses, b.Status()) }
		f.walkBoth("batches of statuses", store.BatchQuery{Statuses: statuses}, idsOf(all, has))
		f.walkBoth("an agent's batches of statuses", store.BatchQuery{Statuses: statuses, AgentID: "agent_2"},
			idsOf(all, func(b store.Batch) bool { return has(b) && b.AgentID == "agent_2" }))
		f.walkBoth("open batches of statuses", store.BatchQuery{Statuses: statuses, Open: true},
			idsOf(all, func(b store.Batch) bool { return has(b) && !b.Counts.Over() }))
	}
	f.walkBoth("an agent's open batches", store.BatchQuery{AgentID: "agent_1", Open: true},
		idsOf(all, func(b store.Batch) bool { return b.AgentID == "agent_1" && !b.Counts.Over() }))
}

func batchPagesTakeTimes(f *fixture) {
	all := f.variety()
	from, to := all[13].CreatedAt, all[2].CreatedAt // the times of which the first is within
	for _, q := range []store.BatchQuery{
		{CreatedFrom: from}, {CreatedTo: to}, {CreatedFrom: from, CreatedTo: to},
		{CreatedFrom: from.Add(1), CreatedTo: to.Add(1)}, {CreatedFrom: to, CreatedTo: from},
		{CreatedFrom: all[0].CreatedAt.Add(time.Hour)}, {CreatedTo: all[17].CreatedAt.Add(-time.Hour)},
	} {
		within := func(b store.Batch) bool {
			return !b.CreatedAt.Before(q.CreatedFrom) && (q.CreatedTo.IsZero() || b.CreatedAt.Before(q.CreatedTo))
		}
		f.walkBoth("batches of a time", q, idsOf(all, within))
		q.Statuses = []fsm.BatchStatus{fsm.BatchCompleted, fsm.BatchPending}
		has := func(b store.Batch) bool { return within(b) && slices.Contains(q.Statuses, b.Status()) }
		f.walkBoth("batches of a time and statuses", q, idsOf(all, has))
		q.AgentID = "agent_1"
		f.walkBoth("an agent's batches of a time and statuses", q,
			idsOf(all, func(b store.Batch) bool { return has(b) && b.AgentID == "agent_1" }))
	}
}

// batchTimesNeedNotFollowIDs: a host may make ids that say nothing of the time.
func batchTimesNeedNotFollowIDs(f *fixture) {
	start := f.tick()
	var all []store.Batch
	for i, minute := range []int{3, 0, 8, 1, 7, 2, 2, 9, 4, 6} {
		all = append(all, f.batch(1, func(b *store.Batch) {
			b.ID = "acb_" + string(rune('z'-i))
			b.CreatedAt = start.Add(time.Duration(minute) * time.Minute)
		}))
	}
	for low := range 10 {
		for high := low; high <= 10; high++ {
			q := store.BatchQuery{
				CreatedFrom: start.Add(time.Duration(low) * time.Minute), CreatedTo: start.Add(time.Duration(high) * time.Minute),
			}
			f.equal("batches of a time", batchIDs(f.batches(q)), idsOf(all, func(b store.Batch) bool {
				return !b.CreatedAt.Before(q.CreatedFrom) && b.CreatedAt.Before(q.CreatedTo)
			}))
		}
	}
	f.walkBoth("batches of a time", store.BatchQuery{CreatedFrom: start.Add(2 * time.Minute)},
		idsOf(all, func(b store.Batch) bool { return !b.CreatedAt.Before(start.Add(2 * time.Minute)) }))
}
