package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

const (
	oldOrg     = "org_1"
	oldBatch   = "acb_0CARgXSIbm78AwyUrbihZA"
	oldWaiting = "acb_0CARgXrSI33AepsM9puWuW"
	oldCall    = "call_0CARgXesRuoYgC0RJKLRyj" // in flight
)

func openSchema1(t *testing.T) *Store {
	t.Helper()
	return openSchema(t, 1)
}

// openSchema opens a file as a schema of that number left it.
func openSchema(t *testing.T, number int) *Store {
	t.Helper()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "calls.db")
	texts, err := loadMigrations()
	require.NoError(t, err)
	rows, err := os.ReadFile(fmt.Sprintf("testdata/schema%d.sql", number))
	require.NoError(t, err)
	c, err := connect(ctx, writerDSN(path))
	require.NoError(t, err)
	require.NoError(t, migrate(ctx, c, texts[:number]))
	require.NoError(t, c.script(ctx, string(rows)))
	require.NoError(t, c.Close())
	s, err := Open(ctx, Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestFileOfTheFirstSchemaIsRead(t *testing.T) {
	t.Parallel()
	s := openSchema1(t)
	for id, target := range map[string]int{oldBatch: 4, oldWaiting: 7} {
		b, err := s.Batch(t.Context(), oldOrg, id)
		require.NoError(t, err)
		require.Equal(t, target, b.Target)
		require.Equal(t, target, b.FirstTarget, "what it was at first is not known")
		require.Empty(t, b.RetryKey)
	}
	same, err := s.CreateBatch(t.Context(), store.Batch{Org: oldOrg, ID: "acb_1", Key: "k"}, nil)
	require.NoError(t, err)
	require.Equal(t, oldBatch, same.ID)
	require.Equal(t, fsm.Counts{Queued: 2, Dispatched: 1, Completed: 1, Failed: 1}, same.Counts)
}

func TestFileOfTheFirstSchemaIsDialled(t *testing.T) {
	t.Parallel()
	s, ctx := openSchema1(t), t.Context()
	now := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	require.NoError(t, s.Heartbeat(ctx, store.Node{ID: "node_2", StartedAt: now}, time.Hour))
	adopted, err := s.Adopt(ctx, "node_2", 9)
	require.NoError(t, err)
	require.Len(t, adopted, 1)
	require.Equal(t, oldCall, adopted[0].Call.ID)
	require.JSONEq(t, `{"n":2}`, string(adopted[0].Metadata))
	end := store.Event{
		BatchID: oldBatch, Index: 2, CallID: oldCall, Status: fsm.Failed, EndedAt: now, EndReason: dialer.DialNoAnswer,
	}
	got, err := s.Advance(ctx, store.Step{Org: oldOrg, Owner: "node_2", Now: now, Limit: 9, Events: []store.Event{end}})
	require.NoError(t, err)
	require.Empty(t, got.Lost)
	retry := store.Change{Action: store.ActionRetry, Key: "again", At: now}
	retried, err := s.Change(ctx, oldOrg, oldBatch, retry)
	require.NoError(t, err)
	require.Equal(t, fsm.Counts{Queued: 4, Completed: 1}, retried.Counts)
	require.Equal(t, "again", retried.RetryKey)
	repeated, err := s.Change(ctx, oldOrg, oldBatch, retry)
	require.NoError(t, err)
	require.Equal(t, retried, repeated)
	got, err = s.Advance(ctx, store.Step{Org: oldOrg, Owner: "node_2", Now: now, Limit: 9, Claims: []store.Claim{
		{BatchID: oldBatch, CallIDs: []string{"call_1", "call_2", "call_3", "call_4", "call_5"}, Carrier: "trunk-eu"},
	}})
	require.NoError(t, err)
	require.Len(t, got.Claimed, 4)
	changed, err := s.Change(ctx, oldOrg, oldBatch, store.Change{Action: store.ActionSetTarget, Target: 9, At: now})
	require.NoError(t, err)
	require.Equal(t, 4, changed.FirstTarget)
}
