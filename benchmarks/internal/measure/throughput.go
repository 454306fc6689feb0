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
	calls := size.of(100_000, 20_000, 300)
	slots, fewerSlots := size.of(1_000, 1_000, 50), size.of(100, 100, 20)
	m := Measure{
		Name:  "throughput",
		Title: "Throughput of calls that take no time",
		Work: fmt.Sprintf("%d calls in batches of %d at most, %d slots unless it says otherwise, queued before the first "+
			"begins; from the first begin of a call until the outcome of the last one is as durable as the row says.",
			calls, batchSize, slots),
		Notes: []string{
			"Each call is written twice: that it begins, before it begins, and how it ended.",
			"River writes how jobs ended from time to time, so that it waits in the end, up to a quarter of a second, for no " +
				"more to come. Goals take River until the last call's end, without what it writes after that, and outdial until " +
				"everything is durable.",
			"CPU is that of the benchmark's process, which has SQLite in it, but not the servers.",
		},
		Metrics: []report.Metric{
			{Key: "rate", Name: "rate", Unit: "calls/s", Digits: 0},
			{Key: "ended", Name: "until the last call's end", Unit: "calls/s", Digits: 0},
			{Key: "cpu", Name: "CPU of the client", Unit: "µs/call", Digits: 1},
		},
	}
	add := func(s systems.System, slots int) {
		work := load.Load{Batches: load.Split(make([]time.Duration, calls), batchSize, slots), Slots: slots}
		m.Rows = append(m.Rows, Contender{s.Name, s.Durability, s.Settings,
			func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
				return timeThroughput(ctx, l, s, work)
			}})
	}
	add(systems.Semaphore(), slots)
	for _, s := range systems.Outdial() {
		add(s, slots)
	}
	add(systems.RiverFast(slots), slots)
	add(systems.RiverFast(fewerSlots), fewerSlots)
	add(systems.RiverDefault(), slots)
	add(systems.RiverSQLite(), slots)
	add(systems.Asynq(false, false), slots)
	add(systems.Asynq(true, false), slots)
	goals := []Goal{
		{
			Text: "PostgreSQL ≥ 1.5 × River tuned with as many workers", Unit: " ×",
			Value: overRiver("outdial, PostgreSQL", systems.RiverFast(slots).Name), Least: 1.5,
		},
		{
			Text: "SQLite ≥ 15 × River on SQLite", Unit: " ×",
			Value: overRiver("outdial, SQLite", systems.RiverSQLite().Name), Least: 15,
		},
	}
	m.sumUp(plainLine("calls that take no time, 1/s", "rate", 0,
		"PostgreSQL ≥ 1.5 × River's with as many workers, SQLite ≥ 15 × River's", goals,
		systems.RiverFast(slots).Name, systems.RiverSQLite().Name, systems.Asynq(false, false).Name,
		systems.Asynq(true, false).Name))
	return m
}

// overRiver is a rate over River's, which is spared its wait in the end.
func overRiver(ours, river string) func(At) float64 {
	return func(at At) float64 { return at(ours, "rate") / at(river, "ended") }
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
	n, begun := float64(work.Total()), firstBegin(w.Spans())
	return report.Sample{
		"rate": n / (durable - begun).Seconds(), "ended": n / (load.LastEnd(w.Spans()) - begun).Seconds(),
		"cpu": micros(used) / n,
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
