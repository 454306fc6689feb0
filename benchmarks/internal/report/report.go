// Package report holds what a run of the benchmarks found, and writes it as Markdown, JSON and SVG.
package report

import (
	"cmp"
	"math"
	"slices"
)

// Metric is something that a measure reads of each contender.
type Metric struct {
	Key    string `json:"key"`
	Name   string `json:"name"`
	Unit   string `json:"unit"`
	Digits int    `json:"-"`                        // behind the point; more for small numbers
	Less   bool   `json:"less_is_better,omitempty"` // which the chart says
}

// Sample is what one contender reached in one round, by the keys of the metrics.
type Sample map[string]float64

// Row is one contender of a measure.
type Row struct {
	Name       string `json:"name"`
	Durability string `json:"durability"` // what a power cut can take away
	Settings   string `json:"settings"`   // all that differs from the defaults

	Rounds  []Sample `json:"rounds"`            // nil where there was none, or it failed
	Missing string   `json:"missing,omitempty"` // the server that it lacks
	Failed  string   `json:"failed,omitempty"`  // in which round, and why
}

// Stat is the median of the rounds, with the least and the most.
type Stat struct {
	Median, Min, Max float64
	Rounds           int
}

// Stat of a metric; false where no round has it, and where any round failed: who did wrong once has no figure.
func (r *Row) Stat(key string) (Stat, bool) {
	if r.Failed != "" {
		return Stat{}, false
	}
	var all []float64
	for _, s := range r.Rounds {
		if v, ok := s[key]; ok {
			all = append(all, v)
		}
	}
	return StatOf(all)
}

// StatOf the values that are numbers; false where there are none.
func StatOf(all []float64) (Stat, bool) {
	all = slices.DeleteFunc(slices.Clone(all), math.IsNaN)
	if len(all) == 0 {
		return Stat{}, false
	}
	slices.SortFunc(all, cmp.Compare)
	const half = 2
	median := all[len(all)/half]
	if len(all)%half == 0 {
		median = (median + all[len(all)/half-1]) / half
	}
	return Stat{Median: median, Min: all[0], Max: all[len(all)-1], Rounds: len(all)}, true
}

// Verdict is whether a goal was met. A goal is worked out in each round, so that the machine's
// drift from one round to the next does not count, and the median decides.
type Verdict struct {
	Goal     string `json:"goal"`
	Got      string `json:"got"`
	Measured bool   `json:"measured"` // false: what it compares was not there, or failed
	Rounds   int    `json:"rounds"`   // in how many it was worked out; fewer than LeastRounds are not judged
	Met      bool   `json:"met"`
	Close    bool   `json:"within_noise"` // met or missed by less than the rounds lie apart
}

// LeastRounds is of how many rounds a median decides.
const LeastRounds = 3

// Judged says whether the verdict is one.
func (v Verdict) Judged() bool { return v.Measured && v.Rounds >= LeastRounds }

// WithinNoise follows what was reached by less than the rounds lie apart.
const WithinNoise = "within the noise"

// Line is a line of the table that sums the measures up.
type Line struct {
	Text       string            `json:"text"` // what the figures are
	Ours       map[string]string `json:"ours"` // medians of outdial's, by store
	Others     []string          `json:"others"`
	Goal       string            `json:"goal"`
	Goals      int               `json:"goals"` // how many there are
	Met        int               `json:"met"`
	Close      []string          `json:"met_within_noise"`
	Unmeasured int               `json:"unmeasured"`
	Unjudged   int               `json:"unjudged"` // too few rounds
	Missed     []string          `json:"missed"`   // each with what was reached
}

// Result is what came of one measure.
type Result struct {
	Name     string    `json:"name"`
	Title    string    `json:"title"`
	Work     string    `json:"work"`  // what is done, in how many sizes
	Notes    []string  `json:"notes"` // what it compares, and what it does not
	Metrics  []Metric  `json:"metrics"`
	Rows     []*Row    `json:"rows"`
	Verdicts []Verdict `json:"verdicts"`
	Lines    []Line    `json:"lines"`
	Seconds  float64   `json:"seconds"`
}

// Fact is something to know of the machine or the versions.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Report is a whole run.
type Report struct {
	Started string    `json:"started"`
	Rounds  int       `json:"rounds"`
	Size    string    `json:"size"`
	Facts   []Fact    `json:"facts"`
	Missing []string  `json:"missing"` // servers that are not there
	Results []*Result `json:"results"`
}

// Failures are the rows that failed, each with its measure and why.
func (r *Report) Failures() []string {
	var out []string
	for _, res := range r.Results {
		for _, row := range res.Rows {
			if row.Failed != "" {
				out = append(out, res.Name+": "+row.Name+": "+row.Failed)
			}
		}
	}
	return out
}
