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

// Depth measures what a call costs in front of a short queue and of a long one.
func Depth(size Size) Measure {
	const slots = 100
	batches := size.of(200, 100, 10)
	depths := map[Size][]int{
		Full: {1_000, 10_000, 100_000, 1_000_000}, Short: {1_000, 10_000, 100_000}, Tiny: {100, 200},
	}[size]
	measured := size.of(10_000, 5_000, 50)
	m := Measure{
		Name:  "depth",
		Title: "Depth of the queue",
		Work: fmt.Sprintf("Calls that take no time, %d slots, with so many recipients queued in %d batches at the start, "+
			"all of which are dialled; after the first tenth the next %d calls are timed, or half of what is queued.",
			slots, batches, measured),
		Notes: []string{
			"The number of batches is the same at each depth, since a step writes to each batch that it names.",
			"A short queue is filled and timed as often as makes as many calls.",
		},
		Metrics: []report.Metric{{Key: "us", Name: "time", Unit: "µs/call", Digits: 1, Less: true}},
	}
	deepest := depths[len(depths)-1]
	line := Line{
		Text: fmt.Sprintf("a call with %d queued, × one with %d", deepest, depths[0]), Digits: 2,
		Ours: map[string]func(At) float64{}, Goal: "≤ 1.2",
	}
	for _, s := range systems.Stores() {
		name := func(depth int) string { return fmt.Sprintf("outdial, %s, %d", s.Name, depth) }
		for _, depth := range depths {
			m.add(name(depth), s.Durability, s.Settings, func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
				return atDepth(ctx, l, s, batches, depth, slots, measured)
			})
		}
		for _, depth := range depths[1:] {
			line.Goals = append(line.Goals, atMost(
				fmt.Sprintf("%s: a call with %d queued ≤ 1.2 × one with %d", s.Name, depth, depths[0]), 1.2,
				"us", name(depth), name(depths[0])))
		}
		line.Ours[s.Name] = ratio("us", name(deepest), name(depths[0]))
	}
	m.sumUp(line)
	return m
}

func atDepth(
	ctx context.Context, l *lab.Lab, kind systems.Store, batches, depth, slots, measured int,
) (s report.Sample, err error) {
	const tenth, half = 10, 2
	each := min(measured, depth/half)
	times := (measured + each - 1) / each // a short queue is filled and timed several times
	b, err := systems.NewBench(ctx, l, kind, systems.Limits{systems.Org: slots, "warm": slots}, &systems.Carrier{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := warmUp(ctx, b, batches, slots); err != nil {
		return nil, err
	}
	var sum time.Duration
	for i := range times {
		if err := b.Create(ctx, []string{systems.Org}, batches, depth/batches, slots); err != nil {
			return nil, err
		}
		took, err := timeCalls(ctx, l, b, int64(min(depth, each)/tenth), int64(each), i+1 < times)
		if err != nil {
			return nil, err
		}
		sum += took
	}
	if err := b.Check(ctx, false); err != nil { // the engine has stopped
		return nil, err
	}
	return report.Sample{"us": micros(sum) / float64(each*times)}, nil
}

// warmUp has another organisation's calls fill the store's caches, and ends with an engine that has
// not run.
func warmUp(ctx context.Context, b *systems.Bench, batches, slots int) error {
	const each = 5
	if err := b.Create(ctx, []string{"warm"}, batches, each, slots); err != nil {
		return err
	}
	b.Run(ctx)
	if _, err := b.Reached(ctx, int64(batches*each)); err != nil {
		return err
	}
	if _, err := b.Idle(ctx); err != nil {
		return err
	}
	return b.Renew()
}

// timeCalls runs the engine and times that many calls after a few others. toEnd: until nothing is queued.
func timeCalls(
	ctx context.Context, l *lab.Lab, b *systems.Bench, warm, measured int64, toEnd bool,
) (time.Duration, error) {
	if err := l.Settle(ctx); err != nil {
		return 0, err
	}
	before := b.Carrier.Calls()
	b.Run(ctx)
	from, err := b.Reached(ctx, before+warm)
	if err != nil {
		return 0, err
	}
	to, err := b.Reached(ctx, before+warm+measured)
	if err != nil {
		return 0, err
	}
	if toEnd {
		if _, err := b.Idle(ctx); err != nil {
			return 0, err
		}
	}
	return to.Sub(from), b.Renew()
}
