package storetest

import (
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func readRules() []rule {
	return []rule{
		{"UnknownBatchIsNotFound", unknownBatchIsNotFound},
		{"UnknownCallIsNotFound", unknownCallIsNotFound},
		{"UnknownBatchHasNoRecipients", unknownBatchHasNoRecipients},
		{"BatchesTakeFilters", batchesTakeFilters},
		{"OpenBatchesHaveSomethingToDo", openBatchesHaveSomethingToDo},
		{"RecipientsTakeFilters", recipientsTakeFilters},
		{"RecipientsWithoutMetadata", recipientsWithoutMetadata},
		{"CallsTakeFilters", callsTakeFilters},
		{"CallsInFlightTakeFilters", callsInFlightTakeFilters},
		{"CallsOfATimeAreExact", callsOfATimeAreExact},
		{"CallTimesNeedNotFollowIDs", callTimesNeedNotFollowIDs},
		{"CallsOfAnyTimeAreFound", callsOfAnyTimeAreFound},
		{"ActiveOrganisationsHaveSomethingToDo", activeOrganisationsHaveSomethingToDo},
		{"WhatIsReturnedIsTheCallers", whatIsReturnedIsTheCallers},
	}
}

func unknownBatchIsNotFound(f *fixture) {
	_, err := f.Batch(f.ctx, org, f.draft().ID)
	f.is(err, store.ErrNotFound)
	f.batch(1)
	for _, id := range []string{f.draft().ID, "acb_0", ""} {
		_, err = f.Batch(f.ctx, org, id)
		f.is(err, store.ErrNotFound)
	}
}

func unknownCallIsNotFound(f *fixture) {
	f.claim(f.node(), f.batch(1), 1)
	for _, id := range []string{f.callIDs(1)[0], "call_0", ""} {
		_, err := f.Call(f.ctx, org, id)
		f.is(err, store.ErrNotFound)
	}
}

func unknownBatchHasNoRecipients(f *fixture) {
	f.batch(1)
	for _, id := range []string{f.draft().ID, ""} {
		got, err := f.Recipients(f.ctx, store.RecipientQuery{Org: org, BatchID: id})
		f.ok(err)
		f.equal("recipients", len(got), 0)
	}
}

func batchesTakeFilters(f *fixture) {
	node, a := f.node(), f.batch(2)
	b := f.batch(2, func(b *store.Batch) { b.AgentID = "agent_2" })
	c := f.batch(2)
	f.claim(node, a, 1)
	f.claim(node, b, 2)
	for _, want := range []struct {
		query store.BatchQuery
		ids   []string
	}{
		{store.BatchQuery{}, []string{c.ID, b.ID, a.ID}},
		{store.BatchQuery{AgentID: "agent_1"}, []string{c.ID, a.ID}},
		{store.BatchQuery{AgentID: "agent"}, nil},
		{store.BatchQuery{Statuses: []fsm.BatchStatus{fsm.BatchPending}}, []string{c.ID}},
		{store.BatchQuery{Statuses: []fsm.BatchStatus{fsm.BatchInProgress, fsm.BatchCompleted}}, []string{b.ID, a.ID}},
		{store.BatchQuery{Statuses: []fsm.BatchStatus{fsm.BatchInProgress}, AgentID: "agent_2"}, nil},
		{store.BatchQuery{Statuses: []fsm.BatchStatus{fsm.BatchCancelled}}, nil},
		{store.BatchQuery{Statuses: []fsm.BatchStatus{fsm.BatchCompleted}, Limit: 1}, []string{b.ID}},
		{store.BatchQuery{CreatedFrom: b.CreatedAt}, []string{c.ID, b.ID}},
		{store.BatchQuery{CreatedFrom: b.CreatedAt.Add(time.Microsecond)}, []string{c.ID}},
		{store.BatchQuery{CreatedTo: b.CreatedAt}, []string{a.ID}},
		{store.BatchQuery{CreatedFrom: b.CreatedAt, CreatedTo: b.CreatedAt.Add(time.Microsecond)}, []string{b.ID}},
	} {
		got := f.batches(want.query)
		f.equal("batches", batchIDs(got), want.ids)
	}
	f.do(b, store.ActionPause)
	f.do(a, store.ActionCancel)
	f.equal("cancelled", f.withStatus(fsm.BatchCancelled), []string{a.ID})
	unplaced := f.claim(node, c, 2)
	f.happen(node, f.unplaced(unplaced[0]), f.unplaced(unplaced[1]))
	f.equal("failed", f.withStatus(fsm.BatchFailed), []string{c.ID})
}

func (f *fixture) withStatus(s fsm.BatchStatus) []string {
	f.Helper()
	return batchIDs(f.batches(store.BatchQuery{Statuses: []fsm.BatchStatus{s}}))
}

func openBatchesHaveSomethingToDo(f *fixture) {
	node, queued, flying, over := f.node(), f.batch(1), f.batch(1), f.batch(1)
	f.claim(node, flying, 1)
	f.do(over, store.ActionCancel)
	f.equal("open", batchIDs(f.batches(store.BatchQuery{Open: true})), []string{flying.ID, queued.ID})
	f.equal("open, the newest", batchIDs(f.batches(store.BatchQuery{Open: true, Limit: 1})), []string{flying.ID})
	f.do(queued, store.ActionPause)
	f.equal("paused ones are open", len(f.batches(store.BatchQuery{Open: true})), 2)
	f.equal("open of another agent", len(f.batches(store.BatchQuery{Open: true, AgentID: "x"})), 0)
}

func recipientsTakeFilters(f *fixture) {
	b, _ := f.ended(f.node()) // completed, failed busy, failed unplaced, dispatched, queued, queued
	for _, want := range []struct {
		query   store.RecipientQuery
		indexes []int
	}{
		{store.RecipientQuery{}, []int{0, 1, 2, 3, 4, 5}},
		{store.RecipientQuery{Statuses: []fsm.RecipientStatus{fsm.Failed}}, []int{1, 2}},
		{store.RecipientQuery{Statuses: []fsm.RecipientStatus{fsm.Queued, fsm.Completed}}, []int{0, 4, 5}},
		{store.RecipientQuery{Statuses: []fsm.RecipientStatus{fsm.Queued, fsm.Completed}, Limit: 2}, []int{0, 4}},
		{store.RecipientQuery{Statuses: []fsm.RecipientStatus{fsm.Queued, fsm.Completed}, Before: 5, Limit: 1}, []int{4}},
		{store.RecipientQuery{EndReasons: []dialer.EndReason{dialer.DialBusy}}, []int{1}},
		{store.RecipientQuery{EndReasons: []dialer.EndReason{dialer.DialBusy, dialer.ClientHangup}}, []int{0, 1}},
		{store.RecipientQuery{
			EndReasons: []dialer.EndReason{dialer.DialBusy}, Statuses: []fsm.RecipientStatus{fsm.Queued},
		}, nil},
		{store.RecipientQuery{EndReasons: []dialer.EndReason{dialer.Inactivity}}, nil},
	} {
		want.query.Org, want.query.BatchID = org, b.ID
		got, err := f.Recipients(f.ctx, want.query)
		f.ok(err)
		f.equal("recipients", recipientIndexes(got), want.indexes)
	}
}

func recipientIndexes(list []store.Recipient) []int {
	var out []int
	for _, r := range list {
		out = append(out, r.Index)
	}
	return out
}

func recipientsWithoutMetadata(f *fixture) {
	b := f.batch(2)
	want := f.recipients(b)
	got, err := f.Recipients(f.ctx, store.RecipientQuery{Org: org, BatchID: b.ID, NoMetadata: true})
	f.ok(err)
	want[0].Metadata, want[1].Metadata = nil, nil
	f.equal("recipients", got, want)
}

func callsTakeFilters(f *fixture) {
	node, a := f.node(), f.batch(2)
	b := f.batch(2, func(b *store.Batch) { b.AgentID = "agent_2" })
	first, second, third := f.claim(node, a, 1)[0], f.claim(node, b, 1)[0], f.claim(node, a, 1)[0]
	zero, one := 0, 1
	for _, want := range []struct {
		query store.CallQuery
		calls []store.Call
	}{
		{store.CallQuery{}, []store.Call{third, second, first}},
		{store.CallQuery{BatchID: a.ID}, []store.Call{third, first}},
		{store.CallQuery{BatchID: f.draft().ID}, nil},
		{store.CallQuery{AgentID: "agent_2"}, []store.Call{second}},
		{store.CallQuery{AgentID: "agent_2", BatchID: a.ID}, nil},
		{store.CallQuery{BatchID: a.ID, Recipient: &zero}, []store.Call{first}},
		{store.CallQuery{BatchID: a.ID, Recipient: &one}, []store.Call{third}},
		{store.CallQuery{DispatchedFrom: second.DispatchedAt}, []store.Call{third, second}},
		{store.CallQuery{DispatchedTo: second.DispatchedAt}, []store.Call{second, first}},
		{store.CallQuery{DispatchedFrom: second.DispatchedAt.Add(time.Microsecond)}, []store.Call{third}},
		{store.CallQuery{DispatchedTo: second.DispatchedAt.Add(-time.Microsecond)}, []store.Call{first}},
		{store.CallQuery{AgentID: "agent_1", Limit: 1}, []store.Call{third}},
	} {
		f.equal("calls", f.calls(want.query), want.calls)
	}
}

func callsInFlightTakeFilters(f *fixture) {
	first, a := f.node(), f.batch(3)
	b := f.batch(1, func(b *store.Batch) { b.AgentID = "agent_2" })
	calls := f.claim(first, a, 3)
	f.happen(first, f.completed(calls[0]))
	second := f.successor(first)
	last := f.claim(second, b, 1)[0]
	for _, want := range []struct {
		query store.CallQuery
		calls []store.Call
	}{
		{store.CallQuery{InFlight: true}, []store.Call{last, calls[2], calls[1]}},
		{store.CallQuery{InFlight: true, Owner: first}, []store.Call{calls[2], calls[1]}},
		{store.CallQuery{InFlight: true, Owner: second}, []store.Call{last}},
		{store.CallQuery{InFlight: true, Owner: "nobody"}, nil},
		{store.CallQuery{InFlight: true, HangUp: true}, nil},
		{store.CallQuery{InFlight: true, BatchID: a.ID, Limit: 1}, []store.Call{calls[2]}},
		{store.CallQuery{InFlight: true, AgentID: "agent_2"}, []store.Call{last}},
	} {
		f.equal("calls", f.calls(want.query), want.calls)
	}
}

func activeOrganisationsHaveSomethingToDo(f *fixture) {
	f.equal("active in an empty store", len(f.active()), 0)
	node, b := f.node(), f.batch(2)
	f.batch(1, func(b *store.Batch) { b.Org = "org_2" })
	f.equal("active", f.activeNames(), []string{org, "org_2"})
	calls := f.claim(node, b, 2)
	f.equal("active with calls in flight", f.activeNames(), []string{org, "org_2"})
	f.happen(node, f.completed(calls[0]), f.busy(calls[1]))
	f.equal("active when all is over", f.activeNames(), []string{"org_2"})
	f.do(b, store.ActionRetry)
	f.equal("active after a retry", f.activeNames(), []string{org, "org_2"})
	f.do(b, store.ActionCancel)
	f.equal("active after a cancel", f.activeNames(), []string{"org_2"})
}

func (f *fixture) activeNames() []string {
	f.Helper()
	var out []string
	for _, a := range f.active() {
		out = append(out, a.Org)
	}
	return out
}

func whatIsReturnedIsTheCallers(f *fixture) {
	node, b := f.node(), f.batch(1)
	claimed := f.advance(store.Step{Owner: node, Claims: []store.Claim{f.claimOf(b, 1)}}).Claimed[0]
	e := f.started(claimed.Call)
	e.Details = map[string]string{"sip": "200"}
	f.happen(node, e)
	clear(claimed.Metadata)
	clear(f.recipient(b, 0).Metadata)
	clear(f.call(claimed.Call).Details)
	clear(f.calls(store.CallQuery{})[0].Details)
	clear(f.calls(store.CallQuery{InFlight: true})[0].Details)
	adopted := f.adopt(f.successor(node), 1)[0]
	clear(adopted.Metadata)
	clear(adopted.Call.Details)
	f.equal("metadata", string(f.recipient(b, 0).Metadata), string(people(1)[0].Metadata))
	f.equal("details", f.call(claimed.Call).Details, map[string]string{"sip": "200"})
}
