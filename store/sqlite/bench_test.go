package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
	"github.com/outdial/outdial/store/storetest"
)

func openBench(b *testing.B) *sqlite.Store {
	b.Helper()
	s, err := sqlite.Open(b.Context(), sqlite.Config{Path: filepath.Join(b.TempDir(), "calls.db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if err := s.Heartbeat(b.Context(), store.Node{ID: node}, time.Hour); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkCreate5000(b *testing.B) {
	for _, metadata := range []bool{false, true} {
		b.Run(fmt.Sprintf("metadata=%t", metadata), func(b *testing.B) {
			s, src, list := openBench(b), newSource(), people(5000, metadata)
			for b.Loop() {
				if _, err := s.CreateBatch(context.Background(), src.batch("org_1"), list); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCancel5000(b *testing.B) {
	s, src, list := openBench(b), newSource(), people(5000, false)
	for b.Loop() {
		b.StopTimer()
		batch, err := s.CreateBatch(context.Background(), src.batch("org_1"), list)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := s.Change(context.Background(), "org_1", batch.ID, store.Change{Action: store.ActionCancel, At: src.now}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdvance ends the calls of the step before and claims as many, which is a step
// under full load.
func BenchmarkAdvance(b *testing.B) {
	for _, size := range []int{1, 20, 500} {
		for _, metadata := range []bool{false, true} {
			b.Run(fmt.Sprintf("size=%d/metadata=%t", size, metadata), func(b *testing.B) {
				benchAdvance(b, size, metadata)
			})
		}
	}
}

func benchAdvance(b *testing.B, size int, metadata bool) {
	b.Helper()
	s, src, list := openBench(b), newSource(), people(5000, metadata)
	var batch store.Batch
	var claimed []store.Claimed
	left := 0
	calls := 0
	for b.Loop() {
		if left < size {
			b.StopTimer()
			var err error
			if batch, err = s.CreateBatch(context.Background(), src.batch("org_1"), list); err != nil {
				b.Fatal(err)
			}
			left = len(list)
			b.StartTimer()
		}
		out, err := s.Advance(context.Background(), store.Step{
			Org: "org_1", Owner: node, Now: src.now, Limit: 1 << 20,
			Events: ended(claimed, src.now), Claims: []store.Claim{src.claim(batch, size)},
		})
		if err != nil || len(out.Lost) > 0 || len(out.Claimed) != size {
			b.Fatal(err, len(out.Lost), len(out.Claimed))
		}
		claimed = out.Claimed
		left -= size
		calls += size
	}
	b.ReportMetric(float64(calls)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkFloor is the least that a write can cost: one small change, synced.
func BenchmarkFloor(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, src := openBench(b), newSource()
			batch, err := s.CreateBatch(context.Background(), src.batch("org_1"), people(10, false))
			if err != nil {
				b.Fatal(err)
			}
			b.SetParallelism(writers)
			b.RunParallel(func(pb *testing.PB) {
				for n := 1; pb.Next(); n++ {
					_, err := s.Change(context.Background(), "org_1", batch.ID,
						store.Change{Action: store.ActionSetTarget, Target: rand.Int(), At: src.now})
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B) store.Store {
		b.Helper()
		s, err := sqlite.Open(b.Context(), sqlite.Config{Path: filepath.Join(b.TempDir(), "calls.db")})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		return s
	})
}
