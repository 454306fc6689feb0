package storetest

import (
	"github.com/outdial/outdial/store"
)

const other = "org_2"

func isolationRules() []rule {
	return []rule{
		{"OtherOrganisationSeesNothing", otherOrganisationSeesNothing},
		{"OtherOrganisationChangesNothing", otherOrganisationChangesNothing},
		{"LimitsOfOneOrganisationLeaveAnotherAlone", limitsOfOneOrganisationLeaveAnotherAlone},
		{"KeysOfOneOrganisationLeaveAnotherAlone", keysOfOneOrganisationLeaveAnotherAlone},
		{"IDsOfOneOrganisationLeaveAnotherAlone", idsOfOneOrganisationLeaveAnotherAlone},
		{"RevisionsOfOneOrganisationLeaveAnotherAlone", revisionsOfOneOrganisationLeaveAnotherAlone},
	}
}

func of(org string) func(*store.Batch) { return func(b *store.Batch) { b.Org = org } }

func otherOrganisationSeesNothing(f *fixture) {
	node, b := f.node(), f.batch(2)
	call := f.claim(node, b, 1)[0]
	for _, org := range []string{other, "", "org", "ORG_1", "org_1\x00"} {
		_, err := f.Batch(f.ctx, org, b.ID)
		f.is(err, store.ErrNotFound)
		_, err = f.Call(f.ctx, org, call.ID)
		f.is(err, store.ErrNotFound)
		batches, err := f.Batches(f.ctx, store.BatchQuery{Org: org})
		f.ok(err)
		byRev, err := f.Batches(f.ctx, store.BatchQuery{Org: org, ByRev: true})
		f.ok(err)
		recipients, err := f.Recipients(f.ctx, store.RecipientQuery{Org: org, BatchID: b.ID})
		f.ok(err)
		feed, err := f.Recipients(f.ctx, store.RecipientQuery{Org: org, ByRev: true})
		f.ok(err)
		calls, err := f.Calls(f.ctx, store.CallQuery{Org: org})
		f.ok(err)
		ofBatch, err := f.Calls(f.ctx, store.CallQuery{Org: org, BatchID: b.ID})
		f.ok(err)
		inFlight, err := f.Calls(f.ctx, store.CallQuery{Org: org, InFlight: true, Owner: node})
		f.ok(err)
		f.equal("rows", len(batches)+len(byRev)+len(recipients)+len(feed)+len(calls)+len(ofBatch)+len(inFlight), 0)
	}
}

func otherOrganisationChangesNothing(f *fixture) {
	node, b := f.node(), f.batch(2)
	call := f.claim(node, b, 1)[0]
	before := f.again(b)
	for a := store.ActionCancel; a <= store.ActionHangUp; a++ {
		_, err := f.Change(f.ctx, other, b.ID, store.Change{Action: a, At: f.tick(), CallID: call.ID})
		f.is(err, store.ErrNotFound)
	}
	got := f.advance(store.Step{
		Org: other, Owner: node, Events: []store.Event{f.completed(call)}, Claims: []store.Claim{f.claimOf(b, 1)},
	})
	f.equal("lost", got.Lost, []string{call.ID})
	f.equal("claimed", len(got.Claimed), 0)
	f.equal("batches", len(got.Batches), 0)
	f.equal("batch", f.again(b), before)
	f.equal("call", f.call(call), call)
}

func limitsOfOneOrganisationLeaveAnotherAlone(f *fixture) {
	node, a, b := f.node(), f.batch(3), f.batch(3, of(other))
	f.claim(node, a, 3)
	got := f.advance(store.Step{Org: other, Owner: node, Limit: 2, Claims: []store.Claim{f.claimOf(b, 3)}})
	f.equal("claimed", len(got.Claimed), 2)
	f.equal("in flight", got.InFlight, 2)
}

func keysOfOneOrganisationLeaveAnotherAlone(f *fixture) {
	under := func(b *store.Batch) { b.Key = "k" }
	a, b := f.batch(1, under), f.batch(1, under, of(other))
	if a.ID == b.ID || b.Org != other {
		f.Fatalf("the batch under the key is %s of %s", b.ID, b.Org)
	}
}

func idsOfOneOrganisationLeaveAnotherAlone(f *fixture) {
	node, a := f.node(), f.batch(2)
	b := f.batch(3, of(other), func(b *store.Batch) { b.ID = a.ID })
	f.equal("organisation", b.Org, other)
	f.equal("recipients", len(f.recipients(b)), 3)
	mine := f.claim(node, a, 1)[0]
	claim := f.claimOf(b, 1)
	claim.CallIDs = []string{mine.ID}
	theirs := callsOf(f.advance(store.Step{Org: other, Owner: node, Claims: []store.Claim{claim}}))
	f.equal("claimed under the same id", len(theirs), 1)
	f.happen(node, f.completed(mine))
	f.equal("the other's call", f.call(theirs[0]), theirs[0])
	f.change(a, store.Change{Action: store.ActionCancel})
	f.equal("the other's batch", f.again(b).Counts.Queued, 2)
}

func revisionsOfOneOrganisationLeaveAnotherAlone(f *fixture) {
	node, a := f.node(), f.batch(2)
	b := f.batch(2, of(other))
	f.equal("first revision of each", b.Rev, a.Rev)
	f.claim(node, b, 2)
	f.equal("PrevRev", f.advance(store.Step{Owner: node}).PrevRev, a.Rev)
	f.equal("batch", f.again(a), a)
}
