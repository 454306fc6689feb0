// Package measure has what is measured, one measure a file, and runs it: each round has every contender
// once, one after the other, so that a machine which drifts does so for all of them.
package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/store/postgres/pgtest"
)

// Measure is a question, and who is asked.
type Measure struct {
	Name    string // as the command line has it
	Title   string
	Work    string
	Notes   []string
	Metrics []report.Metric // the chart shows the first
	Rows    []Contender
	Goals   []Goal
	Lines   []Line // of the table that sums the measures up
}

// Contender is asked once in each round.
type Contender struct {
	Name       string
	Durability string
	Settings   string
	Run        func(ctx context.Context, l *lab.Lab) (report.Sample, error)
}

// Goal is what shall be reached within one run.
type Goal struct {
	Text  string
	Unit  string
	Value func(at At) float64 // in one round; NaN where something of it is missing
	Least float64             // 0: no bound
	Most  float64             // 0: no bound
}

// At is what the contender of that name reached in a round, NaN where it was not there.
type At func(contender, metric string) float64

// Size is how much work there is.
type Size uint8

// The sizes.
const (
	Full  Size = iota // as the goals are meant
	Short             // some seconds each: a look
	Tiny              // as little as gives a table: a test of the benchmarks themselves
)

// String is the size's name.
func (s Size) String() string { return [...]string{"full", "short", "tiny"}[s] }

// of picks a number for the size.
func (s Size) of(full, short, tiny int) int { return [...]int{full, short, tiny}[s] }

// Options are how to measure.
type Options struct {
	Rounds   int
	Log      io.Writer // is told what happens as it happens
	Profiles string    // folder for profiles of each contender's last round; empty: none
}

// Run measures.
func (m *Measure) Run(ctx context.Context, l *lab.Lab, o Options) (*report.Result, error) {
	begun := time.Now()
	res := &report.Result{Name: m.Name, Title: m.Title, Work: m.Work, Notes: m.Notes, Metrics: m.Metrics}
	for _, c := range m.Rows {
		res.Rows = append(res.Rows, &report.Row{Name: c.Name, Durability: c.Durability, Settings: c.Settings})
	}
	for round := range o.Rounds {
		for i, c := range m.Rows {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			m.ask(ctx, l, o, round, c, res.Rows[i])
		}
	}
	for _, g := range m.Goals {
		res.Verdicts = append(res.Verdicts, g.verdict(res))
	}
	for _, line := range m.Lines {
		res.Lines = append(res.Lines, line.of(res))
	}
	res.Seconds = time.Since(begun).Seconds()
	return res, nil
}

// ask has a contender do its work once. One that failed before is not asked again: it has no figure any more.
func (m *Measure) ask(ctx context.Context, l *lab.Lab, o Options, round int, c Contender, row *report.Row) {
	if row.Missing+row.Failed != "" {
		row.Rounds = append(row.Rounds, nil)
		return
	}
	begun := time.Now()
	sample, err := c.run(ctx, l, o.Profiles, profileName(m.Name, c.Name))
	switch {
	case err == nil:
	case errors.Is(err, lab.ErrMissing), errors.Is(err, pgtest.ErrMissing):
		row.Missing = err.Error()
	default:
		row.Failed = fmt.Sprintf("round %d: %v", round+1, err)
	}
	row.Rounds = append(row.Rounds, sample)
	fmt.Fprintf(o.Log, "%s %d/%d %s:%s (%.1f s in all)\n",
		m.Name, round+1, o.Rounds, c.Name, m.line(sample, err), time.Since(begun).Seconds())
}

// patience is how long a contender may take for one round; who takes longer has failed.
const patience = 10 * time.Minute

func (c Contender) run(ctx context.Context, l *lab.Lab, profiles, name string) (_ report.Sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stop, err := profile(ctx, l, profiles, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return c.Run(ctx, l)
}

func (m *Measure) line(s report.Sample, err error) string {
	if err != nil {
		return " " + err.Error()
	}
	var parts []string
	for _, metric := range m.Metrics {
		if v, ok := s[metric.Key]; ok {
			number := report.Number(v, metric.Digits)
			parts = append(parts, strings.TrimSpace(metric.Name+" "+number+" "+metric.Unit))
		}
	}
	return " " + strings.Join(parts, "; ")
}

func (g Goal) verdict(r *report.Result) report.Verdict {
	v := report.Verdict{Goal: g.Text, Got: "–"}
	all, failed := perRound(r, g.Value)
	s, ok := report.StatOf(all)
	if failed {
		v.Got = "failed"
	}
	if failed || !ok {
		return v
	}
	v.Measured, v.Rounds = true, s.Rounds
	v.Met, v.Close = true, false
	for _, margin := range g.margins(s.Median) {
		v.Met = v.Met && margin >= 0
		v.Close = v.Close || math.Abs(margin) < s.Max-s.Min
	}
	const digits = 2
	v.Got = fmt.Sprintf("%s%s (%s to %s)", report.Number(s.Median, digits), g.Unit,
		report.Number(s.Min, digits), report.Number(s.Max, digits))
	return v
}

// margins are by how much the value is on the good side of each bound, below 0 where it is not.
func (g Goal) margins(value float64) (out []float64) {
	if g.Least != 0 {
		out = append(out, value-g.Least)
	}
	if g.Most != 0 {
		out = append(out, g.Most-value)
	}
	return out
}

// perRound works a value out within each round. failed: of a row that failed.
func perRound(r *report.Result, value func(At) float64) (all []float64, failed bool) {
	if len(r.Rows) == 0 {
		return nil, false
	}
	for round := range r.Rows[0].Rounds {
		all = append(all, value(func(contender, metric string) float64 {
			for _, row := range r.Rows {
				if row.Name != contender {
					continue
				}
				failed = failed || row.Failed != ""
				if v, ok := row.Rounds[round][metric]; ok && row.Failed == "" {
					return v
				}
			}
			return math.NaN()
		}))
	}
	return all, failed
}

// ratio is one contender's figure over another's.
func ratio(metric, one, other string) func(At) float64 {
	return func(at At) float64 { return at(one, metric) / at(other, metric) }
}

// atMost is the goal that one contender's figure over another's is no more than that.
func atMost(text string, most float64, metric, one, other string) Goal {
	return Goal{Text: text, Unit: " ×", Value: ratio(metric, one, other), Most: most}
}

// figure is a contender's own.
func figure(metric, one string) func(At) float64 {
	return func(at At) float64 { return at(one, metric) }
}

// lead is by how much one contender's figure is above another's.
func lead(metric, one, other string) func(At) float64 {
	return func(at At) float64 { return at(one, metric) - at(other, metric) }
}

// sumUp adds lines to the table that sums the measures up, and their goals.
func (m *Measure) sumUp(lines ...Line) {
	for _, l := range lines {
		m.Lines = append(m.Lines, l)
		m.Goals = append(m.Goals, l.Goals...)
	}
}

// All are the measures, the most important first.
func All(size Size) []Measure {
	return []Measure{
		Slots(size), Throughput(size), Create(size), TwoLimits(size), Fairness(size), Organisations(size), Depth(size),
		Memory(size), Lifecycle(size), Reads(size), Nodes(size), Floor(size),
	}
}
