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
	Digits int    `json:"-"` // behind the point; more for small numbers
}

// Sample is what one contender reached in one round, by the keys of the metrics.
type Sample map[string]float64

// Row is one contender of a measure.
type Row struct {
	Name       string `json:"name"`
	Durability string `json:"durability"` // what a power cut can take away
	Settings   string `json:"settings"`   // all that differs from the defaults

	Rounds  []Sample `json:"rounds"`            // nil where the round failed
	Missing string   `json:"missing,omitempty"` // what it lacks, or why it failed
}

// Stat is the median of the rounds, with the least and the most.
type Stat struct{ Median, Min, Max float64 }

// Stat of a metric; false where no round has it.
func (r *Row) Stat(key string) (Stat, bool) {
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
	return Stat{Median: median, Min: all[0], Max: all[len(all)-1]}, true
}

// Verdict is whether a goal was met. A goal is worked out in each round, so that the machine's
// drift from one round to the next does not count, and the median decides.
type Verdict struct {
	Goal     string `json:"goal"`
	Got      string `json:"got"`
	Measured bool   `json:"measured"` // false: what it compares was not there
	Met      bool   `json:"met"`
}

// Line is a line of the table that sums the measures up.
type Line struct {
	Text       string            `json:"text"` // what the figures are
	Ours       map[string]string `json:"ours"` // medians of outdial's, by store
	Others     []string          `json:"others"`
	Goal       string            `json:"goal"`
	Goals      int               `json:"goals"` // how many there are
	Met        int               `json:"met"`
	Unmeasured int               `json:"unmeasured"`
	Missed     []string          `json:"missed"` // each with what was reached
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
