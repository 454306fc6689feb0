package storetest

import "github.com/outdial/outdial/store"

func lapsedRules() []rule {
	return []rule{
		{"ExpiredNodeIsListedWithItsCalls", expiredNodeIsListedWithItsCalls},
		{"NodeThatLeftIsListedWithItsCalls", nodeThatLeftIsListedWithItsCalls},
		{"ExpiredNodeIsListedUntilTheLastIsAdopted", expiredNodeIsListedUntilTheLastIsAdopted},
	}
}

// listed returns the node of that id among those that are listed, and how many of them there are.
func (f *fixture) listed(id string) (n store.Node, times int) {
	f.Helper()
	for _, one := range f.nodeList() {
		if one.ID == id {
			n, times = one, times+1
		}
	}
	return n, times
}

// lapsed expects the node to be listed, its lease over, with all that it told.
func (f *fixture) lapsed(told store.Node) {
	f.Helper()
	n, times := f.listed(told.ID)
	f.equal("times that a node is listed which left calls behind", times, 1)
	f.equal("lapsed", n.Lapsed, true)
	f.equal("its carriers", n.Carriers, told.Carriers)
	f.equal("its shares", n.Shares, told.Shares)
	f.equal("its regions", n.Regions, told.Regions)
}

// telling is a node with a lease that tells of its carriers.
func (f *fixture) telling() store.Node {
	f.Helper()
	n := f.beat(f.node())
	n.Regions, n.Carriers, n.Shares, n.Lapsed = []string{"EU"}, []string{"fake", "else"}, []int{500_000, 7, 3}, true
	f.mu.Lock()
	f.beats[n.ID] = n
	f.mu.Unlock()
	f.ok(f.Heartbeat(f.ctx, n, lease))
	return n
}

func expiredNodeIsListedWithItsCalls(f *fixture) {
	n, b := f.telling(), f.batch(3)
	call := f.claim(n.ID, b, 1)[0]
	got, _ := f.listed(n.ID)
	f.equal("lapsed, while its lease runs", got.Lapsed, false)
	f.expire(n.ID)
	f.lapsed(n)

	next := f.node()
	got, _ = f.listed(next)
	f.equal("lapsed, of the next one", got.Lapsed, false)
	f.lapsed(n)
	f.equal("adopted", adoptedCalls(f.adopt(next, 10))[0].ID, call.ID)
	_, times := f.listed(n.ID)
	f.equal("times that a node is listed whose calls were taken over", times, 0)
	f.expire(next)
	got, times = f.listed(next)
	f.equal("times that one is listed which took calls over and whose lease ran out", times, 1)
	f.equal("lapsed, of one that took calls over", got.Lapsed, true)
}

func nodeThatLeftIsListedWithItsCalls(f *fixture) {
	n, b := f.telling(), f.batch(2)
	calls := f.claim(n.ID, b, 2)
	f.happen(n.ID, f.completed(calls[0]))
	n.Shares = []int{250_000, 0, 0}
	f.ok(f.Heartbeat(f.ctx, n, 0))
	f.lapsed(n)
}

func expiredNodeIsListedUntilTheLastIsAdopted(f *fixture) {
	n, b, there := f.telling(), f.batch(2), f.batch(2, of(other))
	f.claim(n.ID, b, 2)
	f.claim(n.ID, there, 2)
	f.expire(n.ID)
	next := f.node()
	for left := 4; left > 0; {
		f.lapsed(n)
		left -= len(f.adopt(next, 1))
	}
	_, times := f.listed(n.ID)
	f.equal("times that a node is listed whose last call was taken over", times, 0)
	got, _ := f.listed(next)
	f.equal("lapsed, of who took them over", got.Lapsed, false)
}
