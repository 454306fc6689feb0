package storetest

import (
	"cmp"
	"slices"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func revisionRules() []rule {
	return []rule{
		{"RevisionsAscendFromWriteToWrite", revisionsAscendFromWriteToWrite},
		{"AdvanceTellsTheRevisionBeforeAndAfter", advanceTellsTheRevisionBeforeAndAfter},
		{"StepWithoutEffectHasNoRevision", stepWithoutEffectHasNoRevision},
		{"FeedHasWhatChangedAndNothingElse", feedHasWhatChangedAndNothingElse},
		{"FeedPagesMissNothing", feedPagesMissNothing},
		{"FeedTakesFilters", feedTakesFilters},
		{"FeedOfOneBatchHasItsRecipients", feedOfOneBatchHasItsRecipients},
		{"BatchFeedIsByRevision", batchFeedIsByRevision},
		{"ActiveTellsTheLatestRevision", activeTellsTheLatestRevision},
	}
}

func (f *fixture) since(rev int64) []store.Recipient {
	f.Helper()
	got, err := f.Recipients(f.ctx, store.RecipientQuery{Org: org, ByRev: true, AfterRev: rev})
	f.ok(err)
	return got
}

func revisionsAscendFromWriteToWrite(f *fixture) {
	node, a := f.node(), f.batch(2)
	b := f.batch(2)
	if b.Rev <= a.Rev+2 {
		f.Fatalf("a batch of two has revision %d after one with %d: its recipients have none of their own", b.Rev, a.Rev)
	}
	call := f.claim(node, a, 1)[0]
	claimed := f.again(a).Rev
	f.happen(node, f.completed(call))
	ended := f.again(a).Rev
	cancelled := f.do(b, store.ActionCancel).Rev
	if !slices.IsSorted([]int64{b.Rev, claimed, ended, cancelled}) || claimed == ended {
		f.Fatalf("revisions %d, %d, %d, %d do not ascend", b.Rev, claimed, ended, cancelled)
	}
}

func advanceTellsTheRevisionBeforeAndAfter(f *fixture) {
	node, a := f.node(), f.batch(2)
	b := f.batch(2)
	got := f.claimWithin(node, many, 1, a, b)
	f.equal("revision before", got.PrevRev, b.Rev)
	f.equal("revision after", got.Rev, max(f.again(a).Rev, f.again(b).Rev))
	next := f.happen(node, f.completed(got.Claimed[0].Call))
	f.equal("revision before the next", next.PrevRev, got.Rev)
	paused := f.do(b, store.ActionPause)
	f.equal("another writer's revision", f.advance(store.Step{Owner: node}).PrevRev, paused.Rev)
}

func stepWithoutEffectHasNoRevision(f *fixture) {
	node, b := f.node(), f.batch(2)
	before := f.do(b, store.ActionPause)
	got := f.claimWithin(node, many, 1, b)
	f.equal("revision", got.Rev, before.Rev)
	f.equal("revision before", got.PrevRev, before.Rev)
	f.equal("batches of the step", got.Batches, []store.Batch{before})
}

func feedHasWhatChangedAndNothingElse(f *fixture) {
	node, a, b := f.node(), f.batch(3), f.batch(3)
	f.claim(node, a, 1)
	known := f.again(a).Rev
	f.equal("nothing since", len(f.since(known)), 0)
	call := f.claim(node, b, 2)[1]
	f.happen(node, f.busy(call))
	got := f.since(known)
	f.equal("changed since", len(got), 2)
	f.equal("first", got[0], f.recipient(b, 0))
	f.equal("second", got[1], f.recipient(b, 1))
	f.do(a, store.ActionCancel)
	f.equal("changed by the cancel", len(f.since(got[1].Rev)), 2)
}

func feedPagesMissNothing(f *fixture) {
	node, a, b := f.node(), f.batch(5), f.batch(6)
	f.claim(node, b, 3)
	f.claim(node, a, 2)
	var rev int64
	var got []store.Recipient
	for {
		page, err := f.Recipients(f.ctx, store.RecipientQuery{Org: org, ByRev: true, AfterRev: rev, Limit: 3})
		f.ok(err)
		if len(page) == 0 {
			break
		}
		if len(page) > 3 {
			f.Fatalf("a page of %d", len(page))
		}
		got = append(got, page...)
		rev = page[len(page)-1].Rev
	}
	f.equal("all pages", got, f.since(0))
	f.equal("recipients", len(got), 11)
}

func feedTakesFilters(f *fixture) {
	node, b := f.node(), f.batch(6)
	calls := f.claim(node, b, 4)
	f.happen(node, f.busy(calls[3]), f.completed(calls[1]))
	got, err := f.Recipients(f.ctx, store.RecipientQuery{
		Org: org, ByRev: true, NoMetadata: true, Limit: 1, Statuses: []fsm.RecipientStatus{fsm.Completed, fsm.Failed},
	})
	f.ok(err)
	want := f.recipient(b, 3)
	want.Metadata = nil
	f.equal("first of those ended", got, []store.Recipient{want})
}

func feedOfOneBatchHasItsRecipients(f *fixture) {
	node, a, b := f.node(), f.batch(3), f.batch(3)
	f.claim(node, b, 1)
	f.claim(node, a, 2)
	got, err := f.Recipients(f.ctx, store.RecipientQuery{Org: org, BatchID: a.ID, ByRev: true})
	f.ok(err)
	want := f.recipients(a)
	slices.SortFunc(want, func(a, b store.Recipient) int { return cmp.Compare(a.Rev, b.Rev) })
	f.equal("feed of the batch", got, want)
	got, err = f.Recipients(f.ctx, store.RecipientQuery{Org: org, BatchID: a.ID, ByRev: true, AfterRev: f.again(b).Rev})
	f.ok(err)
	f.equal("feed since the other's claim", len(got), 2)
}

func batchFeedIsByRevision(f *fixture) {
	a, b, c := f.batch(1), f.batch(1), f.batch(1)
	f.do(a, store.ActionPause)
	got := f.batches(store.BatchQuery{ByRev: true, AfterRev: b.Rev})
	f.equal("changed since", batchIDs(got), []string{c.ID, a.ID})
	first := f.batches(store.BatchQuery{ByRev: true, AfterRev: b.Rev, Limit: 1})
	f.equal("the first of them", batchIDs(first), []string{c.ID})
	f.equal("since the beginning", batchIDs(f.batches(store.BatchQuery{ByRev: true})), []string{b.ID, c.ID, a.ID})
}

func activeTellsTheLatestRevision(f *fixture) {
	b := f.batch(1)
	f.equal("active", f.active(), []store.ActiveOrg{{Org: org, Rev: b.Rev}})
	paused := f.do(b, store.ActionPause)
	f.equal("active after a change", f.active(), []store.ActiveOrg{{Org: org, Rev: paused.Rev}})
	f.equal("active after none", f.active(), []store.ActiveOrg{{Org: org, Rev: f.do(b, store.ActionPause).Rev}})
}

func (f *fixture) active() []store.ActiveOrg {
	f.Helper()
	got, err := f.Active(f.ctx)
	f.ok(err)
	slices.SortFunc(got, func(a, b store.ActiveOrg) int { return cmp.Compare(a.Org, b.Org) })
	return got
}
