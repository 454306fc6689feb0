package storetest

import (
	"context"
	"io"
	"testing"

	"github.com/outdial/outdial/store"
)

func (h Harness) lifetimeRules() []rule {
	return []rule{
		{"EndedContextGivesUp", endedContextGivesUp},
		{"ClosedStoreSaysSo", closedStoreSaysSo},
		{"ReopenedStoreHasEverything", h.reopenedStoreHasEverything},
	}
}

// everyMethod calls each method once, reading or writing, and returns the errors by its name.
func (f *fixture) everyMethod(ctx context.Context, b store.Batch) map[string]error {
	draft, step := f.draft(), f.step(store.Step{Owner: "node_1", Claims: []store.Claim{f.claimOf(b, 1)}})
	errs := map[string]error{}
	_, errs["CreateBatch"] = f.CreateBatch(ctx, draft, people(1))
	_, errs["Batch"] = f.Batch(ctx, org, b.ID)
	_, errs["Batches"] = f.Batches(ctx, store.BatchQuery{Org: org})
	_, errs["Recipients"] = f.Recipients(ctx, store.RecipientQuery{Org: org, BatchID: b.ID})
	_, errs["Calls"] = f.Calls(ctx, store.CallQuery{Org: org})
	_, errs["Call"] = f.Call(ctx, org, "call_0")
	_, errs["Change"] = f.Change(ctx, org, b.ID, store.Change{Action: store.ActionPause, At: draft.CreatedAt})
	_, errs["Active"] = f.Active(ctx)
	_, errs["Advance"] = f.Advance(ctx, step)
	errs["Heartbeat"] = f.Heartbeat(ctx, store.Node{ID: "node_1"}, lease)
	_, errs["Adopt"] = f.Adopt(ctx, "node_1", 1)
	_, errs["Nodes"] = f.Nodes(ctx)
	return errs
}

func endedContextGivesUp(f *fixture) {
	f.node()
	b := f.batch(2)
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	for method, err := range f.everyMethod(ctx, b) {
		if err == nil {
			f.Errorf("%s did not notice that its context had ended", method)
		}
	}
	f.equal("batch", f.again(b), b)
	f.equal("batches", len(f.batches(store.BatchQuery{})), 1)
}

func closedStoreSaysSo(f *fixture) {
	closer, ok := f.Store.(io.Closer)
	if !ok {
		f.Skip("the store has no Close")
	}
	f.node()
	b := f.batch(2)
	f.orgs = nil // nothing can be audited any more
	f.ok(closer.Close())
	for method, err := range f.everyMethod(f.ctx, b) {
		f.Log(method)
		f.is(err, store.ErrClosed)
	}
	f.orgs = nil
}

func (h Harness) reopenedStoreHasEverything(f *fixture) {
	t, ok := f.TB.(*testing.T)
	if h.Reopen == nil || !ok {
		f.Skip("the store does not outlive itself")
	}
	node, waiting := f.node(), f.batch(3)
	b, calls := f.ended(node, func(b *store.Batch) { b.FirstTarget = 9 })
	f.change(waiting, retryUnder("k"))
	f.do(waiting, store.ActionPause)
	batches, feed, all := f.batches(store.BatchQuery{}), f.since(0), f.calls(store.CallQuery{})
	f.leave(node)
	f.Store = h.Reopen(t, f.Store)
	f.equal("batches", f.batches(store.BatchQuery{}), batches)
	f.equal("recipients", f.since(0), feed)
	f.equal("calls", f.calls(store.CallQuery{}), all)
	next := f.node()
	f.equal("adopted", callIDs(adoptedCalls(f.adopt(next, 10))), []string{calls[3].ID})
	f.equal("claimed", indexes(f.claim(next, b, 5)), []int{4, 5})
	if rev := f.again(b).Rev; rev <= batches[0].Rev {
		f.Fatalf("revision %d after %d: the counter began anew", rev, batches[0].Rev)
	}
}

func adoptedCalls(list []store.Claimed) []store.Call { return callsOf(store.Advanced{Claimed: list}) }
