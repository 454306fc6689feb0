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
	require.Equal(t, report.Stat{Median: 2, Min: 1, Max: 3, Rounds: 3}, s)
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
			Metrics: []report.Metric{{Key: "a", Name: "share", Unit: "%", Digits: 1}, {Key: "b", Name: "more", Less: true}},
			Rows: []*report.Row{
				{Name: "outdial, memory", Durability: "none, at all", Rounds: []report.Sample{{"a": 99}, {"a": 97}}},
				{Name: "outdial, SQLite", Durability: "fsync", Rounds: []report.Sample{{"a": 99}, nil}, Failed: "round 2: called twice"},
				{Name: "a peer", Durability: "fsync", Settings: "tuned", Rounds: []report.Sample{nil, nil}, Missing: "no server"},
			},
			Lines: []report.Line{
				{Text: "share, %", Ours: map[string]string{"memory": "98"}, Others: []string{"a peer 3"}, Goal: "≥ 9", Goals: 2, Met: 2},
				{Text: "more", Goal: "≤ 2", Goals: 3, Met: 1, Unmeasured: 1, Missed: []string{"all: 4"}},
				{Text: "less", Goal: "≤ 3", Goals: 3, Met: 2, Close: []string{"some: 3"}, Unjudged: 1},
			},
			Verdicts: []report.Verdict{
				{Goal: "at least 99", Got: "98", Measured: true, Rounds: 3}, {Goal: "of a peer", Got: "–"},
				{Goal: "at most 99", Got: "98", Measured: true, Rounds: 3, Met: true},
				{Goal: "at most 98.1", Got: "98", Measured: true, Rounds: 4, Met: true, Close: true},
				{Goal: "at least 98.1", Got: "98", Measured: true, Rounds: 4, Close: true},
				{Goal: "now and then", Got: "98", Measured: true, Rounds: 2, Met: true},
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
		"| less |  |  |  |  | ≤ 3 | within the noise: some: 3; 1 of 3 not judged, of too few rounds |",
		"- **failed**: slots: outdial, SQLite: round 2: called twice",
		"| outdial, SQLite | fsync | failed | failed |", "- outdial, SQLite: round 2: called twice",
		"| contender | durability | share, % | more |",
		"| outdial, memory | none, at all | 98.0 (97.0 to 99.0) | – |",
		"| a peer (tuned) | fsync | – | – |", "- a peer: no server", "- A note.",
		"| at least 99 | 98 | **missed** |", "| at most 99 | 98 | met |",
		"| at most 98.1 | 98 | met, within the noise |", "| at least 98.1 | 98 | **missed**, within the noise |",
		"| now and then | 98 | not judged: of 2 rounds, want 3 |", "| of a peer | – | not measured |",
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
	require.Equal(t, 1, bars, "who failed has no figure, nor has the peer")
	require.Contains(t, text, "Slots &lt;&amp;&gt;")
	require.Contains(t, text, "share, % (longer bars are better)")
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
	require.NoError(t, sample().Write(folder), "again")
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 4, "nothing else is left")
	for _, name := range []string{"results.md", "summary.md", "chart.svg"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.NotEmpty(t, text)
	}
}

// Results of another run are not lost where new ones cannot be written.
func TestFilesStayWhereOthersCannotBeWritten(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, report.Try(folder))
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, files)
	old := filepath.Join(folder, "results.md")
	require.NoError(t, os.Mkdir(old, 0o700), "in the way of the file")
	require.NoError(t, os.WriteFile(filepath.Join(old, "old"), nil, 0o600))
	require.ErrorContains(t, sample().Write(folder), "results.md")
	require.FileExists(t, filepath.Join(old, "old"))
	require.ErrorContains(t, report.Try(filepath.Join(old, "old", "results")), "not a directory")
}
