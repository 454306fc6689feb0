package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/load"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// The readers' paces.
const (
	statusEvery     = 5 * time.Millisecond
	pageEvery       = 20 * time.Millisecond
	recipientsEvery = 200 * time.Millisecond
	pageSize        = 50
)

// Reads measures what readers see while calls go on as fast as they can, and what they cost those.
func Reads(size Size) Measure {
	calls, slots := size.of(100_000, 20_000, 300), size.of(1_000, 1_000, 50)
	alone := passes{least: size.of(3, 2, 1), most: size.of(3, 2, 1)}
	read := passes{least: size.of(3, 2, 1), most: size.of(12, 8, 2), reads: size.of(40, 12, 1)}
	m := Measure{
		Name:  "reads",
		Title: "Reads while calls go on at full speed",
		Work: fmt.Sprintf("%d calls that take no time, %d slots. Readers ask for the status of a batch every %v, for a page "+
			"of %d batches every %v, for all recipients of a batch of %d every %v, and follow the events of the first batch: "+
			"from the begin of a call until its end is seen. So often, over an empty store each time, that all recipients were "+
			"read %d times, or %d times at most; without readers %d times.",
			calls, slots, statusEvery, pageSize, pageEvery, min(calls, batchSize), recipientsEvery,
			read.reads, read.most, alone.most),
		Notes: []string{
			"outdial alone: peers have no such reads. A reader that is late asks at once, and no more often.",
			"Where there were fewer than 100 reads, p99 is the slowest.",
		},
		Metrics: []report.Metric{
			{Key: "rate", Name: "rate", Unit: "calls/s", Digits: 0},
			{Key: "status50", Name: "status p50", Unit: "ms", Digits: 2}, {Key: "status99", Name: "p99", Unit: "ms", Digits: 2},
			{Key: "page50", Name: "page p50", Unit: "ms", Digits: 2}, {Key: "page99", Name: "p99", Unit: "ms", Digits: 2},
			{Key: "all50", Name: "recipients p50", Unit: "ms", Digits: 1}, {Key: "all99", Name: "p99", Unit: "ms", Digits: 1},
			{Key: "event50", Name: "event p50", Unit: "ms", Digits: 1}, {Key: "event99", Name: "p99", Unit: "ms", Digits: 1},
			{Key: "reads", Name: "reads", Digits: 0}, {Key: "alls", Name: "of them of recipients", Digits: 0},
		},
	}
	lost := Line{
		Text: "calls lost to readers, %", Digits: 1, Ours: map[string]func(At) float64{}, Goal: "≤ 5",
	}
	for _, s := range systems.Stores() {
		nobody, readers := "outdial, "+s.Name+", nobody reads", "outdial, "+s.Name+", readers"
		m.add(nobody, s.Durability, s.Settings, func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			return dialAndRead(ctx, l, s, calls, slots, alone)
		})
		m.add(readers, s.Durability, s.Settings, func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			return dialAndRead(ctx, l, s, calls, slots, read)
		})
		lost.Ours[s.Name] = func(at At) float64 { return 100 * (1 - at(readers, "rate")/at(nobody, "rate")) }
		lost.Goals = append(lost.Goals, Goal{
			Text: s.Name + ": calls lose ≤ 5 % to readers", Unit: " %", Most: 5, Value: lost.Ours[s.Name],
		})
	}
	m.sumUp(lost)
	return m
}

// passes are how often the calls are made: until there were enough reads of all recipients, which are the rarest.
type passes struct {
	least, most int
	reads       int // 0: nobody reads
}

func dialAndRead(
	ctx context.Context, l *lab.Lab, kind systems.Store, calls, slots int, p passes,
) (report.Sample, error) {
	took := map[string][]time.Duration{}
	sum, n := 0.0, 0
	for ; n < p.least || n < p.most && len(took["all"]) < p.reads; n++ {
		us, err := (&reading{begun: map[string]time.Time{}, took: took}).pass(ctx, l, kind, calls, slots, p.reads > 0)
		if err != nil {
			return nil, err
		}
		sum += us
	}
	s := report.Sample{"rate": 1e6 * float64(n) / sum}
	for what, took := range took {
		slices.Sort(took)
		s[what+"50"] = millis(load.Quantile(took, 0.5))
		s[what+"99"] = millis(load.Quantile(took, 0.99))
	}
	if p.reads > 0 {
		s["reads"] = float64(len(took["status"]) + len(took["page"]) + len(took["all"]))
		s["alls"] = float64(len(took["all"]))
	}
	return s, nil
}

// reading is the readers and what they have seen.
type reading struct {
	batches []store.Batch

	mu    sync.Mutex
	begun map[string]time.Time // calls of the batch that is followed, by recipient
	took  map[string][]time.Duration
	wrong error
}

// pass makes the calls once and returns how long one took, in microseconds.
func (r *reading) pass(
	ctx context.Context, l *lab.Lab, kind systems.Store, calls, slots int, readers bool,
) (us float64, err error) {
	b, err := systems.NewBench(ctx, l, kind, systems.Limits{systems.Org: slots}, &systems.Carrier{Note: r.note})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	size := min(calls, batchSize)
	r.batches = make([]store.Batch, calls/size)
	for i := range r.batches {
		if r.batches[i], err = b.Engine.Create(ctx, systems.Org, systems.Request(size, slots)); err != nil {
			return 0, err
		}
	}
	if err := l.Settle(ctx); err != nil {
		return 0, err
	}
	reading, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	if readers {
		r.start(reading, &all, b)
	}
	used := cpu()
	b.Run(ctx)
	s, err := untilIdle(ctx, b, 0, len(r.batches)*size, used)
	stop()
	all.Wait()
	return s["us"], errors.Join(err, r.wrong)
}

func (r *reading) note(c dialer.Call) {
	if c.Batch != r.batches[0].ID {
		return
	}
	r.mu.Lock()
	r.begun[c.Recipient] = time.Now()
	r.mu.Unlock()
}

func (r *reading) start(ctx context.Context, all *sync.WaitGroup, b *systems.Bench) {
	turn := atomic.Int64{}
	some := func() string { return r.batches[int(turn.Add(1))%len(r.batches)].ID }
	all.Go(func() {
		r.every(ctx, "status", statusEvery, func() error {
			_, err := b.Engine.Batch(ctx, systems.Org, some())
			return err
		})
	})
	all.Go(func() {
		r.every(ctx, "page", pageEvery, func() error {
			_, err := b.Engine.Batches(ctx, store.BatchQuery{Org: systems.Org, Limit: pageSize})
			return err
		})
	})
	all.Go(func() {
		r.every(ctx, "all", recipientsEvery, func() error {
			_, err := b.Engine.Recipients(ctx, store.RecipientQuery{Org: systems.Org, BatchID: some()})
			return err
		})
	})
	all.Go(func() { r.follow(ctx, b) })
}

// every reads at a pace until ctx ends.
func (r *reading) every(ctx context.Context, what string, pace time.Duration, read func() error) {
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for {
		begun := time.Now()
		err := read()
		if ctx.Err() != nil {
			return
		}
		r.saw(what, time.Since(begun), err)
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *reading) saw(what string, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && r.wrong == nil {
		r.wrong = fmt.Errorf("reading %s: %w", what, err)
		return
	}
	r.took[what] = append(r.took[what], took)
}

// follow sees the ends of calls of the first batch.
func (r *reading) follow(ctx context.Context, b *systems.Bench) {
	first := r.batches[0]
	for c, err := range b.Engine.Watch(ctx, systems.Org, first.ID, first.Rev) {
		now := time.Now()
		switch {
		case err != nil:
			r.saw("event", 0, err)
			return
		case c.Recipient == nil || !c.Recipient.Status.Terminal():
			continue
		}
		r.mu.Lock()
		begun, ok := r.begun[c.Recipient.ID()]
		r.mu.Unlock()
		if ok {
			r.saw("event", now.Sub(begun), nil)
		}
	}
}
