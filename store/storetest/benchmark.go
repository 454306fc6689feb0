package storetest

import (
	"fmt"
	"testing"

	"github.com/outdial/outdial/store"
)

// Benchmark measures a store. open returns an empty one each time.
//
// Rates are reported as calls/s, where a call is a claim and its end, two transitions. The
// dialling happens in no time, so they say what the store admits, not what an engine reaches.
func Benchmark(b *testing.B, open func(b *testing.B) store.Store) {
	b.Helper()
	b.Run("Create5000", func(b *testing.B) { benchmarkCreate(b, open) })
	for _, size := range []int{1, 100, 500} {
		b.Run(fmt.Sprintf("Step/%d", size), func(b *testing.B) { benchmarkStep(b, open, size, store.MaxRecipients) })
	}
	for _, depth := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("Depth/%d", depth), func(b *testing.B) { benchmarkStep(b, open, 10, depth) })
	}
	b.Run("Read", func(b *testing.B) { benchmarkReads(b, open) })
}

func benchmarkCreate(b *testing.B, open func(b *testing.B) store.Store) {
	b.Helper()
	f := newFixture(b, open(b))
	given := people(store.MaxRecipients)
	for b.Loop() {
		_, err := f.CreateBatch(f.ctx, f.draft(), given)
		f.ok(err)
	}
	b.ReportMetric(float64(b.N*len(given))/b.Elapsed().Seconds(), "recipients/s")
}

// benchmarkStep keeps size calls in flight and depth recipients queued behind them: each
// step ends all calls and claims as many. What it takes from the queue is filled up outside
// of the measured time.
func benchmarkStep(b *testing.B, open func(b *testing.B) store.Store, size, depth int) {
	b.Helper()
	f := newFixture(b, open(b))
	node := f.node()
	queue := f.fill(depth)
	calls := f.claim(node, queue[0], size)
	for b.Loop() {
		step := store.Step{Owner: node, Events: f.endAll(calls), Claims: []store.Claim{f.claimOf(queue[0], size)}}
		calls = callsOf(f.advance(step))
		if len(calls) < size {
			b.StopTimer()
			queue = append(queue[1:], f.batch(store.MaxRecipients))
			calls = append(calls, f.claim(node, queue[0], size-len(calls))...)
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "calls/s")
}

// fill creates batches of depth recipients together, two at least.
func (f *fixture) fill(depth int) []store.Batch {
	f.Helper()
	var queue []store.Batch
	for depth > 0 || len(queue) < 2 {
		n := min(store.MaxRecipients, max(depth, 1))
		queue = append(queue, f.batch(n))
		depth -= n
	}
	return queue
}

func benchmarkReads(b *testing.B, open func(b *testing.B) store.Store) {
	b.Helper()
	f := newFixture(b, open(b))
	node, queue := f.node(), f.fill(50_000)
	calls := f.claim(node, queue[3], 100)
	rev := f.again(queue[3]).Rev - 11
	for _, read := range []struct {
		name string
		do   func() (int, error)
		rows int
	}{
		{"Batch", func() (int, error) { _, err := f.Batch(f.ctx, org, queue[0].ID); return 1, err }, 1},
		{"Call", func() (int, error) { _, err := f.Call(f.ctx, org, calls[0].ID); return 1, err }, 1},
		{"Open", rows(func() ([]store.Batch, error) { return f.Batches(f.ctx, store.BatchQuery{Org: org, Open: true}) }), 10},
		{"InFlight", rows(func() ([]store.Call, error) {
			return f.Calls(f.ctx, store.CallQuery{Org: org, InFlight: true})
		}), 100},
		{"Recipients5000", rows(func() ([]store.Recipient, error) {
			return f.Recipients(f.ctx, store.RecipientQuery{Org: org, BatchID: queue[0].ID})
		}), store.MaxRecipients},
		{"Page100", rows(func() ([]store.Recipient, error) {
			return f.Recipients(f.ctx, store.RecipientQuery{Org: org, BatchID: queue[0].ID, From: 4000, Limit: 100})
		}), 100},
		{"Changed10", rows(func() ([]store.Recipient, error) {
			return f.Recipients(f.ctx, store.RecipientQuery{Org: org, ByRev: true, AfterRev: rev})
		}), 10},
		{"Active", rows(func() ([]store.ActiveOrg, error) { return f.Active(f.ctx) }), 1},
	} {
		b.Run(read.name, func(b *testing.B) {
			for b.Loop() {
				n, err := read.do()
				if err != nil || n != read.rows {
					b.Fatalf("%d rows, want %d: %v", n, read.rows, err)
				}
			}
		})
	}
}

func rows[T any](read func() ([]T, error)) func() (int, error) {
	return func() (int, error) {
		got, err := read()
		return len(got), err
	}
}
