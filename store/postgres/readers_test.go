package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// Organisations whose lists are slow take no connection from what keeps the lease and ends calls.
func TestReadersLeaveConnectionsToTheEngine(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url + "&pool_max_conns=6", NoHints: true, Timeout: patience})
	src, b := stocked(t, s, 2)
	ctx := t.Context()
	release := lock(t, url, "outdial.metadata", "ACCESS EXCLUSIVE") // which lists of recipients read
	var readers sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		readers.Go(func() {
			q := store.RecipientQuery{Org: fmt.Sprint("org_", 1+i%2), BatchID: b.ID, Limit: 9}
			_, errs[i] = s.Recipients(context.Background(), q)
		})
	}
	waiting := waiters(t, url)
	require.Eventually(t, func() bool { return waiting() >= 3 }, patience, 5*time.Millisecond)

	call := func(org string) error {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_, err := s.Call(short, org, "call_1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return err
	}
	require.ErrorContains(t, call("org_3"), "call call_1: gave up: wait for readers of all organisations, 3 at once")
	const others = "call call_1: gave up: wait for others of the organisation, 2 at once"
	require.Eventually(t, func() bool { return strings.Contains(call("org_1").Error(), others) }, patience, time.Millisecond)

	bounded, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	require.NoError(t, s.Heartbeat(bounded, store.Node{ID: "node_1"}, time.Hour))
	nodes, err := s.Nodes(bounded)
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	active, err := s.Active(bounded)
	require.NoError(t, err)
	require.Len(t, active, 1)
	_, err = s.Advance(bounded, store.Step{Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9})
	require.NoError(t, err)
	_, err = s.Adopt(bounded, "node_1", 9)
	require.NoError(t, err)
	require.LessOrEqual(t, waiting(), 3) // fewer while some let go of their connection
	release()
	readers.Wait()
	require.NoError(t, errors.Join(errs...))
}

// Many organisations that write, and wait for each other or the database, do not cost the node its lease either.
func TestWritersLeaveAConnectionToTheLease(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url + "&pool_max_conns=4", NoHints: true, Timeout: patience})
	src := newSource()
	ctx := t.Context()
	require.NoError(t, s.Heartbeat(ctx, store.Node{ID: "node_1", Beat: 1}, time.Hour))
	release := lock(t, url, "outdial.organisations", "ACCESS EXCLUSIVE")
	var writers sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		step := store.Step{Org: fmt.Sprint("org_", i), Owner: "node_1", Now: src.now(), Limit: 9}
		writers.Go(func() { _, errs[i] = s.Advance(context.Background(), step) })
	}
	waiting := waiters(t, url)
	require.Eventually(t, func() bool { return waiting() == 2 }, patience, 5*time.Millisecond)
	bounded, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	for beat := range int64(3) {
		require.NoError(t, s.Heartbeat(bounded, store.Node{ID: "node_1", Beat: 2 + beat}, time.Hour))
	}
	require.LessOrEqual(t, waiting(), 2)
	release()
	writers.Wait()
	require.NoError(t, errors.Join(errs...))
}

// lock locks a table until the test is over or says so.
func lock(t *testing.T, url, table, mode string) (release func()) {
	t.Helper()
	tx, err := session(t, url).Begin(context.Background())
	require.NoError(t, err)
	release = sync.OnceFunc(func() { require.NoError(t, tx.Rollback(context.Background())) })
	t.Cleanup(release)
	_, err = tx.Exec(t.Context(), "LOCK TABLE "+table+" IN "+mode+" MODE")
	require.NoError(t, err)
	return release
}

// waiters counts the sessions of the database that wait for somebody's lock.
func waiters(t *testing.T, url string) func() int {
	t.Helper()
	conn := session(t, url)
	return func() (n int) {
		err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
		require.NoError(t, err)
		return n
	}
}
