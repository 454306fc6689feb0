package report_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/benchmarks/internal/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNumber(t *testing.T) {
	for want, of := range map[string]struct {
		v      float64
		digits int
	}{
		"1,234,567": {1234567.4, 2}, "-1,234": {-1234, 0}, "123.5": {123.45, 2}, "12.35": {12.345, 2}, "0.0023": {0.00234, 1},
		"0.00": {0, 2}, "0.97": {0.971, 2}, "–": {math.NaN(), 1}, "7": {7.2, 0},
	} {
		require.Equal(t, want, report.Number(of.v, of.digits))
	}
}

func TestStat(t *testing.T) {
	s, ok := report.StatOf([]float64{3, math.NaN(), 1, 2})
	require.True(t, ok)
	require.Equal(t, report.Stat{Median: 2, Min: 1, Max: 3}, s)
	s, _ = report.StatOf([]float64{1, 4})
	require.InDelta(t, 2.5, s.Median, 0)
	_, ok = report.StatOf([]float64{math.NaN()})
	require.False(t, ok)
}

func sample() *report.Report {
	return &report.Report{
		Started: "today", Rounds: 2, Size: "tiny", Facts: []report.Fact{{Name: "machine", Value: "one"}},
		Missing: []string{"redis-server is missing: apt-get install redis-server"},
		Results: []*report.Result{{
			Name: "slots", Title: "Slots <&>", Work: "Some work.", Notes: []string{"A note."},
			Metrics: []report.Metric{{Key: "a", Name: "share", Unit: "%", Digits: 1}, {Key: "b", Name: "more"}},
			Rows: []*report.Row{
				{Name: "outdial, memory", Durability: "none, at all", Rounds: []report.Sample{{"a": 99}, {"a": 97}}},
				{Name: "a peer", Durability: "fsync", Settings: "tuned", Rounds: []report.Sample{nil, nil}, Missing: "no server"},
			},
			Lines: []report.Line{
				{Text: "share, %", Ours: map[string]string{"memory": "98"}, Others: []string{"a peer 3"}, Goal: "≥ 9", Goals: 2, Met: 2},
				{Text: "more", Goal: "≤ 2", Goals: 3, Met: 1, Unmeasured: 1, Missed: []string{"all: 4"}},
			},
			Verdicts: []report.Verdict{
				{Goal: "at least 99", Got: "98", Measured: true},
				{Goal: "at most 99", Got: "98", Measured: true, Met: true}, {Goal: "of a peer", Got: "–"},
			},
		}},
	}
}

func TestMarkdown(t *testing.T) {
	text := sample().Markdown()
	for _, line := range []string{
		"- missing: redis-server is missing: apt-get install redis-server",
		"| share, % | 98 |  |  | a peer 3 | ≥ 9 | met |",
		"| more |  |  |  |  | ≤ 2 | **missed** 1 of 3: all: 4; 1 of 3 not measured |",
		"| contender | durability | share, % | more |",
		"| outdial, memory | none, at all | 98.0 (97.0 to 99.0) | – |",
		"| a peer (tuned) | fsync | – | – |", "- a peer: no server", "- A note.",
		"| at least 99 | 98 | **missed** |", "| at most 99 | 98 | met |", "| of a peer | – | not measured |",
	} {
		require.Contains(t, text, line+"\n")
	}
}

func TestSVGIsXMLWithABarForEachContender(t *testing.T) {
	text := sample().SVG()
	bars := 0
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	require.Equal(t, 1, bars, "the peer has no figure")
	require.Contains(t, text, "Slots &lt;&amp;&gt;")
	r := sample()
	alone := &report.Result{
		Title: "Alone", Metrics: r.Results[0].Metrics,
		Rows: []*report.Row{{Name: "outdial, memory", Rounds: []report.Sample{{"a": 1}}}},
	}
	r.Results = append(r.Results, alone)
	require.NotContains(t, r.SVG(), "Alone")
	r.Results = r.Results[1:]
	require.Contains(t, r.SVG(), "Alone")
}

func TestFiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "results")
	require.NoError(t, sample().Write(folder))
	text, err := os.ReadFile(filepath.Join(folder, "results.json"))
	require.NoError(t, err)
	var got report.Report
	require.NoError(t, json.Unmarshal(text, &got))
	require.InDelta(t, 97, got.Results[0].Rows[0].Rounds[1]["a"], 0)
	for _, name := range []string{"results.md", "summary.md", "chart.svg"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.NotEmpty(t, text)
	}
}
