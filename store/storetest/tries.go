package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func tryRules() []rule {
	return []rule{
		{"TriesAreReturnedInTheirOrder", triesAreReturnedInTheirOrder},
		{"LaterTriesReplaceThoseBefore", laterTriesReplaceThoseBefore},
		{"EventWithoutTriesLeavesThem", eventWithoutTriesLeavesThem},
		{"TriesAreTheStoresOwn", triesAreTheStoresOwn},
		{"TriesOfOneCallLeaveAnotherAlone", triesOfOneCallLeaveAnotherAlone},
		{"OddTriesAreKept", oddTriesAreKept},
		{"LongTriesAreKept", longTriesAreKept},
		{"OddCarriersAreKept", oddCarriersAreKept},
	}
}

// tried is an event that says nothing but where a call was tried.
func tried(c store.Call, tries ...store.Try) store.Event {
	e := event(c, fsm.Dispatched)
	e.Tries = tries
	return e
}

// refusals are tries at carriers, in no order of their names or times, and some at the same.
func (f *fixture) refusals(n int) []store.Try {
	tries := make([]store.Try, n)
	for i := range tries {
		at := f.tick().Add(-time.Duration(i) * time.Hour)
		tries[i] = store.Try{Carrier: fmt.Sprintf("carrier_%d", (i*7)%5), At: at, Error: fmt.Sprintf("refusal %d", i)}
	}
	return tries
}

// everyTries are the tries of the only call, from every read of it.
func (f *fixture) everyTries(c store.Call) map[string][]store.Try {
	f.Helper()
	out := map[string][]store.Try{"Call": f.call(c).Tries}
	for name, q := range map[string]store.CallQuery{
		"Calls": {}, "Calls of a batch": {BatchID: c.BatchID}, "Calls in flight": {InFlight: true},
		"Calls of an agent": {AgentID: c.AgentID}, "Calls of an owner": {Owner: c.Owner},
	} {
		got := f.calls(q)
		f.equal("number of "+name, len(got), 1)
		out[name] = got[0].Tries
	}
	return out
}

func triesAreReturnedInTheirOrder(f *fixture) {
	node, b := f.node(), f.batch(1)
	step := f.step(store.Step{Owner: node, Claims: []store.Claim{f.claimOf(b, 1)}})
	call := callsOf(f.advance(step))[0]
	for read, tries := range f.everyTries(call) {
		if tries != nil {
			f.Fatalf("%s has tries %+v before there were any, want nil", read, tries)
		}
	}
	want := f.refusals(7)
	f.happen(node, tried(call, want...))
	for read, tries := range f.everyTries(call) {
		f.equal("tries from "+read, tries, want)
	}
	step.Replay = true
	f.equal("tries from a claim again", callsOf(f.advance(step))[0].Tries, want)
	next := f.successor(node)
	f.equal("tries from Adopt", adoptedCalls(f.adopt(next, 1))[0].Tries, want)
	f.happen(next, f.completed(call))
	f.equal("tries when it is over", f.call(call).Tries, want)
}

func laterTriesReplaceThoseBefore(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	for _, n := range []int{1, 2, 5, 3} {
		want := f.refusals(n)
		f.happen(node, tried(call, want...))
		f.equal("tries", f.call(call).Tries, want)
	}
	last := f.refusals(2)
	f.happen(node, tried(call, f.refusals(4)...), tried(call, last...), f.accepted(call, "CA1"))
	f.equal("tries after three events of one step", f.call(call).Tries, last)
}

func eventWithoutTriesLeavesThem(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	want := f.refusals(2)
	f.happen(node, tried(call, want...))
	move, empty := event(call, fsm.Dispatched), event(call, fsm.Dispatched)
	move.Carrier, empty.Tries = "carrier_2", []store.Try{}
	for _, e := range []store.Event{move, empty, f.accepted(call, "CA1"), f.started(call), f.completed(call)} {
		f.happen(node, e)
		f.equal("tries", f.call(call).Tries, want)
	}
}

func triesAreTheStoresOwn(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	want, given := f.refusals(3), make([]store.Try, 3)
	copy(given, want)
	f.happen(node, tried(call, given...))
	clear(given)
	for _, tries := range f.everyTries(call) {
		clear(tries)
	}
	clear(adoptedCalls(f.adopt(f.successor(node), 1))[0].Tries)
	f.equal("tries that the caller has written over", f.call(call).Tries, want)
}

func triesOfOneCallLeaveAnotherAlone(f *fixture) {
	node, b := f.node(), f.batch(3)
	calls := f.claim(node, b, 3)
	one, two := f.refusals(1), f.refusals(2)
	f.happen(node, tried(calls[0], one...), tried(calls[2], two...))
	got := f.calls(store.CallQuery{})
	f.equal("tries", [][]store.Try{got[2].Tries, got[1].Tries, got[0].Tries}, [][]store.Try{one, nil, two})
}

func oddTriesAreKept(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	all := []store.Try{{}} // of which nothing is known
	for _, odd := range oddTexts() {
		want := []store.Try{{Carrier: odd, At: f.tick(), Error: odd}, {Carrier: odd}, {Error: odd}}
		f.happen(node, tried(call, want...))
		f.equal("tries with odd texts", f.call(call).Tries, want)
		all = append(all, want...)
	}
	for _, at := range []time.Time{
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC), time.Unix(0, 0).UTC(),
		time.Date(2262, 4, 12, 0, 0, 0, 1_000, time.UTC), // past what nanoseconds in 64 bits reach
	} {
		all = append(all, store.Try{Carrier: "carrier_1", At: at})
	}
	f.happen(node, tried(call, all...))
	f.equal("tries", f.call(call).Tries, all)
}

func longTriesAreKept(f *fixture) {
	node, b := f.node(), f.batch(1)
	call := f.claim(node, b, 1)[0]
	want := f.refusals(50)
	for i := range want {
		want[i].Error = strings.Repeat("é\x00", i*40) + want[i].Error
		want[i].Carrier += strings.Repeat("-long", i)
	}
	f.happen(node, tried(call, want...))
	f.equal("tries", f.call(call).Tries, want)
	f.happen(node, tried(call, want[:1]...))
	f.equal("tries, but one", f.call(call).Tries, want[:1])
}

func oddCarriersAreKept(f *fixture) {
	node, b := f.node(), f.batch(len(oddTexts()))
	for _, odd := range oddTexts() {
		claim := f.claimOf(b, 1)
		claim.Carrier = odd
		call := callsOf(f.advance(store.Step{Owner: node, Claims: []store.Claim{claim}}))[0]
		f.equal("carrier of a claim", f.call(call).Carrier, odd)
		f.happen(node, f.moved(call, "carrier_2"), f.moved(call, odd))
		f.equal("carrier of a move", f.call(call).Carrier, odd)
	}
	f.leave(node)
	told, _ := f.listed(f.nodeWith(oddTexts()...))
	f.equal("carriers of a node", told.Carriers, oddTexts())
}
