package sqlite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
)

const fifthBatch = "acb_0CCh8DutUjGQQcNvNxmfYG"

// Those whom an older version has put back have their turns in the order of today.
func TestFileOfTheFifthSchemaIsDialled(t *testing.T) {
	t.Parallel()
	s, ctx := openSchema(t, 5), t.Context()
	now := time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC)
	require.NoError(t, s.Heartbeat(ctx, store.Node{ID: "node_2", StartedAt: now}, time.Hour))
	var indexes, attempts []int
	for _, ids := range [][]string{{"call_1"}, {"call_2", "call_3"}, {"call_4", "call_5", "call_6"}} {
		got, err := s.Advance(ctx, store.Step{
			Org: oldOrg, Owner: "node_2", Now: now, Limit: 99,
			Claims: []store.Claim{{BatchID: fifthBatch, CallIDs: ids, Carrier: "trunk-eu"}},
		})
		require.NoError(t, err)
		for i, c := range got.Claimed {
			require.Equal(t, ids[i], c.Call.ID)
			indexes, attempts = append(indexes, c.Call.Index), append(attempts, c.Call.Attempt)
		}
	}
	require.Equal(t, []int{4, 5, 1, 2, 0}, indexes)
	require.Equal(t, []int{1, 1, 2, 2, 4}, attempts)
}
