package sqlite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

const (
	thirdBatch = "acb_0CBWApF0zAaALW7iI3cfGy"
	thirdUp    = "call_0CBWApLIuEnAP31IBPdocN"
	thirdRings = "call_0CBWApLIuEnAP31IBPdocO"
)

func TestFileOfTheThirdSchemaIsRead(t *testing.T) {
	t.Parallel()
	s, ctx := openSchema(t, 3), t.Context()
	b, err := s.Batch(ctx, oldOrg, thirdBatch)
	require.NoError(t, err)
	require.Equal(t, fsm.Counts{Queued: 1, Dispatched: 1, Started: 1, Completed: 1, Failed: 1}, b.Counts)
	calls, err := s.Calls(ctx, store.CallQuery{Org: oldOrg})
	require.NoError(t, err)
	require.Len(t, calls, 4)
	for _, c := range calls {
		require.Equal(t, "trunk-eu", c.Carrier)
		require.NotEmpty(t, c.Ref)
		require.False(t, c.RangAt.IsZero())
		require.Nil(t, c.Tries)
	}
	require.Equal(t, map[string]string{"code": "200"}, calls[3].Details)
}

func TestFileOfTheThirdSchemaIsDialled(t *testing.T) {
	t.Parallel()
	s, ctx := openSchema(t, 3), t.Context()
	now := time.Date(2026, 4, 3, 0, 0, 0, 0, time.UTC)
	n := store.Node{ID: "node_2", Regions: []string{"EU"}, Carriers: []string{"trunk-us", "trunk-eu"}, StartedAt: now}
	require.NoError(t, s.Heartbeat(ctx, n, time.Hour))
	nodes, err := s.Nodes(ctx)
	require.NoError(t, err)
	require.Len(t, nodes, 2)
	require.True(t, nodes[0].Lapsed, "it left calls behind")
	require.Equal(t, n.Carriers, nodes[1].Carriers)
	adopted, err := s.Adopt(ctx, n.ID, 9)
	require.NoError(t, err)
	require.Len(t, adopted, 2)
	up, rings := adopted[0].Call, adopted[1].Call
	require.Equal(t, []string{thirdUp, thirdRings}, []string{up.ID, rings.ID})
	require.Nil(t, rings.Tries)

	end := store.Event{
		BatchID: thirdBatch, Index: 2, CallID: thirdUp, Status: fsm.Completed, EndedAt: now, EndReason: dialer.AgentHangup,
	}
	move := store.Event{BatchID: thirdBatch, Index: 3, CallID: thirdRings, Status: fsm.Dispatched, Carrier: "trunk-us"}
	move.Tries = []store.Try{{Carrier: "trunk-eu", At: now, Error: "503"}}
	got, err := s.Advance(ctx, store.Step{
		Org: oldOrg, Owner: n.ID, Now: now, Limit: 9, Events: []store.Event{end, move},
		Claims: []store.Claim{{BatchID: thirdBatch, CallIDs: []string{"call_1"}, Carrier: "trunk-us"}},
	})
	require.NoError(t, err)
	require.Empty(t, got.Lost)
	require.Len(t, got.Claimed, 1)
	require.Equal(t, 2, got.InFlight)

	ended, err := s.Call(ctx, oldOrg, thirdUp)
	require.NoError(t, err)
	up.Status, up.EndedAt, up.EndReason = fsm.Completed, now, dialer.AgentHangup
	require.Equal(t, up, ended)
	moved, err := s.Call(ctx, oldOrg, thirdRings)
	require.NoError(t, err)
	rings.Carrier, rings.Tries, rings.Ref, rings.RangAt = "trunk-us", move.Tries, "", time.Time{}
	require.Equal(t, rings, moved)
}
