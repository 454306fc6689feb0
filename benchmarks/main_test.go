package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/benchmarks/internal/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The program itself: every contender of every measure works, and the table, the verdicts and the chart come out, with
// so little work that no figure means anything.
func TestEverythingRuns(t *testing.T) {
	out, profiles := t.TempDir(), t.TempDir()
	var table strings.Builder
	require.NoError(t, run(t.Context(), &table, []string{"-tiny", "-rounds", "1", "-out", out, "-profiles", profiles}))
	text, err := os.ReadFile(filepath.Join(out, "results.json"))
	require.NoError(t, err)
	var r report.Report
	require.NoError(t, json.Unmarshal(text, &r))
	if os.Getenv("OUTDIAL_REQUIRE") == "all" {
		require.Empty(t, r.Missing, "OUTDIAL_REQUIRE=all wants everything")
	}
	require.Len(t, r.Results, len(names()))
	for _, res := range r.Results {
		t.Logf("%s took %.1f s", res.Name, res.Seconds)
		require.Contains(t, table.String(), "## "+res.Title+"\n")
		require.NotEmpty(t, res.Rows)
		for _, row := range res.Rows {
			if lacks(row.Missing, r.Missing) {
				continue
			}
			require.Empty(t, row.Missing, "%s: %s", res.Name, row.Name)
			require.Contains(t, row.Rounds[0], res.Metrics[0].Key, "%s: %s has no bar in the chart", res.Name, row.Name)
		}
	}
	for name, holds := range map[string]string{
		"results.md": "## Summary", "summary.md": "| slots in use, % |", "chart.svg": "longer bars are better",
	} {
		text, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		require.Contains(t, string(text), holds)
	}
	for _, name := range []string{"cpu.pprof", "allocs.pprof", "block.pprof", "mutex-before.pprof"} {
		require.FileExists(t, filepath.Join(profiles, "slots-outdial__memory", name))
	}
	if len(r.Missing) > 0 {
		t.Skip("without the rows of what is missing: ", strings.Join(r.Missing, "; "))
	}
	for _, res := range r.Results {
		for _, v := range res.Verdicts {
			require.True(t, v.Measured, "%s: %s", res.Name, v.Goal)
			require.False(t, v.Judged(), "one round decides nothing")
		}
	}
}

// Figures that took half an hour are not lost for want of a place to write them.
func TestOutIsTriedFirst(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	var table strings.Builder
	err := run(t.Context(), &table, []string{"-tiny", "-only", "lifecycle", "-out", filepath.Join(file, "results")})
	require.ErrorContains(t, err, "results: ")
	require.Empty(t, table.String(), "nothing was measured")
}

// lacks says that a row is missing because a server is.
func lacks(row string, missing []string) bool { return slices.Contains(missing, row) }

func TestFlags(t *testing.T) {
	require.Equal(t, []string{"--only", "slots", "-h", "--rounds=3", "--short"}, doubled([]string{"-only", "slots", "-h", "-rounds=3", "--short"}))
	for wrong, args := range map[string][]string{
		`there is no measure "slot"`: {"-only", "slot"}, "-rounds: 0": {"-rounds", "0"}, "unknown flag --many": {"-many"},
	} {
		require.ErrorContains(t, run(t.Context(), io.Discard, args), wrong)
	}
	some, err := options{Only: []string{"create", "slots"}, Rounds: 1}.measures()
	require.NoError(t, err)
	require.Len(t, some, 2)
	require.Equal(t, "slots", some[0].Name, "in the order of their weight")
}
