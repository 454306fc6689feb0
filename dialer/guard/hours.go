package guard

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// The hour is counted in steps, of which the oldest counts as a whole. So the limit holds for any
// hour whatever, and a call counts for a step longer at most.
const (
	hour = time.Hour
	step = time.Minute
)

// mostBlocks is how many blocks are remembered in either of two generations. Calls to more than that
// within an hour would be more than 70 a second, each to another block.
const mostBlocks = 1 << 18

// hours counts the calls that were placed to each block within the last hour, and apart from them those that are
// under way. Whoever has it guards it.
//
// Blocks that are called stay in the young generation, or come back to it. When that is as old
// as what is counted, or is full, it becomes the old one, and the old one is forgotten: what is in there
// was not called for an hour, or longest.
type hours struct {
	most int // blocks in a generation

	turned uint32 // the step in which the generations changed
	young  map[uint64][]calls
	old    map[uint64][]calls

	reserved map[uint64]int // by block: calls under way, of which it is not known yet whether they are placed; at least 1
}

// coarser returns the count of blocks that have as many more digits in common to be ignored.
func (h *hours) coarser(digits int) *hours {
	wide := newHours()
	wide.turned, wide.old = h.turned, map[uint64][]calls{}
	by := uint64(math.Pow10(digits))
	for _, pair := range []struct{ from, to map[uint64][]calls }{{h.old, wide.old}, {h.young, wide.young}} {
		for block, recent := range pair.from {
			pair.to[block/by] = append(pair.to[block/by], recent...)
		}
	}
	for block, older := range wide.old { // a block is in one generation
		if younger, ok := wide.young[block]; ok {
			wide.young[block] = append(older, younger...)
			delete(wide.old, block)
		}
	}
	for _, all := range []map[uint64][]calls{wide.old, wide.young} {
		for block, recent := range all {
			all[block] = inSteps(recent)
		}
	}
	for block, n := range h.reserved {
		wide.reserved[block/by] += n
	}
	return wide
}

// inSteps has each step once, in order.
func inSteps(all []calls) []calls {
	slices.SortFunc(all, func(a, b calls) int { return cmp.Compare(a.step, b.step) })
	once := all[:0]
	for _, c := range all {
		if last := len(once) - 1; last >= 0 && once[last].step == c.step {
			once[last].n += c.n
		} else {
			once = append(once, c)
		}
	}
	return once
}

// calls is how many there were in a step. Steps are numbered from 1.
type calls struct{ step, n uint32 }

func newHours() *hours {
	return &hours{most: mostBlocks, young: map[uint64][]calls{}, reserved: map[uint64]int{}}
}

// window is the steps that count.
const window = uint32(hour/step) + 1

// count returns how many calls were placed to the block within the last hour.
func (h *hours) count(block uint64, at uint32) (sum int) {
	for _, c := range h.recent(block, at) {
		sum += int(c.n)
	}
	return sum
}

// add counts a call that was placed.
func (h *hours) add(block uint64, at uint32) {
	recent := h.recent(block, at)
	if last := len(recent) - 1; last >= 0 && recent[last].step == at {
		recent[last].n++
	} else {
		recent = append(recent, calls{at, 1})
	}
	h.young[block] = recent
}

// reserve counts a call that is under way to the carrier.
func (h *hours) reserve(block uint64) { h.reserved[block]++ }

// settle takes a call out of those that are under way.
func (h *hours) settle(block uint64) {
	if h.reserved[block]--; h.reserved[block] == 0 {
		delete(h.reserved, block)
	}
}

// underWay returns how many calls are under way.
func (h *hours) underWay(block uint64) int { return h.reserved[block] }

// recent returns the block's calls that still count, and keeps them in the young generation.
func (h *hours) recent(block uint64, at uint32) []calls {
	if at >= h.turned+window || len(h.young) >= h.most {
		h.old, h.young, h.turned = h.young, map[uint64][]calls{}, at
	}
	recent, ok := h.young[block]
	if !ok {
		recent, ok = h.old[block]
		delete(h.old, block)
	}
	for len(recent) > 0 && recent[0].step+window <= at {
		recent = recent[1:]
	}
	if ok {
		h.young[block] = recent
	}
	return recent
}
