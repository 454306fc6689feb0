package storetest

import (
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func createRules() []rule {
	return []rule{
		{"CreatedBatchReadsAsGiven", createdBatchReadsAsGiven},
		{"CountsAndRevOfTheDraftAreIgnored", countsAndRevOfTheDraftAreIgnored},
		{"CreatedRecipientsAreQueuedInOrder", createdRecipientsAreQueuedInOrder},
		{"WhatIsGivenIsNotKept", whatIsGivenIsNotKept},
		{"ZeroFieldsStayZero", zeroFieldsStayZero},
		{"SameIDTwiceReturnsTheFirst", sameIDTwiceReturnsTheFirst},
	}
}

func createdBatchReadsAsGiven(f *fixture) {
	draft := f.draft(func(b *store.Batch) {
		b.Name, b.AgentID, b.NumberID, b.Region = "Spring", "agent_x", "ap_x", "US"
		b.Target, b.FirstTarget, b.Weight, b.RingTimeout, b.MaxDuration = 7, 5, 3, 25*time.Second, 17*time.Minute
		b.ScheduledAt, b.PausedAt = b.CreatedAt.Add(time.Hour), b.CreatedAt
		b.UpdatedAt = b.CreatedAt.Add(time.Microsecond)
		b.Key, b.KeyUntil, b.Fingerprint, b.RetryKey = "key", b.CreatedAt.Add(time.Minute), "sha256:00", "retry"
	})
	got, err := f.CreateBatch(f.ctx, draft, people(3))
	f.ok(err)
	if got.Rev <= 0 {
		f.Fatalf("revision %d, want a positive one", got.Rev)
	}
	draft.Counts, draft.Rev = fsm.Counts{Queued: 3}, got.Rev
	f.equal("CreateBatch returns", got, draft)
	f.equal("Batch returns", f.again(draft), draft)
}

func countsAndRevOfTheDraftAreIgnored(f *fixture) {
	got := f.batch(2, func(b *store.Batch) { b.Counts, b.Rev = fsm.Counts{Completed: 9, Unplaced: 2}, 1<<40 })
	f.equal("counts", got.Counts, fsm.Counts{Queued: 2})
	if got.Rev >= 1<<40 {
		f.Fatalf("revision %d is the draft's", got.Rev)
	}
}

func createdRecipientsAreQueuedInOrder(f *fixture) {
	b := f.batch(3)
	got := f.recipients(b)
	f.equal("recipients", len(got), 3)
	for i, given := range people(3) {
		f.equal("recipient", got[i], store.Recipient{
			Org: org, BatchID: b.ID, Index: i, To: given.To, Metadata: given.Metadata,
			CreatedAt: b.CreatedAt, UpdatedAt: b.CreatedAt, Rev: got[i].Rev,
		})
		batchID, index, err := store.ParseRecipientID(got[i].ID())
		f.ok(err)
		f.equal("batch in the recipient's id", batchID, b.ID)
		f.equal("index in the recipient's id", index, i)
	}
}

func whatIsGivenIsNotKept(f *fixture) {
	given := people(2)
	b, err := f.CreateBatch(f.ctx, f.draft(), given)
	f.ok(err)
	given[0].To, given[1] = "+14155559999", store.NewRecipient{}
	f.equal("first callee", f.recipient(b, 0).To, people(2)[0].To)
	f.equal("second callee", f.recipient(b, 1).To, people(2)[1].To)
}

func zeroFieldsStayZero(f *fixture) {
	now := f.tick()
	draft := f.draft(func(b *store.Batch) {
		*b = store.Batch{Org: org, ID: b.ID, Target: 1, Weight: 1, CreatedAt: now, UpdatedAt: now}
	})
	got, err := f.CreateBatch(f.ctx, draft, []store.NewRecipient{{To: from}})
	f.ok(err)
	draft.Counts, draft.Rev = fsm.Counts{Queued: 1}, got.Rev
	f.equal("batch", f.again(draft), draft)
	if r := f.recipient(draft, 0); r.Metadata != nil {
		f.Fatalf("metadata %q, want nil", r.Metadata)
	}
}

func sameIDTwiceReturnsTheFirst(f *fixture) {
	first := f.batch(2)
	second := f.draft(func(b *store.Batch) { b.ID, b.Name = first.ID, "another" })
	got, err := f.CreateBatch(f.ctx, second, people(5))
	f.ok(err)
	f.equal("the second CreateBatch returns", got, first)
	f.equal("the batch", f.again(first), first)
	f.equal("recipients", len(f.recipients(first)), 2)
}
