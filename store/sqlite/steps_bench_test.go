//go:build unix

package sqlite_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
)

// BenchmarkOrganisations has many organisations take small steps at once, each of which ends the calls of the one before
// and claims as many from as many batches.
func BenchmarkOrganisations(b *testing.B) {
	for _, c := range []struct{ orgs, batches, each int }{{500, 1, 1}, {100, 1, 5}, {1, 100, 1}} {
		b.Run(fmt.Sprintf("organisations=%d/batches=%d/calls=%d", c.orgs, c.batches, c.each), func(b *testing.B) {
			s, src := openBench(b), newSource()
			var plays []*play
			for i := range c.orgs {
				p := &play{s: s, org: fmt.Sprintf("org_%d", i), each: c.each}
				p.fill(b, src, c.batches, 200)
				plays = append(plays, p)
			}
			b.ResetTimer()
			used := processorTime(b)
			steps := b.N / (c.orgs * c.batches * c.each)
			var all sync.WaitGroup
			for i, p := range plays {
				src := newSource()
				src.reseed()
				src.now = src.now.Add(time.Duration(i) * time.Hour)
				all.Go(func() {
					for range max(steps, 1) {
						p.step(b, src)
					}
				})
			}
			all.Wait()
			calls := max(steps, 1) * c.orgs * c.batches * c.each
			b.ReportMetric(float64((processorTime(b)-used).Nanoseconds())/float64(calls), "cpu-ns/call")
		})
	}
}

// BenchmarkDepth takes a call from each of many batches with every step, in front of a short queue and of long ones.
func BenchmarkDepth(b *testing.B) {
	for _, depth := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("recipients=%d", depth), func(b *testing.B) {
			const batches = 100
			s, src := openBench(b), newSource()
			p := &play{s: s, org: "org_1", each: 1}
			left := 0
			calls := 0
			var used time.Duration
			for b.Loop() {
				if left == 0 {
					b.StopTimer()
					p.fill(b, src, batches, depth)
					left = depth / 2
					b.StartTimer()
				}
				from := processorTime(b)
				p.step(b, src)
				used += processorTime(b) - from
				left--
				calls += batches
			}
			b.ReportMetric(float64(used.Nanoseconds())/float64(calls), "cpu-ns/call")
		})
	}
}

// play is an organisation that dials.
type play struct {
	s       *sqlite.Store
	org     string
	each    int
	batches []store.Batch
	claimed []store.Claimed
}

func (p *play) fill(b *testing.B, src *source, batches, size int) {
	b.Helper()
	p.batches = nil
	for range batches {
		made, err := p.s.CreateBatch(context.Background(), src.batch(p.org), people(size, true))
		if err != nil {
			b.Fatal(err)
		}
		p.batches = append(p.batches, made)
	}
}

func (p *play) step(b *testing.B, src *source) {
	b.Helper()
	src.now = src.now.Add(time.Millisecond)
	step := store.Step{Org: p.org, Owner: node, Now: src.now, Limit: 1 << 20, Events: ended(p.claimed, src.now)}
	for _, batch := range p.batches {
		ids, err := store.NewCallIDs(src.now, src.random, p.each)
		if err != nil {
			b.Error(err)
		}
		step.Claims = append(step.Claims, store.Claim{BatchID: batch.ID, CallIDs: ids, Carrier: "trunk-eu", From: "+442071838750"})
	}
	out, err := p.s.Advance(context.Background(), step)
	if err != nil || len(out.Lost) > 0 {
		b.Error(err, len(out.Lost))
	}
	p.claimed = out.Claimed
}

// BenchmarkReads are what readers ask for most.
func BenchmarkReads(b *testing.B) {
	const size = 5000
	s, src := openBench(b), newSource()
	p := &play{s: s, org: "org_1", each: size / 2}
	p.fill(b, src, 60, size/50)
	p.fill(b, src, 1, size)
	p.step(b, src)
	ctx, cancel := context.WithCancel(b.Context()) // as callers have one
	defer cancel()
	id := p.batches[0].ID
	whole, err := s.Batch(ctx, p.org, id)
	require.NoError(b, err)
	for name, read := range map[string]func() (int, error){
		"status": func() (int, error) { _, err := s.Batch(ctx, p.org, id); return 1, err },
		"page": func() (int, error) {
			got, err := s.Batches(ctx, store.BatchQuery{Org: p.org, Limit: 50})
			return len(got) - 49, err
		},
		"recipients": func() (int, error) {
			got, err := s.Recipients(ctx, store.RecipientQuery{Org: p.org, BatchID: id})
			return len(got) - size + 1, err
		},
		"feed": func() (int, error) {
			got, err := s.Recipients(ctx, store.RecipientQuery{Org: p.org, BatchID: id, ByRev: true, AfterRev: whole.Rev - 101, Limit: 1000})
			return len(got) - 99, err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if n, err := read(); err != nil || n != 1 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
