package measure

import (
	"context"
	"errors"
	"fmt"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
)

// Nodes measures what several nodes over one database reach together.
func Nodes(size Size) Measure {
	calls, slots, many := size.of(40_000, 10_000, 200), size.of(1_000, 1_000, 20), size.of(40, 40, 4)
	m := Measure{
		Name:  "nodes",
		Title: "Nodes over one PostgreSQL",
		Work: fmt.Sprintf("%d calls that take no time, of one organisation or of %d, %d slots together, dialled by so many "+
			"nodes; from the first begin of a call until all outcomes are written.", calls, many, slots),
		Notes: []string{
			"Each node is an engine with a store and connections of its own; all are in this process, on this machine, with " +
				"the database: rates rise until one of these is the limit.",
		},
		Metrics: []report.Metric{
			{Key: "rate", Name: "rate", Unit: "calls/s", Digits: 0},
			{Key: "cpu", Name: "CPU of the nodes", Unit: "µs/call", Digits: 1},
		},
	}
	kind := systems.Stores()[2]
	name := func(nodes, orgs int) string { return fmt.Sprintf("outdial, nodes: %d, organisations: %d", nodes, orgs) }
	for _, orgs := range []int{1, many} {
		for _, nodes := range []int{1, 2, 4} {
			m.add(name(nodes, orgs), kind.Durability, kind.Settings+" each",
				func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
					return dialTogether(ctx, l, nodes, orgs, calls/orgs, slots/orgs)
				})
		}
	}
	of := func(nodes, orgs int) func(At) float64 { return ratio("rate", name(nodes, orgs), name(1, orgs)) }
	line := func(text, goal string, orgs int, goals ...Goal) Line {
		ours := map[string]func(At) float64{kind.Name: of(4, orgs)}
		return Line{Text: text, Digits: 2, Goal: goal, Goals: goals, Ours: ours}
	}
	goal := func(nodes, orgs int, text string) Goal {
		return Goal{Text: fmt.Sprintf(text, nodes), Unit: " ×", Value: of(nodes, orgs), Least: 1}
	}
	m.sumUp(
		line("calls of one organisation, 4 nodes × 1 node", "2 and 4 nodes ≥ 1", 1,
			goal(2, 1, "one organisation: %d nodes ≥ one"), goal(4, 1, "one organisation: %d nodes ≥ one")),
		line(fmt.Sprintf("calls of %d organisations, 4 nodes × 1 node", many), "2 and 4 nodes above 1", many,
			goal(2, many, fmt.Sprintf("%d organisations: %%d nodes above one", many)),
			goal(4, many, fmt.Sprintf("%d organisations: %%d nodes above one", many))))
	return m
}

func dialTogether(ctx context.Context, l *lab.Lab, nodes, orgs, each, limit int) (s report.Sample, err error) {
	limits, c := systems.Limits{}, &systems.Carrier{}
	names := orgNames("org", orgs, limit, limits)
	all, err := systems.NewNodes(ctx, l, limits, c, nodes)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, b := range all {
			err = errors.Join(err, b.Stop())
		}
		for i := range all { // the first one, whose database it is, is the last
			err = errors.Join(err, all[len(all)-1-i].Close())
		}
	}()
	if err := create(ctx, all[0], names, each, limit); err != nil {
		return nil, err
	}
	if err := l.Settle(ctx); err != nil {
		return nil, err
	}
	used := cpu()
	for _, b := range all {
		b.Run(ctx)
	}
	s, err = untilIdle(ctx, all[0], 0, orgs*each, used)
	if err != nil {
		return nil, err
	}
	s["rate"] = 1e6 / s["us"]
	delete(s, "us")
	return s, nil
}
