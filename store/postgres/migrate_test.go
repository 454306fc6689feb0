package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// A table in use keeps the migration waiting, and nobody else.
func TestMigrationThatWaitsLetsNodesGoOn(t *testing.T) {
	t.Parallel()
	url := cluster.start(t).URL(database(t, template))
	s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: patience})
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "node_1"}, time.Hour))
	// As if the newest migration had still to be run, which changes nodes.
	run(t, url, `DELETE FROM outdial.schema_versions WHERE version = 3;
		ALTER TABLE outdial.nodes RENAME COLUMN beat TO beat_; ALTER TABLE outdial.nodes RENAME COLUMN dialled TO dialled_`)
	release := lock(t, url, "outdial.nodes", "ACCESS SHARE")
	opened := make(chan error, 1)
	go func() {
		later, err := postgres.Open(context.Background(), postgres.Config{URL: url, NoHints: true})
		if err == nil {
			err = later.Close()
		}
		opened <- err
	}()
	waiting := waiters(t, url)
	old := session(t, url)
	for range 2 { // behind its first try, and behind another
		require.Eventually(t, func() bool { return waiting() > 0 }, patience, 5*time.Millisecond)
		beat(t, old)
	}
	select {
	case err := <-opened:
		require.Fail(t, "it did not wait", "%v", err)
	default:
	}
	release()
	require.NoError(t, <-opened)
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "node_1"}, time.Hour))
}

// beat renews a lease as the version before did. A node gives up after a third of its lease.
func beat(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	_, err := conn.PgConn().Exec(t.Context(), `BEGIN; SET LOCAL lock_timeout = '20 s';
		UPDATE outdial.nodes SET expires_at = now() + interval '1 hour' WHERE convert_from(id, 'UTF8') = 'node_1'; COMMIT`).ReadAll()
	require.NoError(t, err)
}
