package measure

import (
	"strings"

	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
)

// Line is what a reader in a hurry learns of a measure: a figure of outdial over each of its stores, what others
// reach, and whether the goals were met.
type Line struct {
	Text   string // what the figures are, with their unit
	Digits int
	Ours   map[string]func(At) float64 // by the name of the store
	Others []Other
	Goal   string // all goals that Goals has, in a few words
	Goals  []Goal
}

// Other is a peer's or a floor's figure.
type Other struct {
	Name  string
	Value func(At) float64
}

// plainLine is a line of a metric that outdial's rows have over each store, and so do the others' rows.
func plainLine(text, metric string, digits int, goal string, goals []Goal, others ...string) Line {
	l := Line{Text: text, Digits: digits, Ours: map[string]func(At) float64{}, Goal: goal, Goals: goals}
	for _, s := range systems.Stores() {
		l.Ours[s.Name] = figure(metric, "outdial, "+s.Name)
	}
	for _, name := range others {
		l.Others = append(l.Others, Other{name, figure(metric, name)})
	}
	return l
}

// of is what the line says of a result.
func (l Line) of(r *report.Result) report.Line {
	out := report.Line{Text: l.Text, Goal: l.Goal, Ours: map[string]string{}}
	for store, value := range l.Ours {
		out.Ours[store] = l.cell(r, value)
	}
	for _, o := range l.Others {
		out.Others = append(out.Others, strings.TrimPrefix(o.Name, "floor: ")+" "+l.cell(r, o.Value))
	}
	for _, g := range l.Goals {
		v := g.verdict(r)
		out.Goals++
		switch {
		case !v.Measured:
			out.Unmeasured++
		case !v.Judged():
			out.Unjudged++
		case v.Met:
			out.Met++
			if v.Close {
				out.Close = append(out.Close, g.Text+": "+v.Got)
			}
		default:
			out.Missed = append(out.Missed, missed(v))
		}
	}
	return out
}

// missed is a goal and what was reached instead.
func missed(v report.Verdict) string {
	median, _, _ := strings.Cut(v.Got, " (")
	if v.Close {
		median += ", " + report.WithinNoise
	}
	return v.Goal + ": " + median
}

func (l Line) cell(r *report.Result, value func(At) float64) string {
	all, failed := perRound(r, value)
	if failed {
		return "failed"
	}
	s, ok := report.StatOf(all)
	if !ok {
		return "–"
	}
	return report.Number(s.Median, l.Digits)
}
