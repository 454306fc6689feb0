package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func TestClaimable(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	queued := fsm.Counts{Queued: 1, Completed: 4}
	for name, tt := range map[string]struct {
		batch store.Batch
		want  bool
	}{
		"queued":            {store.Batch{Counts: queued}, true},
		"nobody queued":     {store.Batch{Counts: fsm.Counts{Dispatched: 1}}, false},
		"empty":             {store.Batch{}, false},
		"paused":            {store.Batch{Counts: queued, PausedAt: now.Add(-time.Hour)}, false},
		"cancelled":         {store.Batch{Counts: queued, CancelledAt: now}, false},
		"due now":           {store.Batch{Counts: queued, ScheduledAt: now}, true},
		"due long since":    {store.Batch{Counts: queued, ScheduledAt: now.Add(-time.Hour)}, true},
		"due a moment late": {store.Batch{Counts: queued, ScheduledAt: now.Add(time.Microsecond)}, false},
	} {
		require.Equal(t, tt.want, tt.batch.Claimable(now), name)
	}
}

func TestStatusIsDerivedFromTheCounts(t *testing.T) {
	t.Parallel()
	require.Equal(t, fsm.BatchInProgress, store.Batch{Counts: fsm.Counts{Queued: 1, Failed: 1}}.Status())
	require.Equal(t, fsm.BatchCancelled, store.Batch{Counts: fsm.Counts{Cancelled: 1, Failed: 1}}.Status())
}

func TestRecordsKnowTheirRecipientsID(t *testing.T) {
	t.Parallel()
	id, err := store.NewBatchID(time.Now(), zeros())
	require.NoError(t, err)
	require.Equal(t, store.RecipientID(id, 3), store.Recipient{BatchID: id, Index: 3}.ID())
	require.Equal(t, store.RecipientID(id, 3), store.Call{BatchID: id, Index: 3}.RecipientID())
}
