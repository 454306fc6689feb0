package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/measure"
	"github.com/outdial/outdial/store/postgres/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every contender of every measure works, and the table, the verdicts and the chart come out: with so
// little work that no figure means anything.
func TestEverythingRuns(t *testing.T) {
	l, err := lab.NewCareless()
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	missing := l.Missing(t.Context())
	for _, err := range missing {
		require.True(t, errors.Is(err, lab.ErrMissing) || errors.Is(err, pgtest.ErrMissing), err)
		require.NotEqual(t, "all", os.Getenv("OUTDIAL_REQUIRE"), "%v (OUTDIAL_REQUIRE=all wants everything)", err)
		t.Log(err)
	}
	out := t.TempDir()
	r, err := options{Rounds: 1, Tiny: true, Out: out}.run(t.Context(), l, measure.All(measure.Tiny))
	require.NoError(t, err)
	require.Len(t, r.Results, len(names()))
	for _, res := range r.Results {
		t.Logf("%s took %.1f s", res.Name, res.Seconds)
		require.NotEmpty(t, res.Rows)
		for _, row := range res.Rows {
			if lacks(row.Missing, missing) {
				continue
			}
			require.Empty(t, row.Missing, "%s: %s", res.Name, row.Name)
			require.Contains(t, row.Rounds[0], res.Metrics[0].Key, "%s: %s has no bar in the chart", res.Name, row.Name)
		}
	}
	for _, name := range []string{"results.md", "summary.md", "results.json", "chart.svg"} {
		require.FileExists(t, filepath.Join(out, name))
	}
	if len(missing) > 0 {
		t.Skip("without the rows of what is missing: ", errors.Join(missing...))
	}
	for _, res := range r.Results {
		for _, v := range res.Verdicts {
			require.True(t, v.Measured, "%s: %s", res.Name, v.Goal)
		}
	}
}

// lacks says that a row is missing because a server is.
func lacks(row string, missing []error) bool {
	for _, err := range missing {
		if strings.Contains(row, err.Error()) {
			return true
		}
	}
	return false
}

func TestFlags(t *testing.T) {
	require.Equal(t, []string{"--only", "slots", "-h", "--rounds=3", "--short"}, doubled([]string{"-only", "slots", "-h", "-rounds=3", "--short"}))
	for wrong, args := range map[string][]string{
		`there is no measure "slot"`: {"-only", "slot"}, "-rounds: 0": {"-rounds", "0"}, "unknown flag --many": {"-many"},
	} {
		require.ErrorContains(t, run(context.Background(), args), wrong)
	}
	some, err := options{Only: []string{"create", "slots"}, Rounds: 1}.measures()
	require.NoError(t, err)
	require.Len(t, some, 2)
	require.Equal(t, "slots", some[0].Name, "in the order of their weight")
}
