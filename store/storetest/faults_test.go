package storetest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/storetest"
)

var errDown = errors.New("the database is down")

func heartbeat(ctx context.Context, s store.Store, node string) error {
	return s.Heartbeat(ctx, store.Node{ID: node}, time.Hour)
}

func nodes(t *testing.T, s store.Store) []string {
	t.Helper()
	list, err := s.Nodes(t.Context())
	require.NoError(t, err)
	var ids []string
	for _, n := range list {
		ids = append(ids, n.ID)
	}
	return ids
}

func TestFaultsPassTheSuiteWhenNothingIsPlanned(t *testing.T) {
	t.Parallel()
	storetest.Test(t, func(*testing.T) store.Store {
		return storetest.NewFaults(memory.New(), storetest.Plan{}.Fault)
	})
}

func TestErrorBeforeLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := storetest.NewFaults(memory.New(), storetest.Plan{{Method: "Heartbeat", N: 2}: {Err: errDown}}.Fault)
	require.NoError(t, heartbeat(t.Context(), s, "first"))
	require.ErrorIs(t, heartbeat(t.Context(), s, "second"), errDown)
	require.Equal(t, []string{"first"}, nodes(t, s))
	require.NoError(t, heartbeat(t.Context(), s, "second"))
	require.Equal(t, 3, s.Count("Heartbeat"))
	require.Equal(t, 0, s.Count("Advance"))
}

func TestErrorAfterHidesAWriteThatHappened(t *testing.T) {
	t.Parallel()
	s := storetest.NewFaults(memory.New(), storetest.Plan{{Method: "Heartbeat", N: 1}: {After: true, Err: errDown}}.Fault)
	require.ErrorIs(t, heartbeat(t.Context(), s, "first"), errDown)
	require.Equal(t, []string{"first"}, nodes(t, s))
}

// The error of the store itself is not painted over.
func TestErrorAfterNeedsAWrite(t *testing.T) {
	t.Parallel()
	s := storetest.NewFaults(memory.New(), storetest.Plan{{Method: "Advance", N: 1}: {After: true, Err: errDown}}.Fault)
	_, err := s.Advance(t.Context(), store.Step{Owner: "nobody"})
	require.ErrorIs(t, err, store.ErrNotOwner)
}

func TestDelayPassesOrEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan := storetest.Plan{
			{Method: "Heartbeat", N: 1}: {Delay: time.Minute},
			{Method: "Heartbeat", N: 2}: {Delay: time.Minute, Err: errDown},
		}
		s := storetest.NewFaults(memory.New(), plan.Fault)
		begun := time.Now()
		require.NoError(t, heartbeat(t.Context(), s, "first"))
		require.Equal(t, time.Minute, time.Since(begun))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, heartbeat(ctx, s, "second"), context.DeadlineExceeded)
		require.Equal(t, time.Minute+time.Second, time.Since(begun))
		require.Equal(t, []string{"first"}, nodes(t, s))
	})
}

func TestWaitHoldsACallUntilItIsReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := storetest.NewFaults(memory.New(), storetest.Plan{{Method: "Heartbeat", N: 1}: {Wait: release}}.Fault)
		done := make(chan error, 1)
		go func() { done <- heartbeat(t.Context(), s, "first") }()
		synctest.Wait()
		require.Empty(t, nodes(t, s), "it waits")
		close(release)
		require.NoError(t, <-done)
		require.Equal(t, []string{"first"}, nodes(t, s))

		ctx, cancel := context.WithCancel(t.Context())
		blocked := storetest.NewFaults(memory.New(), storetest.Plan{{Method: "Heartbeat", N: 1}: {Wait: make(chan struct{})}}.Fault)
		go func() { done <- heartbeat(ctx, blocked, "first") }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestEveryMethodIsAPoint(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	points := map[storetest.Point]bool{}
	s := storetest.NewFaults(memory.New(), func(at storetest.Point) storetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		points[at] = true
		return storetest.Fault{Err: errDown}
	})
	ctx := t.Context()
	_, create := s.CreateBatch(ctx, store.Batch{}, nil)
	_, batch := s.Batch(ctx, "", "")
	_, batches := s.Batches(ctx, store.BatchQuery{})
	_, recipients := s.Recipients(ctx, store.RecipientQuery{})
	_, calls := s.Calls(ctx, store.CallQuery{})
	_, call := s.Call(ctx, "", "")
	_, change := s.Change(ctx, "", "", store.Change{})
	_, active := s.Active(ctx)
	_, advance := s.Advance(ctx, store.Step{})
	_, adopt := s.Adopt(ctx, "", 0)
	_, list := s.Nodes(ctx)
	beat := s.Heartbeat(ctx, store.Node{}, 0)
	for _, err := range []error{create, batch, batches, recipients, calls, call, change, active, advance, adopt, list, beat} {
		require.ErrorIs(t, err, errDown)
	}
	require.Len(t, points, 12)
	require.True(t, points[storetest.Point{Method: "CreateBatch", N: 1}])
}

func TestCountsAreRightUnderConcurrency(t *testing.T) {
	t.Parallel()
	s := storetest.NewFaults(memory.New(), nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if _, err := s.Active(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, 800, s.Count("Active"))
}
