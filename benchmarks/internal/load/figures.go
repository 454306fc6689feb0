package load

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// MostAtOnce is the most calls that were in progress together.
func MostAtOnce(spans []Span) int {
	begins, ends := edges(spans)
	most, done := 0, 0
	for i, begin := range begins {
		for ends[done] <= begin {
			done++
		}
		most = max(most, i+1-done)
	}
	return most
}

// edges are the times at which calls begin and end, each in order.
func edges(spans []Span) (begins, ends []time.Duration) {
	for _, s := range spans {
		begins, ends = append(begins, s.Begin), append(ends, s.End)
	}
	slices.Sort(begins)
	slices.Sort(ends)
	return begins, ends
}

// Utilisation is the share of the slots' time, between the first and the last begin of a call, that calls were to
// take: all the while there was a call for every slot. What timers were late by is time lost, since a contender that
// keeps the machine busy would gain by it. held is the share that calls took with that.
func Utilisation(spans []Span, slots int) (asked, held float64) {
	begins, _ := edges(spans)
	from, to := begins[0], begins[len(begins)-1]
	if to == from {
		return 1, 1
	}
	all := float64(time.Duration(slots) * (to - from))
	var sum, sumHeld time.Duration
	for _, s := range spans {
		sumHeld += s.within(from, to)
		s.End = min(s.End, s.Begin+s.Asked)
		sum += s.within(from, to)
	}
	return float64(sum) / all, float64(sumHeld) / all
}

// within is how much of the call there was between two moments.
func (s Span) within(from, to time.Duration) time.Duration {
	return max(0, min(s.End, to)-max(s.Begin, from))
}

// LastEnd is when the last call was over.
func LastEnd(spans []Span) time.Duration {
	return slices.MaxFunc(spans, func(a, b Span) int { return cmp.Compare(a.End, b.End) }).End
}

// HandOvers are the times, ascending, from a slot's end of one call to its next begin. The first end frees
// the slot of the first begin that had to wait, and so on, whichever goroutine it is.
func HandOvers(spans []Span, slots int) []time.Duration {
	begins, ends := edges(spans)
	var out []time.Duration
	for i := slots; i < len(begins); i++ {
		out = append(out, begins[i]-ends[i-slots])
	}
	slices.Sort(out)
	return out
}

// Quantile of times that ascend; 0 for none.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// Jain is Jain's index of fairness between shares (Jain, Chiu and Hawe, DEC-TR-301, 1984): 1 where all are
// the same, 1/n where one has everything.
func Jain(shares []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// Shares are the times that the slots spent on each batch between two moments.
func Shares(spans []Span, batches int, from, to time.Duration) []float64 {
	out := make([]float64, batches)
	for _, s := range spans {
		out[s.Batch] += float64(s.within(from, to))
	}
	return out
}

// Backlogged is from when to when every batch has calls that wait: all are queued before the first begin of any
// call, and the first batch to have none left has begun its last one.
func Backlogged(spans []Span, batches int) (from, to time.Duration) {
	last := make([]time.Duration, batches)
	from = spans[0].Begin
	for _, s := range spans {
		from, last[s.Batch] = min(from, s.Begin), max(last[s.Batch], s.Begin)
	}
	return from, slices.Min(last)
}

// Ideal is how long calls of these lengths take over that many slots where no time is lost between
// them and each goes to the first slot that is free.
func Ideal(lengths []time.Duration, slots int) time.Duration {
	free := make(slotTimes, slots)
	for _, d := range lengths {
		free[0] += d
		heap.Fix(free, 0)
	}
	return slices.Max(free)
}

type slotTimes []time.Duration

func (s slotTimes) Len() int           { return len(s) }
func (s slotTimes) Less(i, j int) bool { return s[i] < s[j] }
func (s slotTimes) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s slotTimes) Push(any)           {} // there are always as many
func (s slotTimes) Pop() any           { return nil }
