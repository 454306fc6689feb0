package memory_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	ahead := map[store.Store]*atomic.Int64{}
	open := func(*testing.T) store.Store {
		by := &atomic.Int64{}
		s := memory.NewAt(func() time.Time { return time.Now().Add(time.Duration(by.Load())) })
		mu.Lock()
		defer mu.Unlock()
		ahead[s] = by
		return s
	}
	later := func(_ *testing.T, s store.Store, by time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		ahead[s].Add(int64(by))
	}
	storetest.Harness{Open: open, Later: later}.Test(t)
}

func TestStoreBehindFaults(t *testing.T) {
	t.Parallel()
	storetest.Test(t, func(*testing.T) store.Store { return storetest.NewFaults(memory.New(), nil) })
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(*testing.B) store.Store { return memory.New() })
}

// The suite can only see that a lease ends; in a bubble the moment is known.
func TestLeaseEndsOnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		ctx := t.Context()
		node := store.Node{ID: "node"}
		require.NoError(t, s.Heartbeat(ctx, node, time.Second))
		<-time.After(time.Second - time.Nanosecond)
		_, err := s.Advance(ctx, store.Step{Owner: "node"})
		require.NoError(t, err)
		require.NoError(t, s.Heartbeat(ctx, node, time.Minute))
		<-time.After(time.Minute)
		_, err = s.Advance(ctx, store.Step{Owner: "node"})
		require.ErrorIs(t, err, store.ErrNotOwner)
		require.ErrorIs(t, s.Heartbeat(ctx, node, time.Minute), store.ErrNotOwner)
		nodes, err := s.Nodes(ctx)
		require.NoError(t, err)
		require.Empty(t, nodes)
	})
}

func TestUnknownActionIsAnError(t *testing.T) {
	t.Parallel()
	s := memory.New()
	made, err := s.CreateBatch(t.Context(), store.Batch{Org: "org", ID: "acb_1"}, make([]store.NewRecipient, 1))
	require.NoError(t, err)
	_, err = s.Change(t.Context(), "org", "acb_1", store.Change{Action: 99})
	require.ErrorContains(t, err, "unknown action 99")
	got, err := s.Batch(t.Context(), "org", "acb_1")
	require.NoError(t, err)
	require.Equal(t, made, got)
}

// Retries for ever would make the feed grow for ever, were it not swept, and the queue, were each put back but once.
func TestFeedAndQueueOfManyChangesStayShort(t *testing.T) {
	t.Parallel()
	s := memory.New()
	ctx := t.Context()
	require.NoError(t, s.Heartbeat(ctx, store.Node{ID: "node"}, time.Hour))
	b := store.Batch{Org: "org", ID: "acb_1", Target: 1}
	_, err := s.CreateBatch(ctx, b, make([]store.NewRecipient, 2))
	require.NoError(t, err)
	require.Zero(t, s.QueueCap("org", b.ID), "whoever was never taken out needs no room")
	var last store.Event
	for n := range 1000 {
		id := "call_" + time.UnixMilli(int64(n)).UTC().Format("05.000")
		step := store.Step{Org: "org", Owner: "node", Limit: 1, Claims: []store.Claim{{BatchID: b.ID, CallIDs: []string{id}}}}
		if n > 0 {
			step.Events = []store.Event{last}
		}
		got, err := s.Advance(ctx, step)
		require.NoError(t, err)
		require.Len(t, got.Claimed, 1)
		require.Empty(t, got.Lost)
		last = store.Event{BatchID: b.ID, Index: got.Claimed[0].Call.Index, CallID: id, Status: fsm.Queued}
	}
	rows, err := s.Recipients(ctx, store.RecipientQuery{Org: "org", ByRev: true})
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.LessOrEqual(t, s.FeedLen("org"), 16)
	require.LessOrEqual(t, s.QueueCap("org", b.ID), 2)
}
