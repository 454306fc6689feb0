package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/load"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
)

// The lengths of calls, where they take time.
const (
	shortest = 5 * time.Millisecond
	longest  = 50 * time.Millisecond
)

// Slots measures how much of the time slots are in use while there is a call for each.
func Slots(size Size) Measure {
	calls, slots := size.of(10_000, 3_000, 200), size.of(100, 100, 20)
	lengths := load.Uniform(calls, shortest, longest, 1)
	work := load.Load{Batches: load.Split(lengths, 5_000, slots), Slots: slots}
	m := Measure{
		Name:  "slots",
		Title: "Slot utilisation",
		Work: fmt.Sprintf("%d slots, %d calls of %v to %v, queued before the first begins. Utilisation is the time that "+
			"calls were to take over slots times the time from the first to the last begin of a call; a hand-over is the "+
			"time from the end of a call to the begin of the next one in its slot.", slots, calls, shortest, longest),
		Notes: []string{
			"The work reads the clock itself: a call begins when the contender hands it to a worker or dialer, and ends there.",
			"Timers end calls late, by more on a busy machine: that is time lost for the utilisation, and in use where it " +
				"says so.",
			"outdial and River begin a call only when it is durable that they do, Asynq when Redis has it.",
		},
		Metrics: []report.Metric{
			{Key: "utilisation", Name: "utilisation", Unit: "%", Digits: 1},
			{Key: "held", Name: "with what timers were late", Unit: "%", Digits: 1},
			{Key: "p50", Name: "hand-over p50", Unit: "ms", Digits: 2},
			{Key: "p99", Name: "hand-over p99", Unit: "ms", Digits: 2},
		},
	}
	contenders := append([]systems.System{systems.Semaphore()}, systems.Outdial()...)
	contenders = append(contenders, systems.RiverFast(0), systems.RiverFastest(), systems.RiverDefault(),
		systems.RiverSQLite(), systems.Asynq(false, false), systems.Asynq(true, false))
	for _, s := range contenders {
		m.Rows = append(m.Rows, Contender{s.Name, s.Durability, s.Settings,
			func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
				w, _, err := s.Time(ctx, l, work)
				if err != nil {
					return nil, err
				}
				over := load.HandOvers(w.Spans(), slots)
				asked, held := load.Utilisation(w.Spans(), slots)
				return report.Sample{
					"utilisation": 100 * asked, "held": 100 * held,
					"p50": millis(load.Quantile(over, 0.5)),
					"p99": millis(load.Quantile(over, 0.99)),
				}, nil
			}})
	}
	peers := []string{
		systems.RiverFast(0).Name, systems.RiverDefault().Name, systems.RiverSQLite().Name,
		systems.Asynq(false, false).Name, systems.Asynq(true, false).Name,
	}
	m.sumUp(
		plainLine("slots in use, %", "utilisation", 1,
			"memory ≥ 99.5; SQLite, PostgreSQL ≥ 96, 3 above River tuned, above Asynq", utilisationGoals(), peers...),
		plainLine("slot's end to next dial, p99, ms", "p99", 2, "memory ≤ 0.1", []Goal{{
			Text: "memory: hand-over p99 ≤ 0.1 ms", Unit: " ms", Value: figure("p99", "outdial, memory"), Most: 0.1,
		}}, peers...))
	return m
}

func utilisationGoals() []Goal {
	river := systems.RiverFast(0).Name
	goals := []Goal{{Text: "memory ≥ 99.5 %", Unit: " %", Value: figure("utilisation", "outdial, memory"), Least: 99.5}}
	for _, s := range []string{"SQLite", "PostgreSQL"} {
		ours := "outdial, " + s
		goals = append(goals,
			Goal{Text: s + " ≥ 96 %", Unit: " %", Value: figure("utilisation", ours), Least: 96},
			Goal{
				Text: s + " ≥ 3 points above River tuned", Unit: " points",
				Value: lead("utilisation", ours, river), Least: 3,
			},
			Goal{
				Text: s + " above Asynq, which is not durable", Unit: " points",
				Value: lead("utilisation", ours, "Asynq, Redis"), Least: 0.001,
			})
	}
	return goals
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
