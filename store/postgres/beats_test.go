package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// A first heartbeat may be committed after its caller has given it up. The one behind it is that of a node whose lease runs, and
// of the two the later counts, in whichever order they come.
func TestHeartbeatBehindOneOfWhichTheCommitIsUnderWay(t *testing.T) {
	t.Parallel()
	for _, first := range []int64{1, 3} {
		url := cluster.url(t)
		s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: patience})
		conn := session(t, url)
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `INSERT INTO outdial.nodes (id, expires_at, beat, dialled)
			VALUES ('node_1', clock_timestamp() + interval '1 hour', $1, false)`, first)
		require.NoError(t, err)
		answer := make(chan error, 1)
		go func() { answer <- s.Heartbeat(context.Background(), store.Node{ID: "node_1", Beat: 2}, time.Hour) }()
		waiting := waiters(t, url)
		require.Eventually(t, func() bool { return waiting() > 0 }, patience, time.Millisecond)
		require.NoError(t, tx.Commit(t.Context()))
		require.NoError(t, <-answer)
		nodes, err := s.Nodes(t.Context())
		require.NoError(t, err)
		require.Len(t, nodes, 1)
		require.Equal(t, max(first, 2), nodes[0].Beat)
	}
}
