package measure_test

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/measure"
	"github.com/outdial/outdial/benchmarks/internal/report"
)

// contender reaches a figure more in each round, and fails from a round on.
func contender(name string, order *[]string, first float64, failing int) measure.Contender {
	round := 0
	return measure.Contender{Name: name, Run: func(context.Context, *lab.Lab) (report.Sample, error) {
		*order = append(*order, name)
		if round++; round >= failing {
			return nil, errors.New("broke down")
		}
		return report.Sample{"x": first * float64(round)}, nil
	}}
}

func TestRoundsAreInterleavedAndGoalsAreOfOneRound(t *testing.T) {
	var order []string
	const never = 100
	ratio := func(at measure.At) float64 { return at("a", "x") / at("b", "x") }
	none := func(at measure.At) float64 { return at("a", "x") - at("c", "x") }
	m := measure.Measure{
		Name: "m", Rows: []measure.Contender{
			contender("a", &order, 3, never), contender("b", &order, 2, never), contender("c", &order, 1, 2),
		},
		Goals: []measure.Goal{
			{Text: "met", Value: ratio, Least: 1.5}, {Text: "missed", Value: ratio, Least: 1.51}, {Text: "above", Value: ratio, Most: 1.4},
			{Text: "of who failed too", Value: none, Least: 2},
			{Text: "median 6", Value: func(at measure.At) float64 { return at("a", "x") }, Least: 6.1},
			{Text: "median 6", Value: func(at measure.At) float64 { return at("a", "x") }, Most: 5.9},
			{Text: "absent", Value: func(at measure.At) float64 { return at("d", "x") }, Least: 1},
			{Text: "of who failed", Value: func(at measure.At) float64 { return at("c", "x") }, Least: 1},
		},
	}
	res, err := m.Run(t.Context(), nil, measure.Options{Rounds: 3, Log: io.Discard})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c", "a", "b", "c", "a", "b"}, order, "who broke down is not asked again")
	require.Equal(t, "round 2: broke down", res.Rows[2].Failed)
	require.Len(t, res.Rows[2].Rounds, 3)
	require.Equal(t, []string{"m: c: round 2: broke down"}, (&report.Report{Results: []*report.Result{res}}).Failures())
	_, ok := res.Rows[2].Stat("x")
	require.False(t, ok, "its first round counts no more")
	type is struct{ measured, met, near bool }
	for i, want := range []is{
		{true, true, false}, {true, false, false}, {true, false, false}, {}, {true, false, true}, {true, false, true}, {}, {},
	} {
		v := res.Verdicts[i]
		require.Equal(t, want, is{v.Measured, v.Met, v.Close}, v.Goal)
		require.Equal(t, want.measured, v.Judged(), v.Goal)
	}
	require.Equal(t, "failed", res.Verdicts[3].Got)
	require.Equal(t, "1.50 (1.50 to 1.50)", res.Verdicts[0].Got)
}

func TestEachContenderOfAMeasureHasItsOwnName(t *testing.T) {
	for _, size := range []measure.Size{measure.Full, measure.Short, measure.Tiny} {
		names := map[string]bool{}
		for _, m := range measure.All(size) {
			require.False(t, names[m.Name], m.Name)
			names[m.Name] = true
			rows := map[string]bool{}
			for _, c := range m.Rows {
				require.False(t, rows[c.Name], "%s: %s", m.Name, c.Name)
				rows[c.Name] = true
				require.NotEmpty(t, c.Durability, c.Name)
			}
			goalsNameContenders(t, m, rows)
			linesHaveAllGoals(t, m)
		}
	}
}

// A goal that names a contender which there is not would never be missed.
func goalsNameContenders(t *testing.T, m measure.Measure, rows map[string]bool) {
	t.Helper()
	keys := map[string]bool{}
	for _, metric := range m.Metrics {
		keys[metric.Key] = true
	}
	for _, g := range m.Goals {
		asked := 0
		v := g.Value(func(contender, metric string) float64 {
			asked++
			require.True(t, rows[contender], "%s: %s", g.Text, contender)
			require.True(t, keys[metric], "%s: %s", g.Text, metric)
			return math.NaN()
		})
		require.Positive(t, asked, g.Text)
		require.True(t, math.IsNaN(v), "%s: what is missing must not meet it", g.Text)
		require.True(t, g.Least != 0 || g.Most != 0, g.Text)
	}
}

// A goal that no line of the summary has would be missed in silence.
func linesHaveAllGoals(t *testing.T, m measure.Measure) {
	t.Helper()
	goals := 0
	for _, l := range m.Lines {
		goals += len(l.Goals)
		require.NotEmpty(t, l.Goal, l.Text)
		require.NotEmpty(t, l.Ours, l.Text)
	}
	require.Len(t, m.Goals, goals, m.Name)
}

func TestLineSumsUp(t *testing.T) {
	var order []string
	const never = 100
	of := func(name string) func(measure.At) float64 {
		return func(at measure.At) float64 { return at(name, "x") }
	}
	m := measure.Measure{
		Name: "m", Rows: []measure.Contender{contender("a", &order, 3, never), contender("b", &order, 2, never)},
		Lines: []measure.Line{{
			Text: "x", Goal: "≥ 3", Ours: map[string]func(measure.At) float64{"memory": of("a")},
			Others: []measure.Other{{Name: "floor: b", Value: of("b")}, {Name: "c", Value: of("c")}},
			Goals: []measure.Goal{
				{Text: "met", Value: of("a"), Least: 6}, {Text: "missed", Value: of("a"), Least: 7}, {Text: "absent", Value: of("c"), Most: 1},
			},
		}},
	}
	res, err := m.Run(t.Context(), nil, measure.Options{Rounds: 3, Log: io.Discard})
	require.NoError(t, err)
	few, err := m.Run(t.Context(), nil, measure.Options{Rounds: 2, Log: io.Discard})
	require.NoError(t, err)
	require.Equal(t, report.Line{
		Text: "x", Goal: "≥ 3", Ours: map[string]string{"memory": "14"}, Others: []string{"b 9", "c –"}, Goals: 3, Unmeasured: 1, Unjudged: 2,
	}, few.Lines[0], "two rounds decide nothing")
	require.Equal(t, []report.Line{{
		Text: "x", Goal: "≥ 3", Ours: map[string]string{"memory": "6"}, Others: []string{"b 4", "c –"},
		Goals: 3, Met: 1, Close: []string{"met: 6.00 (3.00 to 9.00)"}, Unmeasured: 1, Missed: []string{"missed: 6.00, within the noise"},
	}}, res.Lines)
}
