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
		{"ReopenedStoreHasMovesAndTries", h.reopenedStoreHasMovesAndTries},
		{"ReopenedStoreHasAdoptions", h.reopenedStoreHasAdoptions},
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

// reopener returns what closes the store of a rule and goes on with another one over the same data.
func (h Harness) reopener(f *fixture) (reopen func()) {
	f.Helper()
	t, ok := f.TB.(*testing.T)
	if h.Reopen == nil || !ok {
		f.Skip("the store does not outlive itself")
	}
	return func() { f.Store = h.Reopen(t, f.Store) }
}

func (h Harness) reopenedStoreHasEverything(f *fixture) {
	reopen := h.reopener(f)
	node, waiting := f.node(), f.batch(3)
	b, calls := f.ended(node, func(b *store.Batch) { b.FirstTarget = 9 })
	f.change(waiting, retryUnder("k"))
	f.do(waiting, store.ActionPause)
	batches, feed, all := f.batches(store.BatchQuery{}), f.since(0), f.calls(store.CallQuery{})
	f.leave(node)
	reopen()
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

func (h Harness) reopenedStoreHasMovesAndTries(f *fixture) {
	reopen := h.reopener(f)
	node, b := f.node(), f.batch(3)
	calls := f.claim(node, b, 3)
	f.happen(node,
		f.accepted(calls[0], "CA1"), f.moved(calls[0], "carrier_2"), f.accepted(calls[0], "CA2"),
		f.moved(calls[1], "carrier_2"), tried(calls[2], f.refusals(3)...))
	all := f.calls(store.CallQuery{})
	f.leave(node)
	reopen()
	f.equal("calls", f.calls(store.CallQuery{}), all)
	next := f.node()
	f.equal("adopted", len(f.adopt(next, 10)), 3)
	f.happen(next, f.moved(calls[1], "carrier_3"))
	f.equal("carrier", f.call(calls[1]).Carrier, "carrier_3")
}

// What was adopted, and by whom, cannot be derived from anything else: the carriers and the leases
// of that time are gone.
func (h Harness) reopenedStoreHasAdoptions(f *fixture) {
	reopen := h.reopener(f)
	first, a, b := f.nodeWith("a", "b"), f.batch(7), f.batch(7, of(other))
	for _, one := range []store.Batch{a, b} {
		moved := f.claimOver(first, one, "b")
		f.advance(store.Step{Org: one.Org, Owner: first, Events: []store.Event{f.moved(moved, "c")}})
		for range 3 {
			f.claimOver(first, one, "a")
			f.claimOver(first, one, "b")
		}
	}
	f.leave(first)
	second := f.nodeWith("b")
	if !h.OneNode {
		f.nodeWith("a", "c") // which leaves it what it has
	}
	f.equal("adopted", len(f.adopt(second, 4)), 4)
	owners := func() map[string]string {
		out := map[string]string{}
		for _, org := range []string{org, other} {
			calls, err := f.Calls(f.ctx, store.CallQuery{Org: org})
			f.ok(err)
			for _, c := range calls {
				out[org+c.ID] = c.Owner
			}
		}
		return out
	}
	want := owners()
	for _, n := range f.nodeList() {
		if !n.Lapsed {
			f.leave(n.ID)
		}
	}
	reopen()
	f.equal("owners", owners(), want)
	f.equal("adopted after that", len(f.adopt(f.nodeWith("a"), 100)), 14)
}

func adoptedCalls(list []store.Claimed) []store.Call { return callsOf(store.Advanced{Claimed: list}) }
