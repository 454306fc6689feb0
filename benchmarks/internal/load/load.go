// Package load is the work that every contender is given alike, and the clock that it is watched with.
package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// Load is batches of calls, all of them queued before the first one begins.
type Load struct {
	Batches []Batch // in the order of their creation
	Slots   int     // most calls at once
}

// Batch is a batch of calls.
type Batch struct {
	Lengths []time.Duration // of its calls, in their order
	Limit   int             // most of its calls at once
}

// Total is the number of calls.
func (l Load) Total() int {
	n := 0
	for _, b := range l.Batches {
		n += len(b.Lengths)
	}
	return n
}

// Uniform returns n lengths between least and most, the same ones for the same seed.
func Uniform(n int, least, most time.Duration, seed uint64) []time.Duration {
	random := rand.NewPCG(seed, 0)
	span := float64(most - least)
	out := make([]time.Duration, n)
	for i := range out {
		const all = 1 << 64
		out[i] = least + time.Duration(span*float64(random.Uint64())/all)
	}
	return out
}

// Split makes batches of at most size calls of the lengths.
func Split(lengths []time.Duration, size, limit int) []Batch {
	var out []Batch
	for part := range slices.Chunk(lengths, size) {
		out = append(out, Batch{Lengths: part, Limit: limit})
	}
	return out
}

// Watch makes the calls of a load and writes down when each began and ended.
type Watch struct {
	Load  Load
	zero  time.Time
	first []int // place of each batch's first call in spans
	spans []Span
	calls []atomic.Int32
	left  atomic.Int64
	done  chan struct{}
}

// Span is a call: when it began and ended, since the watch was made.
type Span struct {
	Batch      int
	Begin, End time.Duration
	Asked      time.Duration // how long it was to take: timers are late, by more on a busy machine
}

// NewWatch returns a watch for a load.
func NewWatch(l Load) *Watch {
	n := l.Total()
	w := &Watch{
		Load: l, zero: time.Now(), spans: make([]Span, n), calls: make([]atomic.Int32, n), done: make(chan struct{}),
	}
	w.left.Store(int64(n))
	at := 0
	for _, b := range l.Batches {
		w.first = append(w.first, at)
		at += len(b.Lengths)
	}
	return w
}

// Call makes a call: it blocks for its length. One that ctx ends before does not count. It is safe for concurrent use.
func (w *Watch) Call(ctx context.Context, batch, index int) {
	at := w.first[batch] + index
	begin := time.Since(w.zero)
	if w.calls[at].Add(1) > 1 {
		return // Check tells
	}
	d := w.Load.Batches[batch].Lengths[index]
	if d > 0 {
		over := time.NewTimer(d)
		defer over.Stop()
		select {
		case <-over.C:
		case <-ctx.Done():
			return
		}
	}
	w.spans[at] = Span{Batch: batch, Begin: begin, End: time.Since(w.zero), Asked: d}
	if w.left.Add(-1) == 0 {
		close(w.done)
	}
}

// Done is closed when every call has ended.
func (w *Watch) Done() <-chan struct{} { return w.done }

// Left is how many calls have not ended yet.
func (w *Watch) Left() int { return int(w.left.Load()) }

// Since is the time since the watch was made.
func (w *Watch) Since(t time.Time) time.Duration { return t.Sub(w.zero) }

// Spans are the calls, in the order of the batches. Only once Done is closed.
func (w *Watch) Spans() []Span { return w.spans }

// Check says whether each call was made once and never more at once than allowed, since a contender
// that makes none, or all of them together, would win every measure.
func (w *Watch) Check() error {
	for i := range w.calls {
		if n := w.calls[i].Load(); n != 1 {
			return fmt.Errorf("load: call %d was made %d times, want 1", i, n)
		}
	}
	if most := MostAtOnce(w.spans); most > w.Load.Slots {
		return fmt.Errorf("load: %d calls at once, want at most %d", most, w.Load.Slots)
	}
	for i, b := range w.Load.Batches {
		of := w.spans[w.first[i]:][:len(b.Lengths)]
		if most := MostAtOnce(of); most > b.Limit {
			return fmt.Errorf("load: %d calls of batch %d at once, want at most %d", most, i, b.Limit)
		}
	}
	return nil
}
