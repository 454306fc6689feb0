package memory

import "math/bits"

// queue holds the indexes of the queued recipients of one batch as a set of bits: one may
// be put back at any time, the lowest comes out first, and 5,000 take 632 bytes.
type queue struct {
	words []uint64
	low   int // no word below this one has a bit
}

const wordBits = 64

func newQueue(size int) queue { return queue{words: make([]uint64, (size+wordBits-1)/wordBits)} }

func (q *queue) put(index int) {
	word := index / wordBits
	q.words[word] |= 1 << (index % wordBits)
	q.low = min(q.low, word)
}

// pop takes out the lowest index, if there is any.
func (q *queue) pop() (index int, ok bool) {
	for ; q.low < len(q.words); q.low++ {
		if w := q.words[q.low]; w != 0 {
			q.words[q.low] = w & (w - 1)
			return q.low*wordBits + bits.TrailingZeros64(w), true
		}
	}
	return 0, false
}
