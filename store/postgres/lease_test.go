package postgres_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// The clock of a host may be years off. No time that a host can say has to do with a lease.
func TestLeasesRunByTheClockOfTheDatabase(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true})
	src := newSource()
	b, err := s.CreateBatch(t.Context(), src.batch("org_1"), people(5))
	require.NoError(t, err)
	conn := session(t, url)
	clock := func() (now time.Time) {
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now))
		return now
	}
	for _, wrong := range []time.Duration{-20 * 365 * 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
		id := "node " + wrong.String()
		before := clock()
		n := store.Node{ID: id, StartedAt: before.Add(wrong), ExpiresAt: before.Add(wrong)}
		require.NoError(t, s.Heartbeat(t.Context(), n, time.Hour))
		after := clock()
		nodes, err := s.Nodes(t.Context())
		require.NoError(t, err)
		at := slices.IndexFunc(nodes, func(n store.Node) bool { return n.ID == id })
		require.GreaterOrEqual(t, at, 0)
		last := nodes[at]
		require.False(t, last.ExpiresAt.Before(before.Add(time.Hour)), "%s is before %s", last.ExpiresAt, before)
		require.False(t, last.ExpiresAt.After(after.Add(time.Hour)), "%s is after %s", last.ExpiresAt, after)
		got, err := s.Advance(t.Context(), store.Step{
			Org: "org_1", Owner: id, Now: before.Add(wrong), Limit: 9, Claims: []store.Claim{src.claim(b, 1)},
		})
		require.NoError(t, err)
		require.Len(t, got.Claimed, 1)
	}
	// The lease of both runs out by the database's clock, at once.
	run(t, url, "UPDATE outdial.nodes SET expires_at = clock_timestamp()")
	for _, wrong := range []time.Duration{-20 * 365 * 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
		id := "node " + wrong.String()
		_, err := s.Advance(t.Context(), store.Step{Org: "org_1", Owner: id, Now: clock().Add(wrong)})
		require.ErrorIs(t, err, store.ErrNotOwner)
		require.ErrorIs(t, s.Heartbeat(t.Context(), store.Node{ID: id}, time.Hour), store.ErrNotOwner)
	}
}

// What this process takes for the time reaches no statement.
func TestThePackageNeverAsksForTheTime(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	files := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		files++
		ast.Inspect(file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
					require.NotContains(t, []string{"Now", "Since", "Until"}, sel.Sel.Name)
				}
			}
			return true
		})
	}
	require.Greater(t, files, 20)
}

// A lease that runs out while a step waits for its organisation is gone: it is looked at behind the lock.
func TestLeaseIsCheckedBehindTheLock(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true})
	src, b := stocked(t, s, 5)
	step := store.Step{Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 1)}}
	hold, done := blocked(t, url, "outdial.organisations", func() error { _, err := s.Advance(t.Context(), step); return err })
	_, err := hold.Exec(t.Context(), "UPDATE outdial.nodes SET expires_at = clock_timestamp(); COMMIT")
	require.NoError(t, err)
	require.ErrorIs(t, <-done, store.ErrNotOwner)
}
