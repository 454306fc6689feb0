package batch

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
)

// balancer says over which of a number's carriers the next call goes: by preference, or by weight. The calls of all
// batches from the number count together, whoever talks in them. It is safe for concurrent use.
type balancer struct {
	weights    []int // of the carriers; nil: they are in order of preference
	preference []int // the indexes of all of them

	mu     sync.Mutex
	passed []float64 // calls that each was given, divided by its weight

	routes int // that use it; guarded by balancers.mu
}

func newBalancer(n Number) *balancer {
	b := &balancer{preference: make([]int, len(n.Carriers))}
	for i := range b.preference {
		b.preference[i] = i
	}
	if n.weighted() {
		b.weights, b.passed = n.Weights, make([]float64, len(n.Carriers))
	}
	return b
}

// inOrder appends to order, which is empty, the indexes of the carriers in the order in which they are to be asked:
// that of preference, or the one that has had the fewest calls for its weight first.
func (b *balancer) inOrder(order []int) []int {
	order = append(order, b.preference...)
	if b.weights == nil {
		return order
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Compare(b.passed[i]+1/float64(b.weights[i]), b.passed[j]+1/float64(b.weights[j]))
	})
	return order
}

// gave tells that the carrier at an index was given a call. Those that came before it in the order and took
// none save nothing up for when they do.
func (b *balancer) gave(order []int, at int) {
	if b.weights == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	level := b.passed[at]
	for _, i := range order {
		if i == at {
			break
		}
		b.passed[i] = max(b.passed[i], level)
	}
	b.passed[at] += 1 / float64(b.weights[at])
}

// unused tells that there was no recipient for a call that the carrier at an index was given.
func (b *balancer) unused(at int) {
	if b.weights == nil || at < 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.passed[at] -= 1 / float64(b.weights[at])
}

// balancers are those of an engine, by what makes them differ. One that no batch uses is kept, so that of many
// small batches in a row each goes on where the one before it ended. It is safe for concurrent use.
type balancers struct {
	mu  sync.Mutex
	all map[string]*balancer
}

// keptBalancers is how many are kept, at most, besides those in use.
const keptBalancers = 1000

// use returns the number's, until leave.
func (bs *balancers) use(n Number) *balancer {
	if !n.weighted() {
		return newBalancer(n) // it has nothing to remember
	}
	bs.mu.Lock()
	defer bs.mu.Unlock()
	key := carriersKey(n)
	b := bs.all[key]
	if b == nil {
		bs.makeRoom()
		b = newBalancer(n)
		bs.all[key] = b
	}
	b.routes++
	return b
}

func (bs *balancers) makeRoom() {
	for key, b := range bs.all {
		if len(bs.all) < keptBalancers {
			return
		}
		if b.routes == 0 {
			delete(bs.all, key)
		}
	}
}

func (bs *balancers) leave(b *balancer) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b.routes--
}

func carriersKey(n Number) string { return string(appendCarriersKey(nil, n)) }

// appendCarriersKey appends what the calls from a number leave over: its carriers, their weights and the number itself.
func appendCarriersKey(key []byte, n Number) []byte {
	for _, name := range n.Carriers {
		key = append(append(key, name...), 0)
	}
	if n.weighted() {
		for _, weight := range n.Weights {
			key = append(strconv.AppendInt(key, int64(weight), 10), ' ')
		}
	}
	return append(append(key, 0), n.E164...)
}
