package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/outdial/outdial/store"
)

func beatRules() []rule {
	return []rule{
		{"LateHeartbeatChangesNothing", lateHeartbeatChangesNothing},
		{"LateHeartbeatIsNoError", lateHeartbeatIsNoError},
		{"LateHeartbeatDoesNotReviveANode", lateHeartbeatDoesNotReviveANode},
		{"LateGoodbyeIsNotHeard", lateGoodbyeIsNotHeard},
		{"BeatsOfNodesAreApart", beatsOfNodesAreApart},
		{"ConcurrentHeartbeatsEndWithTheLatest", concurrentHeartbeatsEndWithTheLatest},
		{"NodesThatBeginAtOnceHaveWhatTheyAreTold", nodesThatBeginAtOnceHaveWhatTheyAreTold},
		{"WhoGivesUpWhatItNeverHadHasNone", whoGivesUpWhatItNeverHadHasNone},
	}
}

func beat(node string, n int64, carriers ...string) store.Node {
	return store.Node{ID: node, Beat: n, Carriers: carriers, Shares: make([]int, len(carriers))}
}

// only is the one node that has a lease.
func (f *fixture) only() store.Node {
	f.Helper()
	nodes := f.nodeList()
	f.equal("nodes", len(nodes), 1)
	return nodes[0]
}

func lateHeartbeatChangesNothing(f *fixture) {
	for _, n := range []store.Node{beat("node", 1, "a"), beat("node", 4, "b", "c")} {
		f.ok(f.Heartbeat(f.ctx, n, lease))
	}
	want := f.only()
	f.equal("beat", want.Beat, int64(4))
	late := store.Node{
		ID: "node", Beat: 3, Regions: []string{"EU"}, Carriers: []string{"z"}, Shares: []int{9}, StartedAt: f.tick(),
	}
	f.ok(f.Heartbeat(f.ctx, late, 2*lease))
	f.equal("the node after a late heartbeat", f.only(), want)
	for _, n := range []int64{4, 5, 1 << 40} { // the same once more, the next, and any after that
		f.ok(f.Heartbeat(f.ctx, beat("node", n, "d"), lease))
		f.equal("carriers of a heartbeat in time", f.only().Carriers, []string{"d"})
		f.equal("beat", f.only().Beat, n)
	}
}

func lateHeartbeatIsNoError(f *fixture) {
	b := f.batch(9)
	for _, n := range []int64{7, 6, 0, 7} {
		f.ok(f.Heartbeat(f.ctx, beat("node", n), lease))
		f.equal("claimed after it", len(f.claim("node", b, 1)), 1)
	}
}

func lateHeartbeatDoesNotReviveANode(f *fixture) {
	f.ok(f.Heartbeat(f.ctx, beat("node", 5), lease))
	f.ok(f.Heartbeat(f.ctx, beat("node", 6), 0))
	for _, n := range []int64{5, 6, 7} {
		f.is(f.Heartbeat(f.ctx, beat("node", n), lease), store.ErrNotOwner)
	}
	f.equal("nodes", len(f.nodeList()), 0)
}

func lateGoodbyeIsNotHeard(f *fixture) {
	f.ok(f.Heartbeat(f.ctx, beat("node", 5), lease))
	f.ok(f.Heartbeat(f.ctx, beat("node", 4), 0))
	f.equal("claimed after a late good-bye", len(f.claim("node", f.batch(1), 1)), 1)
	f.equal("beat", f.only().Beat, int64(5))
}

func beatsOfNodesAreApart(f *fixture) {
	f.ok(f.Heartbeat(f.ctx, beat("first", 9), lease))
	f.leaveAt("first", 10)
	f.ok(f.Heartbeat(f.ctx, beat("second", 1), lease))
	f.ok(f.Heartbeat(f.ctx, beat("second", 2, "a"), lease))
	f.equal("carriers", f.only().Carriers, []string{"a"})
}

func (f *fixture) leaveAt(node string, n int64) {
	f.Helper()
	f.ok(f.Heartbeat(f.ctx, beat(node, n), 0))
}

// All of them are under way at once, in whatever order.
func concurrentHeartbeatsEndWithTheLatest(f *fixture) {
	const rounds, each = 20, 5
	f.ok(f.Heartbeat(f.ctx, beat("node", 1), lease))
	for round := range int64(rounds) {
		var all sync.WaitGroup
		for i := range int64(each) {
			n := beat("node", 2+round*each+i, "a")
			n.Shares[0] = int(n.Beat)
			all.Go(func() {
				if err := f.Heartbeat(f.ctx, n, lease+time.Duration(i)*time.Minute); err != nil {
					f.Errorf("heartbeat %d: %v", n.Beat, err)
				}
			})
		}
		all.Wait()
		f.equal("the share that was told last", f.only().Shares, []int{int(1 + (round+1)*each)})
	}
}

// Where the store admits one node, others are told so; whoever is not told has a lease.
func nodesThatBeginAtOnceHaveWhatTheyAreTold(f *fixture) {
	const rounds = 30
	for round := range rounds {
		names := [...]string{fmt.Sprint("left", round), fmt.Sprint("right", round)}
		var told [len(names)]error
		var all sync.WaitGroup
		for i, name := range names {
			all.Go(func() { told[i] = f.Heartbeat(f.ctx, beat(name, 1), lease) })
		}
		all.Wait()
		granted := 0
		for i, name := range names {
			if told[i] != nil {
				f.is(told[i], store.ErrOwned)
				continue
			}
			granted++
			_, err := f.Advance(f.ctx, store.Step{Org: org, Owner: name, Now: f.tick(), Limit: 1})
			f.ok(err)
		}
		for i, name := range names {
			if told[i] == nil {
				f.leaveAt(name, 2)
			}
		}
		if granted == 0 {
			f.Fatalf("neither of two nodes was given a lease: %v", told)
		}
	}
}

func whoGivesUpWhatItNeverHadHasNone(f *fixture) {
	f.leaveAt("node", 1)
	f.is(f.Heartbeat(f.ctx, beat("node", 2), lease), store.ErrNotOwner)
	f.equal("nodes", len(f.nodeList()), 0)
}
