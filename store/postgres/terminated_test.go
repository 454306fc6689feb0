package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

const tables = "outdial.organisations, outdial.batches, outdial.tallies, outdial.recipients, outdial.metadata, outdial.calls, outdial.flights, outdial.again, outdial.nodes"

// methods calls each method once.
func methods(s *postgres.Store, src *source, b store.Batch) map[string]func(context.Context) error {
	change := store.Change{Action: store.ActionPause, At: src.now()}
	step := store.Step{Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 2)}}
	draft := src.batch("org_1")
	return map[string]func(context.Context) error{
		"CreateBatch": func(ctx context.Context) error { _, err := s.CreateBatch(ctx, draft, people(2)); return err },
		"Batch":       func(ctx context.Context) error { _, err := s.Batch(ctx, "org_1", b.ID); return err },
		"Batches":     func(ctx context.Context) error { _, err := s.Batches(ctx, store.BatchQuery{Org: "org_1"}); return err },
		"Recipients": func(ctx context.Context) error {
			_, err := s.Recipients(ctx, store.RecipientQuery{Org: "org_1", BatchID: b.ID, ByRev: true})
			return err
		},
		"Calls": func(ctx context.Context) error { _, err := s.Calls(ctx, store.CallQuery{Org: "org_1"}); return err },
		"Call": func(ctx context.Context) error {
			if _, err := s.Call(ctx, "org_1", "call_0"); err != nil && err.Error() != "postgres: call call_0: not found" {
				return err
			}
			return nil
		},
		"Change":    func(ctx context.Context) error { _, err := s.Change(ctx, "org_1", b.ID, change); return err },
		"Active":    func(ctx context.Context) error { _, err := s.Active(ctx); return err },
		"Advance":   func(ctx context.Context) error { _, err := s.Advance(ctx, step); return err },
		"Heartbeat": func(ctx context.Context) error { return s.Heartbeat(ctx, store.Node{ID: "node_1"}, time.Hour) },
		"Adopt":     func(ctx context.Context) error { _, err := s.Adopt(ctx, "node_1", 9); return err },
		"Nodes":     func(ctx context.Context) error { _, err := s.Nodes(ctx); return err },
	}
}

// blocked holds a table while do runs, and returns when do waits for it: by then it is in the middle.
func blocked(t *testing.T, url, table string, do func() error) (hold *pgx.Conn, done chan error) {
	t.Helper()
	hold = session(t, url)
	_, err := hold.Exec(context.Background(), "BEGIN; LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	done = make(chan error, 1)
	go func() { done <- do() }()
	watch := session(t, url)
	require.Eventually(t, func() bool {
		var n int
		err := watch.QueryRow(context.Background(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
		return err == nil && n > 0
	}, patience, time.Millisecond)
	return hold, done
}

const terminateBlocked = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
	WHERE datname = current_database() AND wait_event_type = 'Lock'`

// A backend that is ended in the middle of a method takes what was not committed with it, and the next
// try has another connection. Writers are caught twice: before anything was written, and before the last table is.
func TestTerminatedInTheMiddleOfEveryMethod(t *testing.T) {
	t.Parallel()
	at := map[string]string{"CreateBatch": "outdial.metadata", "Advance": "outdial.flights", "Change": "outdial.tallies"}
	for name := range methods(nil, newSource(), store.Batch{}) {
		for _, table := range []string{tables, at[name]} {
			if table == "" {
				continue
			}
			t.Run(name+" at "+table[:min(len(table), 20)], func(t *testing.T) {
				t.Parallel()
				terminated(t, name, table)
			})
		}
	}
}

func terminated(t *testing.T, name, table string) {
	t.Helper()
	dbName := database(t, template)
	url := cluster.server.URL(dbName)
	s := open(t, postgres.Config{URL: url, NoHints: true})
	src, b := stocked(t, s, 5)
	do := methods(s, src, b)[name]
	before, err := s.Batches(t.Context(), store.BatchQuery{Org: "org_1"})
	require.NoError(t, err)
	hold, done := blocked(t, url, table, func() error { return do(t.Context()) })
	require.NoError(t, cluster.server.Exec(t.Context(), dbName, terminateBlocked))
	require.ErrorContains(t, <-done, "57P01")
	_, err = hold.Exec(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	after, err := s.Batches(t.Context(), store.BatchQuery{Org: "org_1"})
	require.NoError(t, err)
	require.Equal(t, before, after, "nothing was written")
	require.NoError(t, do(t.Context()))
}

// Where a transaction was undone for another's sake, it is tried again unasked.
func TestDeadlocksWithOthersAreTriedAgain(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true})
	src, b := stocked(t, s, 5)
	other := session(t, url)
	_, err := other.Exec(t.Context(), "BEGIN; SELECT FROM outdial.recipients WHERE idx = 3 FOR UPDATE")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := s.Change(context.Background(), "org_1", b.ID, store.Change{Action: store.ActionCancel, At: src.now()})
		done <- err
	}()
	watch := session(t, url)
	require.Eventually(t, func() bool {
		var waits bool
		err := watch.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits)
		return err == nil && waits
	}, patience, time.Millisecond)
	_, err = other.Exec(t.Context(), "UPDATE outdial.organisations SET rev = rev") // which the store has locked
	require.NoError(t, err, "it is the store that gives way, which has waited for longer")
	_, err = other.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.NoError(t, <-done)
	got, err := s.Batch(t.Context(), "org_1", b.ID)
	require.NoError(t, err)
	require.Equal(t, fsm.Counts{Cancelled: 5}, got.Counts)
}

// Who waits for a lock gives up in time, and says so.
func TestWaitingForALockEnds(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	src, b := stocked(t, open(t, postgres.Config{URL: url, NoHints: true}), 5) // by one that is not in a hurry
	s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: 2 * time.Second})
	hold := session(t, url)
	_, err := hold.Exec(t.Context(), "BEGIN; LOCK TABLE "+tables+" IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	for name, do := range methods(s, src, b) {
		require.Error(t, do(context.Background()), name)
	}
	_, err = hold.Exec(t.Context(), "ROLLBACK")
	require.NoError(t, err)
}
