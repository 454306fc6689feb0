package guard

import "time"

// The hour is counted in steps, of which the oldest counts as a whole. So the limit holds for any
// hour whatever, and a call counts for a step longer at most.
const (
	hour = time.Hour
	step = time.Minute
)

// mostBlocks is how many blocks are remembered in either of two generations. Calls to more than that
// within an hour would be more than 70 a second, each to another block.
const mostBlocks = 1 << 18

// hours counts the calls to each block within the last hour. Whoever has it guards it.
//
// Blocks that are called stay in the young generation, or come back to it. When that is as old
// as what is counted, or is full, it becomes the old one, and the old one is forgotten: what is in there
// was not called for an hour, or longest.
type hours struct {
	most int // blocks in a generation

	turned uint32 // the step in which the generations changed
	young  map[uint64][]calls
	old    map[uint64][]calls
}

// calls is how many there were in a step. Steps are numbered from 1.
type calls struct{ step, n uint32 }

func newHours() *hours { return &hours{most: mostBlocks, young: map[uint64][]calls{}} }

// window is the steps that count.
const window = uint32(hour/step) + 1

// count returns how many calls there were to the block within the last hour.
func (h *hours) count(block uint64, at uint32) (sum int) {
	for _, c := range h.recent(block, at) {
		sum += int(c.n)
	}
	return sum
}

// add counts a call to the block.
func (h *hours) add(block uint64, at uint32) {
	recent := h.recent(block, at)
	if last := len(recent) - 1; last >= 0 && recent[last].step == at {
		recent[last].n++
	} else {
		recent = append(recent, calls{at, 1})
	}
	h.young[block] = recent
}

// remove takes a call out of the count.
func (h *hours) remove(block uint64, step uint32) {
	for _, generation := range []map[uint64][]calls{h.young, h.old} {
		for i, c := range generation[block] {
			if c.step == step && c.n > 0 {
				generation[block][i].n--
				return
			}
		}
	}
}

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
