package memory_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// A lease can run out while Adopt waits for an organisation.
func TestAdoptLooksAtTheLeaseBehindTheLock(t *testing.T) {
	t.Parallel()
	var now, step atomic.Int64
	s := memory.NewAt(func() time.Time { return time.Unix(0, now.Add(step.Load())) })
	_, err := s.CreateBatch(t.Context(), store.Batch{Org: "o", ID: "b", Target: 9, Weight: 1}, make([]store.NewRecipient, 1))
	require.NoError(t, err)
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Hour))
	_, err = s.Advance(t.Context(), store.Step{
		Org: "o", Owner: "a", Limit: 9, Claims: []store.Claim{{BatchID: "b", CallIDs: []string{"1"}}},
	})
	require.NoError(t, err)
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, 0))
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "b"}, 3*time.Second))
	step.Store(int64(2 * time.Second)) // from one look at the clock to the next
	got, err := s.Adopt(t.Context(), "b", 9)
	require.NoError(t, err)
	require.Empty(t, got, "it has no lease any more")
}
