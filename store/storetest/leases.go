package storetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/store"
)

func (h Harness) leaseRules() []rule {
	rules := []rule{
		{"NodesAreThoseWithALease", nodesAreThoseWithALease},
		{"HeartbeatRenewsTheLease", heartbeatRenewsTheLease},
		{"NodeWithoutALeaseCannotAdvance", nodeWithoutALeaseCannotAdvance},
		{"ExpiredNodeCannotAdvance", expiredNodeCannotAdvance},
		{"ExpiredNodeCannotComeBack", expiredNodeCannotComeBack},
		{"NodeThatLeftCannotAdvance", nodeThatLeftCannotAdvance},
	}
	rules = append(rules, lapsedRules()...)
	if h.OneNode {
		return append(rules, rule{"SecondNodeIsRefused", secondNodeIsRefused})
	}
	return append(rules, rule{"SeveralNodesDialAtOnce", severalNodesDialAtOnce})
}

func (f *fixture) nodeList() []store.Node {
	f.Helper()
	got, err := f.Nodes(f.ctx)
	f.ok(err)
	slices.SortFunc(got, func(a, b store.Node) int { return strings.Compare(a.ID, b.ID) })
	return got
}

// expire makes a node's lease run out by itself.
func (f *fixture) expire(node string) {
	f.Helper()
	f.ok(f.Heartbeat(f.ctx, f.beat(node), time.Millisecond))
	leased := func(n store.Node) bool { return n.ID == node && !n.Lapsed }
	f.eventually("the lease of "+node+" runs out", func() bool { return !slices.ContainsFunc(f.nodeList(), leased) })
}

// eventually waits for what only a clock brings about.
func (f *fixture) eventually(what string, done func() bool) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Fatalf("in vain: %s", what)
		}
	}
}

func nodesAreThoseWithALease(f *fixture) {
	f.equal("nodes", len(f.nodeList()), 0)
	n := store.Node{ID: "node_x", Regions: []string{"EU", "US"}, Carriers: []string{"b", "a", "b"}, StartedAt: f.tick()}
	n.Shares = []int{1_000_000, 0, 7}
	f.ok(f.Heartbeat(f.ctx, n, lease))
	got := f.nodeList()
	f.equal("nodes", len(got), 1)
	if got[0].ExpiresAt.IsZero() || got[0].ExpiresAt.Location() != time.UTC {
		f.Fatalf("ExpiresAt is %s", got[0].ExpiresAt)
	}
	n.ExpiresAt = got[0].ExpiresAt
	f.equal("node", got[0], n)
	got[0].Regions[0], got[0].Carriers[0], got[0].Shares[0] = "XX", "x", 1
	n.Regions[1], n.Carriers[1], n.Shares[1] = "YY", "y", 2
	f.equal("the regions are the store's own", f.nodeList()[0].Regions, []string{"EU", "US"})
	f.equal("the carriers are the store's own", f.nodeList()[0].Carriers, []string{"b", "a", "b"})
	f.equal("the shares are the store's own", f.nodeList()[0].Shares, []int{1_000_000, 0, 7})
	n.Shares = nil
	f.ok(f.Heartbeat(f.ctx, n, lease))
	f.equal("the shares are those of the latest heartbeat", f.nodeList()[0].Shares, []int(nil))
	f.leave("node_x")
	f.equal("nodes after it left", len(f.nodeList()), 0)
}

func heartbeatRenewsTheLease(f *fixture) {
	node := f.node()
	first := f.nodeList()[0].ExpiresAt
	f.ok(f.Heartbeat(f.ctx, f.beat(node), 2*lease))
	if second := f.nodeList()[0].ExpiresAt; second.Sub(first) < lease/2 {
		f.Fatalf("the lease ran until %s and was renewed until %s", first, second)
	}
}

// refused expects ErrNotOwner and nothing written.
func (f *fixture) refused(node string, b store.Batch, events ...store.Event) {
	f.Helper()
	before, recipients := f.again(b), f.recipients(b)
	step := f.step(store.Step{Owner: node, Events: events, Claims: []store.Claim{f.claimOf(b, 1)}})
	_, err := f.Advance(f.ctx, step)
	f.is(err, store.ErrNotOwner)
	_, err = f.Adopt(f.ctx, node, 10)
	f.is(err, store.ErrNotOwner)
	f.equal("batch", f.again(b), before)
	f.equal("recipients", f.recipients(b), recipients)
}

func nodeWithoutALeaseCannotAdvance(f *fixture) {
	f.refused("nobody", f.batch(2))
	f.refused("", f.batch(2))
}

func expiredNodeCannotAdvance(f *fixture) {
	node, b := f.node(), f.batch(2)
	call := f.claim(node, b, 1)[0]
	f.expire(node)
	f.refused(node, b, f.completed(call))
	f.equal("call", f.call(call), call)
}

func expiredNodeCannotComeBack(f *fixture) {
	node := f.node()
	f.expire(node)
	f.is(f.Heartbeat(f.ctx, store.Node{ID: node}, lease), store.ErrNotOwner)
	f.equal("nodes", len(f.nodeList()), 0)
	f.node()
	f.equal("nodes with the next", len(f.nodeList()), 1)
}

func nodeThatLeftCannotAdvance(f *fixture) {
	node, b := f.node(), f.batch(2)
	call := f.claim(node, b, 1)[0]
	f.leave(node)
	f.refused(node, b, f.completed(call))
}

func secondNodeIsRefused(f *fixture) {
	first := f.node()
	f.is(f.Heartbeat(f.ctx, store.Node{ID: "second"}, lease), store.ErrOwned)
	f.ok(f.Heartbeat(f.ctx, store.Node{ID: first}, lease))
	f.leave(first)
	f.ok(f.Heartbeat(f.ctx, store.Node{ID: "third"}, lease))
	f.expire("third")
	f.ok(f.Heartbeat(f.ctx, store.Node{ID: "fourth"}, lease))
}

func severalNodesDialAtOnce(f *fixture) {
	first, second, b := f.node(), f.node(), f.batch(4)
	f.equal("nodes", len(f.nodeList()), 2)
	one, two := f.claim(first, b, 1)[0], f.claim(second, b, 1)[0]
	f.loses(first, b, f.completed(two))
	f.loses(second, b, f.completed(one))
	f.equal("of the first", f.calls(store.CallQuery{InFlight: true, Owner: first}), []store.Call{one})
	f.happen(first, f.completed(one))
	f.happen(second, f.completed(two))
}
