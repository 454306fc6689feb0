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

// beating has a heartbeat of a node be under way that was written while its lease ran, and is not committed.
func beating(t *testing.T, url, id string) pgx.Tx {
	t.Helper()
	tx, err := session(t, url).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE outdial.nodes SET beat = 2, expires_at = clock_timestamp() + interval '1 hour'
		WHERE id = $1`, []byte(id))
	require.NoError(t, err)
	return tx
}

// A node must not be told that its lease runs when its calls are somebody else's. So they are not taken over while a heartbeat
// of it is being committed, which a disk or a standby may hold up for longer than the lease, and nothing else waits for that.
func TestNothingIsTakenOverWhileAHeartbeatIsCommitted(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: patience})
	heir := leftBehind(t, s, 2, time.Hour)
	step := func(org, owner string) error {
		_, err := s.Advance(t.Context(), store.Step{Org: org, Owner: owner, Limit: 9})
		return err
	}
	heartbeat := beating(t, url, "dead")
	waiting := waiters(t, url)
	failing := make(chan error, 1)
	go func() { _, err := s.Adopt(context.Background(), heir.ID, 9); failing <- err }()
	require.Eventually(t, func() bool { return waiting() > 0 }, patience, time.Millisecond)
	conn := session(t, url)
	for _, org := range []string{"org_0", "org_1"} {
		_, err := conn.Exec(t.Context(), "SELECT FROM outdial.organisations WHERE id = '"+org+"' FOR NO KEY UPDATE NOWAIT")
		require.NoError(t, err, "who waits for a heartbeat has locked an organisation")
	}
	require.ErrorContains(t, <-failing, "by a node of which a heartbeat is being written")
	require.NoError(t, heartbeat.Commit(t.Context()))
	got, err := s.Adopt(t.Context(), heir.ID, 9)
	require.NoError(t, err)
	require.Empty(t, got)
	require.NoError(t, step("org_0", "dead"), "its lease runs again")

	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "dead", Beat: 3}, 0))
	heartbeat = beating(t, url, "dead")
	require.NoError(t, heartbeat.Rollback(t.Context()))
	got, err = s.Adopt(t.Context(), heir.ID, 9)
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.ErrorIs(t, step("org_0", "dead"), store.ErrNotOwner)
}

// What another node has left behind is not held up by it.
func TestAHeartbeatHoldsUpCallsOfItsNodeOnly(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: patience})
	heir := leftBehind(t, s, 3, time.Hour)
	run(t, url, `INSERT INTO outdial.nodes (id, expires_at, beat, dialled) VALUES ('other', clock_timestamp(), 1, true);
		UPDATE outdial.flights SET owner = (SELECT key FROM outdial.nodes WHERE id = 'other')
			WHERE org = (SELECT org FROM outdial.organisations WHERE id = 'org_2');
		UPDATE outdial.flights SET owner = 999 WHERE org = (SELECT org FROM outdial.organisations WHERE id = 'org_1')`)
	heartbeat := beating(t, url, "dead")
	got, err := s.Adopt(t.Context(), heir.ID, 9)
	require.NoError(t, err)
	require.Len(t, got, 2, "that of the other node, and that of one of which no row is left")
	require.NoError(t, heartbeat.Commit(t.Context()))
}

// A heartbeat that finds its lease running, and then waits for a takeover that has found it over, is late.
func TestAHeartbeatBehindATakeoverFindsItsLeaseOver(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: patience})
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "node_1", Beat: 1}, time.Hour))
	takeover, err := session(t, url).Begin(t.Context())
	require.NoError(t, err)
	run(t, url, "UPDATE outdial.nodes SET expires_at = clock_timestamp() + interval '700 milliseconds'")
	_, err = takeover.Exec(t.Context(), "SELECT FROM outdial.nodes FOR SHARE")
	require.NoError(t, err)
	answer := make(chan error, 1)
	go func() { answer <- s.Heartbeat(context.Background(), store.Node{ID: "node_1", Beat: 2}, time.Hour) }()
	waiting := waiters(t, url)
	require.Eventually(t, func() bool { return waiting() > 0 || len(answer) > 0 }, patience, time.Millisecond)
	_, err = takeover.Exec(t.Context(), "SELECT pg_sleep(greatest(0, extract(epoch FROM expires_at - clock_timestamp()))) FROM outdial.nodes")
	require.NoError(t, err)
	require.NoError(t, takeover.Rollback(t.Context()))
	require.ErrorIs(t, <-answer, store.ErrNotOwner)
}
