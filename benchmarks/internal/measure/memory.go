package measure

import (
	"context"
	"errors"
	"fmt"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
	"github.com/outdial/outdial/store"
)

// Memory measures what the engine holds for a recipient that waits and for a call in flight.
func Memory(size Size) Measure {
	queued, flying := size.of(500_000, 100_000, 20_000), size.of(2_000, 1_000, 50)
	m := Measure{
		Name:  "memory",
		Title: "Memory of the engine",
		Work: fmt.Sprintf("What the process holds more, after a garbage collection, when %d calls are in flight, whose "+
			"dialer only waits, and when %d recipients more are queued behind them.", flying, queued),
		Notes: []string{
			"Before, the engine had other calls, so that what it holds anyway does not count.",
			"The rows themselves are in SQLite's or PostgreSQL's memory and on their disk. The memory store, which " +
				"holds them here, is left out.",
		},
		Metrics: []report.Metric{
			{Key: "flight", Name: "a call in flight", Unit: "bytes", Digits: 0, Less: true},
			{Key: "queued", Name: "a recipient queued", Unit: "bytes", Digits: 1},
		},
	}
	line := Line{Text: "memory of a call in flight, B", Ours: map[string]func(At) float64{}, Goal: "≤ 6 kB"}
	queue := Line{Text: "memory of a queued recipient, B", Digits: 1, Ours: map[string]func(At) float64{}, Goal: "≤ 200 B"}
	for _, s := range systems.Stores()[1:] {
		name := "outdial, " + s.Name
		m.add(name, s.Durability, s.Settings, func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			return memoryOf(ctx, l, s, queued, flying)
		})
		line.Ours[s.Name], queue.Ours[s.Name] = figure("flight", name), figure("queued", name)
		line.Goals = append(line.Goals,
			Goal{Text: s.Name + ": ≤ 6 kB for a call in flight", Unit: " B", Value: figure("flight", name), Most: 6_000})
		queue.Goals = append(queue.Goals,
			Goal{Text: s.Name + ": ≤ 200 bytes for a recipient queued", Unit: " B", Value: figure("queued", name), Most: 200})
	}
	m.sumUp(line, queue)
	return m
}

func memoryOf(ctx context.Context, l *lab.Lab, kind systems.Store, queued, flying int) (s report.Sample, err error) {
	const first = 100
	h := &systems.Holder{Let: make(chan struct{}), First: first, Seen: make([]string, first+flying)}
	b, err := systems.NewBench(ctx, l, kind, systems.Limits{systems.Org: flying}, h)
	if err != nil {
		return nil, err
	}
	running, quit := context.WithCancel(ctx)
	defer func() {
		// Or what is queued would fly when what flies is let go.
		err = errors.Join(err, pauseAll(context.WithoutCancel(ctx), b))
		quit()
		close(h.Let)
		if err == nil {
			err = b.CheckHeld(context.WithoutCancel(ctx), h)
		}
		err = errors.Join(err, b.Close())
	}()
	one := []string{systems.Org}
	if err := create(ctx, b, one, first, flying); err != nil {
		return nil, err
	}
	b.Run(running)
	if err := allBegan(ctx, h, first); err != nil {
		return nil, err
	}
	if _, err := b.Idle(ctx); err != nil {
		return nil, err
	}
	before := settled()
	if err := create(ctx, b, one, flying, flying); err != nil {
		return nil, err
	}
	if err := allBegan(ctx, h, first+flying); err != nil {
		return nil, err
	}
	fly := settled()
	if err := create(ctx, b, one, queued, flying); err != nil {
		return nil, err
	}
	wait := settled()
	return report.Sample{
		"flight": (fly - before) / float64(flying), "queued": max(0, (wait-fly)/float64(queued)),
	}, nil
}

// pauseAll has no more calls begin. That the engine is told to stop does not, until it has heard.
func pauseAll(ctx context.Context, b *systems.Bench) error {
	batches, err := b.Engine.Batches(ctx, store.BatchQuery{Org: systems.Org, Open: true})
	for _, x := range batches {
		_, failed := b.Engine.Pause(ctx, systems.Org, x.ID)
		err = errors.Join(err, failed)
	}
	return err
}

func allBegan(ctx context.Context, h *systems.Holder, calls int) error {
	return systems.Until(ctx, func(context.Context) (bool, error) { return h.Calls() >= int64(calls), nil })
}
