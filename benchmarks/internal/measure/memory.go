package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
)

// Memory measures what the engine holds for a recipient that waits and for a call in flight.
func Memory(size Size) Measure {
	queued, flying := size.of(500_000, 100_000, 20_000), size.of(2_000, 1_000, 50)
	m := Measure{
		Name:  "memory",
		Title: "Memory of the engine",
		Work: fmt.Sprintf("What the process holds more, after a garbage collection, when %d recipients more are queued, and when %d calls are in "+
			"flight, whose dialer only waits.", queued, flying),
		Notes: []string{"The rows themselves are in SQLite's or PostgreSQL's memory and on their disk; the memory store, which holds them here, is left out."},
		Metrics: []report.Metric{
			{Key: "flight", Name: "a call in flight", Unit: "bytes", Digits: 0},
			{Key: "queued", Name: "a recipient queued", Unit: "bytes", Digits: 1},
		},
	}
	for _, s := range systems.Stores()[1:] {
		name := "outdial, " + s.Name
		m.add(name, s.Durability, "", func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			return memoryOf(ctx, l, s, queued, flying)
		})
		m.Goals = append(m.Goals,
			Goal{Text: s.Name + ": ≤ 200 bytes for a recipient queued", Unit: " B", Value: figure("queued", name), Most: 200},
			Goal{Text: s.Name + ": ≤ 6 kB for a call in flight", Unit: " B", Value: figure("flight", name), Most: 6_000})
	}
	return m
}

func memoryOf(ctx context.Context, l *lab.Lab, kind systems.Store, queued, flying int) (s report.Sample, err error) {
	h := &systems.Holder{Let: make(chan struct{})}
	b, err := systems.NewBench(ctx, l, kind, systems.Limits{systems.Org: flying}, h)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	one := []string{systems.Org}
	// Nothing is queued beside the calls that fly first, so that those are all that is let go later.
	if err := create(ctx, b, one, flying, flying); err != nil {
		return nil, err
	}
	b.Run()
	for h.Calls() < int64(flying) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
	with := settled()
	ids, err := createPaused(ctx, b, queued, flying)
	if err != nil {
		return nil, err
	}
	waiting := settled() - with
	for _, id := range ids { // or they would fly next
		if _, err := b.Engine.Cancel(ctx, systems.Org, id); err != nil {
			return nil, err
		}
	}
	with = settled()
	close(h.Let)
	if _, err := b.Idle(ctx); err != nil {
		return nil, err
	}
	time.Sleep(50 * time.Millisecond) // goroutines end
	landed := settled()
	return report.Sample{
		"queued": max(0, float64(waiting)/float64(queued)), "flight": float64(with-landed) / float64(flying),
	}, nil
}
