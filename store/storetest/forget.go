package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/outdial/outdial/store"
)

func (h Harness) forgetRules() []rule {
	return []rule{
		{"NodeThatNeverOwnedACallIsForgotten", h.forgets(nodeThatNeverOwnedACallIsForgotten)},
		{"NodeIsRememberedForItsTime", h.forgets(nodeIsRememberedForItsTime)},
		{"NodeThatOwnsCallsIsRemembered", h.forgets(nodeThatOwnsCallsIsRemembered)},
		{"OwnersOfEndedCallsAreRemembered", h.forgets(ownersOfEndedCallsAreRemembered)},
	}
}

// forgets is for rules about what time takes away. later lets time pass, and a node begin and end, so that the store
// has something to do.
func (h Harness) forgets(check func(f *fixture, later func(time.Duration))) func(*fixture) {
	return func(f *fixture) {
		t, ok := f.TB.(*testing.T)
		if h.Later == nil || !ok {
			f.Skip("nobody can let time pass for the store")
		}
		check(f, func(by time.Duration) {
			h.Later(t, f.Store, by)
			f.leave(f.node())
		})
	}
}

const long = store.NodeRetention + 2*lease

// forgotten says whether the id of a node that has no lease is as new: if so, it has one then.
func (f *fixture) forgotten(node string) bool {
	return f.Heartbeat(f.ctx, store.Node{ID: node}, lease) == nil
}

func nodeThatNeverOwnedACallIsForgotten(f *fixture, later func(time.Duration)) {
	node := f.node()
	f.advance(store.Step{Owner: node, Claims: []store.Claim{f.claimOf(f.batch(1, target(0)), 1)}})
	f.leave(node)
	later(long)
	f.eventually(node+" is forgotten", func() bool { return f.forgotten(node) })
	f.equal("claimed by the one that has its id", len(f.claim(node, f.batch(1), 1)), 1)
	f.leave(node)
	later(long)
	if f.forgotten(node) {
		f.Fatalf("%s is forgotten, which owns a call", node)
	}
}

func nodeIsRememberedForItsTime(f *fixture, later func(time.Duration)) {
	node := f.node()
	f.leave(node)
	later(store.NodeRetention / 2)
	later(0)
	if f.forgotten(node) {
		f.Fatalf("%s is forgotten too soon", node)
	}
}

func nodeThatOwnsCallsIsRemembered(f *fixture, later func(time.Duration)) {
	node, b := f.node(), f.batch(4)
	calls := f.claim(node, b, 2)
	f.leave(node)
	// Those that never did are forgotten, which shows that the store has looked.
	idle := f.node()
	f.leave(idle)
	later(long)
	f.eventually(idle+" is forgotten", func() bool { return f.forgotten(idle) })
	f.leave(idle)
	f.equal("calls of the node", f.calls(store.CallQuery{InFlight: true, Owner: node}), []store.Call{calls[1], calls[0]})
	next := f.node()
	f.equal("adopted", callIDs(adoptedCalls(f.adopt(next, 10))), callIDs(calls))
	f.leave(next)
	later(long)
	f.equal("calls of who adopted", len(f.calls(store.CallQuery{InFlight: true, Owner: next})), 2)
	if f.forgotten(next) {
		f.Fatalf("%s is forgotten, which owns calls", next)
	}
	third := f.node()
	f.equal("adopted from who adopted", callIDs(adoptedCalls(f.adopt(third, 10))), callIDs(calls))
	f.happen(third, f.completed(calls[0]))
}

func ownersOfEndedCallsAreRemembered(f *fixture, later func(time.Duration)) {
	var want []store.Call
	for range 3 {
		node := f.node()
		call := f.claim(node, f.batch(1), 1)[0]
		f.happen(node, f.completed(call))
		want = append([]store.Call{f.call(call)}, want...)
		f.leave(node)
	}
	for i := range 2 {
		later(long)
		f.equal(fmt.Sprintf("calls, %d times later", i+1), f.calls(store.CallQuery{}), want)
	}
}
