package sqlite

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
)

// setClock makes the store's clock show another time, from the writer's goroutine.
func setClock(t *testing.T, s *Store, now func() time.Time) {
	t.Helper()
	_, err := write(t.Context(), s.writer, func(context.Context, *connection) (none struct{}, err error) {
		s.owner.now = now
		return none, nil
	})
	require.NoError(t, err)
}

func owns(t *testing.T, s *Store, node string) error {
	t.Helper()
	_, err := s.Advance(t.Context(), store.Step{Org: "org_1", Owner: node, Now: time.Now()})
	return err
}

func TestLeaseRunsOutByTheClockOfTheStore(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	begin := time.Now()
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Minute))
	setClock(t, s, func() time.Time { return begin.Add(time.Minute - time.Second) })
	require.NoError(t, owns(t, s, "a"))
	require.ErrorIs(t, s.Heartbeat(t.Context(), store.Node{ID: "b"}, time.Minute), store.ErrOwned)
	setClock(t, s, func() time.Time { return begin.Add(time.Minute + time.Second) })
	require.ErrorIs(t, owns(t, s, "a"), store.ErrNotOwner)
	require.ErrorIs(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Minute), store.ErrNotOwner)
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "b"}, time.Minute))
	require.ErrorIs(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Minute), store.ErrNotOwner)
	require.NoError(t, owns(t, s, "b"))
}

// The wall clock is for other processes to read. Setting it ends no lease.
func TestSettingTheWallClockEndsNoLease(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Minute))
	_, err := write(t.Context(), s.writer, func(ctx context.Context, c *connection) (none struct{}, err error) {
		_, err = c.exec(ctx, "UPDATE nodes SET expires_at = 1") // as a clock that was set forward sees it
		return none, err
	})
	require.NoError(t, err)
	require.NoError(t, owns(t, s, "a"))
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Minute))
}

// A heartbeat that could not be written leaves no lock behind.
func TestFailedHeartbeatFreesTheLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.db")
	s, err := Open(t.Context(), Config{Path: path})
	require.NoError(t, err)
	_, err = write(t.Context(), s.writer, func(ctx context.Context, c *connection) (none struct{}, err error) {
		const refuse = "CREATE TRIGGER refuse BEFORE INSERT ON nodes BEGIN SELECT raise(ABORT, 'refused'); END"
		return none, c.script(ctx, refuse)
	})
	require.NoError(t, err)
	require.ErrorContains(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Minute), "refused")
	lock, err := acquire(t.Context(), path+lockSuffix)
	require.NoError(t, err)
	require.NoError(t, lock.release())
	require.NoError(t, s.Close())
}

func TestCountersAreCheckedWhenTheLockIsTaken(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s, err := Open(t.Context(), Config{
		Path: filepath.Join(t.TempDir(), "calls.db"), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	require.NoError(t, err)
	in := store.Batch{Org: "org_1", ID: "acb_1", Target: 9, Weight: 1}
	people := []store.NewRecipient{{To: "+14155550100"}, {To: "+14155550101"}, {To: "+14155550102"}}
	_, err = s.CreateBatch(t.Context(), in, people)
	require.NoError(t, err)
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Minute))
	_, err = s.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: "a", Limit: 9, Claims: []store.Claim{{BatchID: "acb_1", CallIDs: []string{"call_1", "call_2"}}},
	})
	require.NoError(t, err)
	require.Empty(t, log.String())
	want, err := s.Batch(t.Context(), "org_1", "acb_1")
	require.NoError(t, err)

	_, err = write(t.Context(), s.writer, func(ctx context.Context, c *connection) (none struct{}, err error) {
		if _, err := c.exec(ctx, "UPDATE organisations SET in_flight = 7, queued = 0"); err != nil {
			return none, err
		}
		_, err = c.exec(ctx, "UPDATE batches SET queued = 0, dispatched = 0, completed = 3")
		return none, err
	})
	require.NoError(t, err)
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, 0))
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "b"}, time.Minute))
	got, err := s.Batch(t.Context(), "org_1", "acb_1")
	require.NoError(t, err)
	require.Equal(t, want, got)
	out, err := s.Advance(t.Context(), store.Step{Org: "org_1", Owner: "b"})
	require.NoError(t, err)
	require.Equal(t, 2, out.InFlight)
	require.NoError(t, s.Close())
	require.Contains(t, log.String(), "acb_1")
	require.Contains(t, log.String(), "counters of organisations")
	require.NotContains(t, log.String(), "+1415")
}
