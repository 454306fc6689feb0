package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func (r *randomRun) compareCalls(q store.CallQuery) {
	r.Helper()
	var want []store.Call
	for _, c := range r.model.calls {
		if (!q.InFlight || c.Status.InFlight()) && (!q.HangUp || !c.HangUpAt.IsZero()) &&
			(q.BatchID == "" || q.BatchID == c.BatchID) && (q.AgentID == "" || q.AgentID == c.AgentID) &&
			!c.DispatchedAt.Before(q.DispatchedFrom) && (q.DispatchedTo.IsZero() || !c.DispatchedAt.After(q.DispatchedTo)) &&
			(q.After == "" || c.ID < q.After) && (q.Before == "" || c.ID > q.Before) {
			want = append(want, *c)
		}
	}
	slices.SortFunc(want, func(a, b store.Call) int { return strings.Compare(b.ID, a.ID) })
	r.equal(fmt.Sprintf("calls of %+v", q), r.calls(q), cut(want, q.Limit, q.Before != ""))
}

// cut leaves the first limit, or the last.
func cut[T any](list []T, limit int, last bool) []T {
	if limit == 0 || len(list) <= limit {
		return list
	}
	if last {
		return list[len(list)-limit:]
	}
	return list[:limit]
}

func (r *randomRun) compareQueries() {
	r.Helper()
	limit := r.rand.IntN(4)
	agent := pick(r.rand, []string{"", "agent_0", "agent_1"})
	b := pick(r.rand, r.model.batches)
	r.compareCalls(store.CallQuery{InFlight: true, HangUp: r.rand.IntN(2) == 0, AgentID: agent, Limit: limit})
	if len(r.model.calls) > 0 {
		at := pick(r.rand, r.model.calls).ID
		r.compareCalls(store.CallQuery{AgentID: agent, After: at, Limit: limit})
		r.compareCalls(store.CallQuery{BatchID: b.ID, Before: at, Limit: limit})
		r.compareTimes(store.CallQuery{AgentID: agent, Limit: limit}, at)
	}
	q := store.BatchQuery{AgentID: agent, Open: r.rand.IntN(2) == 0, Limit: limit}
	if r.rand.IntN(2) == 0 {
		q.Statuses = []fsm.BatchStatus{fsm.BatchStatus(r.rand.IntN(5)), fsm.BatchStatus(r.rand.IntN(5))}
	}
	switch r.rand.IntN(3) {
	case 0:
		q.After = b.ID
	case 1:
		q.Before = b.ID
	}
	r.compareBatches(q)
	r.compareRecipients(b, limit)
}

// compareTimes asks for calls of a time, all or behind or before one of them.
func (r *randomRun) compareTimes(q store.CallQuery, id string) {
	r.Helper()
	edge := func() time.Time {
		return pick(r.rand, r.model.calls).DispatchedAt.Add(time.Duration(r.rand.IntN(3) - 1)) // in nanoseconds
	}
	q.DispatchedFrom, q.DispatchedTo = edge(), edge()
	r.compareCalls(q)
	q.DispatchedTo, q.After = time.Time{}, id
	r.compareCalls(q)
	q.DispatchedFrom, q.DispatchedTo, q.After, q.Before = time.Time{}, edge(), "", id
	r.compareCalls(q)
}

func (r *randomRun) compareBatches(q store.BatchQuery) {
	r.Helper()
	var want []store.Batch
	for _, b := range r.model.batches {
		now := b.now()
		if (q.AgentID == "" || q.AgentID == b.AgentID) && (!q.Open || !now.Counts.Over()) &&
			(len(q.Statuses) == 0 || slices.Contains(q.Statuses, now.Status())) &&
			(q.After == "" || b.ID < q.After) && (q.Before == "" || b.ID > q.Before) {
			want = append(want, now)
		}
	}
	slices.SortFunc(want, func(a, b store.Batch) int { return cmp.Compare(b.ID, a.ID) })
	want = cut(want, q.Limit, q.Before != "")
	r.equal(fmt.Sprintf("batches of %+v", q), batchIDs(r.batches(q)), batchIDs(want))
}

func (r *randomRun) compareRecipients(b *modelBatch, limit int) {
	r.Helper()
	q := store.RecipientQuery{Org: org, BatchID: b.ID, Limit: limit, From: r.rand.IntN(3)}
	q.Statuses = []fsm.RecipientStatus{fsm.RecipientStatus(r.rand.IntN(6)), fsm.RecipientStatus(r.rand.IntN(6))}
	if r.rand.IntN(2) == 0 {
		q.From, q.Before = 0, 1+r.rand.IntN(7)
	}
	var want []int
	for i, one := range b.recipients {
		if slices.Contains(q.Statuses, one.Status) && i >= q.From && (q.Before == 0 || i < q.Before) {
			want = append(want, i)
		}
	}
	r.equal(fmt.Sprintf("recipients of %+v", q), r.page(b.Batch, q), cut(want, limit, q.Before != 0))
}
