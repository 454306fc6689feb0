package measure

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/load"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
)

// TwoLimits measures what becomes of a batch behind one that is at its own limit.
func TwoLimits(size Size) Measure {
	a, b := size.of(300, 300, 40), size.of(500, 500, 60)
	all, limit := size.of(100, 100, 20), size.of(10, 10, 4)
	lengths := load.Uniform(a+b, shortest, longest, 2)
	work := load.Load{Slots: all, Batches: []load.Batch{
		{Lengths: lengths[:a], Limit: limit}, {Lengths: lengths[a:], Limit: all},
	}}
	ideals := []time.Duration{load.Ideal(lengths[:a], limit), load.Ideal(lengths[a:], all-limit)}
	m := Measure{
		Name:  "limits",
		Title: "Two limits",
		Work: fmt.Sprintf("A limit of %d over all; batch A of %d calls with a limit of %d, and behind it batch B of %d "+
			"calls. The ideal is what the same calls take one after the other over %d and %d slots when no time is "+
			"lost: %v and %v.",
			all, a, limit, b, limit, all-limit, ideals[0].Round(time.Millisecond), ideals[1].Round(time.Millisecond)),
		Notes: []string{
			"Done is when the last call of the batch has ended, counted from the first begin of any call.",
			"Workers of a queue that wait for a limit are slots that nobody else has; jobs that snooze come back late; a " +
				"queue for each batch splits the limit for good, and only within one process.",
		},
		Metrics: []report.Metric{
			{Key: "b", Name: "B, over its ideal", Unit: "×", Digits: 2, Less: true},
			{Key: "a", Name: "A, over its ideal", Unit: "×", Digits: 2},
			{Key: "worst", Name: "the later of both", Unit: "×", Digits: 2},
		},
	}
	contenders := append([]systems.System{systems.Semaphore()}, systems.Outdial()...)
	limited := systems.RiverLimited()
	for _, s := range append(contenders, limited...) {
		m.add(s.Name, s.Durability, s.Settings, func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			w, _, err := s.Time(ctx, l, work)
			if err != nil {
				return nil, err
			}
			took := doneAfter(w.Spans(), len(work.Batches))
			a, b := float64(took[0])/float64(ideals[0]), float64(took[1])/float64(ideals[1])
			return report.Sample{"a": a, "b": b, "worst": max(a, b)}, nil
		})
	}
	var goals []Goal
	var peers []string
	for _, s := range systems.Outdial() {
		goals = append(goals, Goal{
			Text: s.Name + ": A and B ≤ 1.2 × their ideals", Unit: " ×", Value: figure("worst", s.Name), Most: 1.2,
		})
	}
	for _, s := range limited {
		peers = append(peers, s.Name)
	}
	waits := limited[0].Name
	goals = append(goals, Goal{
		Text: "a queue whose workers wait has B wait for A: 2 × as long as outdial on PostgreSQL", Unit: " ×",
		Value: ratio("b", waits, "outdial, PostgreSQL"), Least: 2,
	})
	m.sumUp(plainLine("two limits: the later of two batches, × its ideal", "worst", 2,
		"≤ 1.2; B waits for A where workers wait", goals, peers...))
	return m
}

// doneAfter is when the last call of each batch ended, counted from the first begin of all.
func doneAfter(spans []load.Span, batches int) []time.Duration {
	first := firstBegin(spans)
	out := make([]time.Duration, batches)
	for _, s := range spans {
		out[s.Batch] = max(out[s.Batch], s.End-first)
	}
	return out
}

func firstBegin(spans []load.Span) time.Duration {
	return slices.MinFunc(spans, func(a, b load.Span) int { return int(a.Begin - b.Begin) }).Begin
}
