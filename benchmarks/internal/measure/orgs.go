package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
)

// Organisations measures what a call costs when its like are spread over many organisations, and
// what organisations cost that have nothing to do.
func Organisations(size Size) Measure {
	counts := []int{1, size.of(100, 100, 10), size.of(10_000, 500, 50)}
	most := counts[2]
	calls, slots := size.of(40_000, 5_000, 200), most // the same slots for all: one at least for each organisation
	m := Measure{
		Name:  "organisations",
		Title: "Many organisations",
		Work: fmt.Sprintf("%d calls that take no time and %d slots, both shared equally by %d, %d or %d organisations, each "+
			"with its calls in a batch; from the first begin of a call until all outcomes are written. Idle: one organisation "+
			"has all calls, beside 1 or %d that had a call each and are done.",
			calls, slots, counts[0], counts[1], counts[2], most),
		Notes: []string{
			"Each organisation's step is a transaction of its own. Of the more organisations the calls in flight are, the " +
				"less there is to write together: steps a call say how much that is.",
			"outdial alone: peers know no organisations.",
		},
		Metrics: []report.Metric{
			{Key: "us", Name: "time", Unit: "µs/call", Digits: 1, Less: true},
			{Key: "cpu", Name: "CPU of the client", Unit: "µs/call", Digits: 1},
			{Key: "steps", Name: "steps", Unit: "1/call", Digits: 2},
		},
	}
	busy := Line{Text: fmt.Sprintf("a call of %d organisations, × one of 1", most), Digits: 2, Goal: "≤ 1.2"}
	beside := Line{Text: fmt.Sprintf("a call beside %d idle organisations, × beside 1", most), Digits: 2, Goal: "≤ 1.05"}
	busy.Ours, beside.Ours = map[string]func(At) float64{}, map[string]func(At) float64{}
	for _, s := range systems.Stores() {
		name := func(n int) string { return fmt.Sprintf("outdial, %s, %d", s.Name, n) }
		for _, n := range counts {
			m.add(name(n), s.Durability, s.Settings, func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
				return spread(ctx, l, s, n, calls/n, slots/n)
			})
			if n > 1 {
				busy.Goals = append(busy.Goals, atMost(
					fmt.Sprintf("%s: a call of %d organisations ≤ 1.2 × one of 1", s.Name, n), 1.2, "us", name(n), name(1)))
			}
		}
		idle := func(n int) string { return fmt.Sprintf("outdial, %s, 1 beside %d idle", s.Name, n) }
		for _, n := range []int{1, most} {
			m.add(idle(n), s.Durability, s.Settings, func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
				return besideIdle(ctx, l, s, n, calls, slots)
			})
		}
		beside.Goals = append(beside.Goals, atMost(
			fmt.Sprintf("%s: beside %d idle organisations ≤ 1.05 × beside 1", s.Name, most), 1.05, "us", idle(most), idle(1)))
		busy.Ours[s.Name] = ratio("us", name(most), name(1))
		beside.Ours[s.Name] = ratio("us", idle(most), idle(1))
	}
	m.sumUp(busy, beside)
	return m
}

// orgNames are that many organisations, each with that limit.
func orgNames(prefix string, n, limit int, into systems.Limits) []string {
	var out []string
	for i := range n {
		name := fmt.Sprintf("%s_%d", prefix, i)
		into[name] = limit
		out = append(out, name)
	}
	return out
}

func spread(ctx context.Context, l *lab.Lab, kind systems.Store, orgs, each, limit int) (s report.Sample, err error) {
	limits := systems.Limits{}
	names := orgNames("org", orgs, limit, limits)
	b, err := systems.NewBench(ctx, l, kind, limits, &systems.Carrier{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := create(ctx, b, names, each, limit); err != nil {
		return nil, err
	}
	if err := l.Settle(ctx); err != nil {
		return nil, err
	}
	before := cpu()
	b.Run(ctx)
	return untilIdle(ctx, b, 0, orgs*each, before)
}

// create queues that many recipients for each organisation, in batches as large as they may be.
func create(ctx context.Context, b *systems.Bench, orgs []string, each, limit int) error {
	size := min(each, batchSize)
	return b.Create(ctx, orgs, int(math.Ceil(float64(each)/float64(size))), size, limit)
}

// untilIdle times calls, the first of which comes after those before, and checks all of them.
func untilIdle(
	ctx context.Context, b *systems.Bench, before int64, calls int, used time.Duration,
) (report.Sample, error) {
	steps := b.Steps.Count()
	begun, err := b.Reached(ctx, before+1)
	if err != nil {
		return nil, err
	}
	end, err := b.Finish(ctx, before+int64(calls))
	used = cpu() - used
	if wrong := b.Check(ctx, true); wrong != nil || err != nil {
		return nil, errors.Join(err, wrong)
	}
	n := float64(calls)
	return report.Sample{
		"us": micros(end.Sub(begun)) / n, "cpu": micros(used) / n, "steps": float64(b.Steps.Count()-steps) / n,
	}, nil
}

// besideIdle times one organisation when many others have had their calls.
func besideIdle(
	ctx context.Context, l *lab.Lab, kind systems.Store, idle, calls, slots int,
) (s report.Sample, err error) {
	limits := systems.Limits{systems.Org: slots}
	names := orgNames("idle", idle, 1, limits)
	b, err := systems.NewBench(ctx, l, kind, limits, &systems.Carrier{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := create(ctx, b, names, 1, 1); err != nil {
		return nil, err
	}
	b.Run(ctx)
	if _, err := b.Reached(ctx, int64(idle)); err != nil {
		return nil, err
	}
	if _, err := b.Idle(ctx); err != nil {
		return nil, err
	}
	if err := l.Settle(ctx); err != nil {
		return nil, err
	}
	ids, err := createPaused(ctx, b, calls, slots)
	if err != nil {
		return nil, err
	}
	used := cpu()
	for _, id := range ids {
		if _, err := b.Engine.Resume(ctx, systems.Org, id); err != nil {
			return nil, err
		}
	}
	return untilIdle(ctx, b, int64(idle), calls, used)
}

// createPaused queues calls that an engine which runs does not begin yet.
func createPaused(ctx context.Context, b *systems.Bench, calls, slots int) (ids []string, err error) {
	for calls > 0 {
		r := systems.Request(min(calls, batchSize), slots)
		r.Paused = true
		made, err := b.Engine.Create(ctx, systems.Org, r)
		if err != nil {
			return nil, err
		}
		ids = append(ids, made.ID)
		calls -= len(r.Recipients)
	}
	return ids, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
