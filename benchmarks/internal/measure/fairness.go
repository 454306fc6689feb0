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

// Fairness measures how small batches fare behind a large one.
func Fairness(size Size) Measure {
	large, small, each := size.of(5_000, 2_000, 200), size.of(50, 50, 10), size.of(20, 20, 5)
	slots := small
	lengths := load.Uniform(large+small*each, shortest, longest, 3)
	work := load.Load{Slots: slots, Batches: append(
		load.Split(lengths[:large], large, slots), load.Split(lengths[large:], each, slots)...)}
	m := Measure{
		Name:  "fairness",
		Title: "Small batches behind a large one",
		Work: fmt.Sprintf("A batch of %d calls and behind it %d batches of %d, %d slots. A batch's fair share is one of "+
			"%d of the slots, and its time all of its calls one after the other in that, from the first begin of any call.",
			large, small, each, slots, small+1),
		Notes: []string{
			"Jain's index is that of the time that slots spent on each batch while all batches had calls waiting, which is " +
				"from the first begin of any call until the first batch has begun its last one: 1 is fair, " +
				fmt.Sprintf("%.3f is everything to one.", 1/float64(small+1)),
		},
		Metrics: []report.Metric{
			{Key: "worst", Name: "slowest small batch, over its fair share's time", Unit: "×", Digits: 2, Less: true},
			{Key: "median", Name: "median small batch", Unit: "×", Digits: 2},
			{Key: "jain", Name: "Jain's index", Digits: 3},
			{Key: "all", Name: "everything, over its ideal", Unit: "×", Digits: 2},
		},
	}
	ideal := load.Ideal(lengths, slots)
	contenders := append([]systems.System{systems.Semaphore()}, systems.Outdial()...)
	contenders = append(contenders, systems.RiverFast(0), systems.RiverShared(), systems.Asynq(false, true))
	for _, s := range contenders {
		m.add(s.Name, s.Durability, s.Settings, func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			w, _, err := s.Time(ctx, l, work)
			if err != nil {
				return nil, err
			}
			s := fairnessOf(w.Spans(), work)
			s["all"] = float64(slices.Max(doneAfter(w.Spans(), len(work.Batches)))) / float64(ideal)
			return s, nil
		})
	}
	var worst, jain []Goal
	for _, s := range systems.Outdial() {
		worst = append(worst, Goal{
			Text: s.Name + ": each small batch ≤ 1.3 × its fair share's time", Unit: " ×",
			Value: figure("worst", s.Name), Most: 1.3,
		})
		jain = append(jain, Goal{Text: s.Name + ": Jain's index ≥ 0.99", Value: figure("jain", s.Name), Least: 0.99})
	}
	peers := []string{systems.RiverFast(0).Name, systems.RiverShared().Name, systems.Asynq(false, true).Name}
	m.sumUp(
		plainLine("slowest small batch behind a large one, × its fair time", "worst", 2, "≤ 1.3", worst, peers...),
		plainLine("fairness between batches, Jain's index", "jain", 3, "≥ 0.99", jain, peers...))
	return m
}

func fairnessOf(spans []load.Span, work load.Load) report.Sample {
	share := float64(len(work.Batches)) / float64(work.Slots) // how much longer a share takes than a slot
	var over []float64
	for i, took := range doneAfter(spans, len(work.Batches)) {
		if i == 0 {
			continue // the large one
		}
		var sum time.Duration
		for _, d := range work.Batches[i].Lengths {
			sum += d
		}
		over = append(over, float64(took)/(float64(sum)*share))
	}
	slices.Sort(over)
	s := report.Sample{"worst": over[len(over)-1], "median": over[len(over)/2]}
	s["jain"] = 1 / float64(len(work.Batches)) // one batch has begun all of its calls at once
	if from, to := load.Backlogged(spans, len(work.Batches)); from < to {
		s["jain"] = load.Jain(load.Shares(spans, len(work.Batches), from, to))
	}
	return s
}
