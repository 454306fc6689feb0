package guard

import (
	"sync"
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

// hours counts the calls to each block within the last hour. It is safe for concurrent use.
//
// Blocks that are called stay in the young generation, or come back to it. When that is as old
// as what is counted, or is full, it becomes the old one, and the old one is forgotten: what is in there
// was not called for an hour, or longest.
type hours struct {
	most   int // 0: nothing is counted
	blocks int // most in a generation

	mu     sync.Mutex
	origin time.Time // what steps are counted from
	turned uint32    // the step in which the generations changed
	young  map[uint64][]calls
	old    map[uint64][]calls
}

// calls is how many there were in a step.
type calls struct{ step, n uint32 }

// taken is a call that was counted, to be given back.
type taken struct {
	block uint64
	step  uint32
}

func newHours(most int) *hours { return &hours{most: most, blocks: mostBlocks} }

// take counts a call, unless there have been as many as there may be.
func (h *hours) take(block uint64, now time.Time) (taken, bool) {
	if h.most == 0 {
		return taken{}, true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.stepOf(now)
	h.turn(at)
	recent, sum := h.recent(block, at)
	if sum >= h.most {
		h.young[block] = recent
		return taken{}, false
	}
	if last := len(recent) - 1; last >= 0 && recent[last].step == at {
		recent[last].n++
	} else {
		recent = append(recent, calls{at, 1})
	}
	h.young[block] = recent
	return taken{block, at}, true
}

// stepOf numbers the steps from the first call on, 1 being the first.
func (h *hours) stepOf(now time.Time) uint32 {
	if h.young == nil {
		h.origin, h.turned, h.young = now, 1, map[uint64][]calls{}
	}
	return uint32(max(now.Sub(h.origin)/step, 0)) + 1 //nolint:gosec // it overflows after 8,000 years
}

// window is the steps that count.
const window = uint32(hour/step) + 1

// turn forgets what does not count any more, and what was not called longest where that is too much.
func (h *hours) turn(at uint32) {
	if at < h.turned+window && len(h.young) < h.blocks {
		return
	}
	h.old, h.young, h.turned = h.young, map[uint64][]calls{}, at
}

// recent takes the block's calls that still count out of either generation.
func (h *hours) recent(block uint64, at uint32) (recent []calls, sum int) {
	recent, ok := h.young[block]
	if !ok {
		recent = h.old[block]
		delete(h.old, block)
	}
	for len(recent) > 0 && recent[0].step+window <= at {
		recent = recent[1:]
	}
	for _, c := range recent {
		sum += int(c.n)
	}
	return recent, sum
}

// giveBack takes a call out of the count that was not placed.
func (h *hours) giveBack(t taken) {
	if h.most == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, generation := range []map[uint64][]calls{h.young, h.old} {
		for i, c := range generation[t.block] {
			if c.step == t.step && c.n > 0 {
				generation[t.block][i].n--
				return
			}
		}
	}
}
