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

// Throughput measures how many calls that take no time come about in a second.
func Throughput(size Size) Measure {
	calls, fewer := size.of(100_000, 20_000, 300), size.of(20_000, 3_000, 100)
	slots, fewerSlots := size.of(1_000, 1_000, 50), size.of(100, 100, 20)
	m := Measure{
		Name:  "throughput",
		Title: "Throughput of calls that take no time",
		Work: fmt.Sprintf("%d calls in batches of %d at most, %d slots unless it says otherwise, queued before the first "+
			"begins; from the first begin of a call until the outcome of the last one is as durable as the row says.",
			calls, batchSize, slots),
		Notes: []string{
			"Each call is written twice: that it begins, before it begins, and how it ended.",
			fmt.Sprintf("River on SQLite and Asynq with a synced file get %d calls, since they take long; "+
				"their rates count.", fewer),
			"CPU is that of the benchmark's process, which has SQLite in it, but not the servers.",
		},
		Metrics: []report.Metric{
			{Key: "rate", Name: "rate", Unit: "calls/s", Digits: 0},
			{Key: "cpu", Name: "CPU of the client", Unit: "µs/call", Digits: 1},
			{Key: "calls", Name: "calls", Digits: 0},
		},
	}
	add := func(s systems.System, calls, slots int) {
		work := load.Load{Batches: load.Split(make([]time.Duration, calls), batchSize, slots), Slots: slots}
		m.Rows = append(m.Rows, Contender{s.Name, s.Durability, s.Settings,
			func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
				return timeThroughput(ctx, l, s, work)
			}})
	}
	add(systems.Semaphore(), calls, slots)
	for _, s := range systems.Outdial() {
		add(s, calls, slots)
	}
	add(systems.RiverFast(slots), calls, slots)
	add(systems.RiverFast(fewerSlots), calls, fewerSlots)
	add(systems.RiverDefault(), calls, slots)
	add(systems.RiverSQLite(), fewer, slots)
	add(systems.Asynq(false, false), calls, slots)
	add(systems.Asynq(true, false), fewer, slots)
	goals := []Goal{
		{
			Text: "PostgreSQL ≥ 1.5 × River tuned with as many workers", Unit: " ×",
			Value: ratio("rate", "outdial, PostgreSQL", systems.RiverFast(slots).Name), Least: 1.5,
		},
		{
			Text: "SQLite ≥ 15 × River on SQLite", Unit: " ×",
			Value: ratio("rate", "outdial, SQLite", systems.RiverSQLite().Name), Least: 15,
		},
	}
	m.sumUp(plainLine("calls that take no time, 1/s", "rate", 0,
		"PostgreSQL ≥ 1.5 × River's with as many workers, SQLite ≥ 15 × River's", goals,
		systems.RiverFast(slots).Name, systems.RiverSQLite().Name, systems.Asynq(false, false).Name,
		systems.Asynq(true, false).Name))
	return m
}

// batchSize is that of large batches: the most that the HTTP contract admits.
const batchSize = 5_000

func timeThroughput(ctx context.Context, l *lab.Lab, s systems.System, work load.Load) (report.Sample, error) {
	var used time.Duration
	inner := s.Queue
	s.Queue = func(ctx context.Context, l *lab.Lab, w *load.Watch) (systems.Job, error) {
		job, err := inner(ctx, l, w)
		return clocked{job, &used}, err
	}
	w, durable, err := s.Time(ctx, l, work)
	if err != nil {
		return nil, err
	}
	n := float64(work.Total())
	return report.Sample{
		"rate": n / (durable - firstBegin(w.Spans())).Seconds(), "calls": n, "cpu": micros(used) / n,
	}, nil
}

// clocked notes the CPU time that the job takes, without what comes before and after.
type clocked struct {
	systems.Job

	used *time.Duration
}

func (c clocked) Run(ctx context.Context) (time.Time, error) {
	before := cpu()
	end, err := c.Job.Run(ctx)
	*c.used = cpu() - before
	return end, err
}
