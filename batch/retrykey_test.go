package batch_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/storetest"
)

// newBusyWorld has three recipients whose line is busy however often they are called.
func newBusyWorld(t *testing.T, with ...func(*batch.Config)) (*world, store.Batch) {
	t.Helper()
	w := newWorld(t, dialer.Limits{}, with...)
	w.script(0, 3, fake.Behaviour{End: dialer.DialBusy})
	w.run()
	b := w.awaitOver(w.create(request(3)).ID, time.Minute)
	return w, b
}

// retryOnce retries and waits until everybody has been called that is to be.
func (w *world) retryOnce(b store.Batch, key string) (got store.Batch, replayed bool) {
	w.t.Helper()
	got, replayed, err := w.engine.RetryOnce(w.t.Context(), org, b.ID, key)
	require.NoError(w.t, err)
	w.awaitOver(b.ID, time.Minute)
	return got, replayed
}

func TestARetryUnderItsKeyIsDoneOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, b := newBusyWorld(t)
		got, replayed := w.retryOnce(b, "k1")
		require.False(t, replayed)
		require.Equal(t, 1, got.RetryCount)
		require.Equal(t, 3, got.Counts.Queued)
		for range 2 {
			got, replayed = w.retryOnce(b, "k1")
			require.True(t, replayed)
			require.Equal(t, w.batch(b.ID), got, "as it is now")
			require.Equal(t, fsm.Counts{Failed: 3}, got.Counts)
		}
		require.Equal(t, 6, w.judge().Placed(fake.Scope{}))
		got, replayed = w.retryOnce(b, "k2")
		require.False(t, replayed)
		require.Equal(t, 2, got.RetryCount)
		_, err := w.engine.Retry(t.Context(), org, b.ID)
		require.NoError(t, err)
		w.awaitOver(b.ID, time.Minute)
		_, replayed = w.retryOnce(b, "k2")
		require.True(t, replayed, "a retry without a key has none to forget it for")
		require.Equal(t, 12, w.judge().Placed(fake.Scope{}))
	})
}

func TestARetryOfNobodyIsDoneOnceToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 3, fake.Behaviour{Ring: time.Minute, End: dialer.DialBusy})
		w.run()
		b := w.create(request(3))
		pass(time.Second)
		got, replayed, err := w.engine.RetryOnce(t.Context(), org, b.ID, "k")
		require.NoError(t, err)
		require.False(t, replayed)
		require.Zero(t, got.RetryCount)
		w.awaitOver(b.ID, time.Hour)
		got, replayed = w.retryOnce(b, "k")
		require.True(t, replayed)
		require.Equal(t, fsm.Counts{Failed: 3}, got.Counts)
		require.Zero(t, got.RetryCount)
	})
}

func TestALostAnswerOfTheStoreRetriesOnce(t *testing.T) {
	for _, after := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			var faults *storetest.Faults
			w, b := newBusyWorld(t, func(c *batch.Config) {
				// As long as it takes to call them all, and for the calls to fail again.
				fault := storetest.Fault{After: after, Delay: 3 * time.Second, Err: errors.New("connection reset")}
				faults = storetest.NewFaults(c.Store, storetest.Plan{
					{Method: "Change", N: 1}: fault, {Method: "Change", N: 2}: fault,
				}.Fault)
				c.Store = faults
			})
			got, replayed := w.retryOnce(b, "k")
			require.Equal(t, 3, faults.Count("Change"))
			require.False(t, replayed, "the request that did it is told so")
			require.Equal(t, 1, got.RetryCount)
			require.Equal(t, 6, w.judge().Placed(fake.Scope{}))
		})
	}
}

func TestARetryWithoutAKeyIsNotRepeated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lost := errors.New("connection reset")
		var faults *storetest.Faults
		w, b := newBusyWorld(t, func(c *batch.Config) {
			faults = storetest.NewFaults(c.Store, storetest.Plan{{Method: "Change", N: 1}: {After: true, Err: lost}}.Fault)
			c.Store = faults
		})
		_, err := w.engine.Retry(t.Context(), org, b.ID)
		require.ErrorIs(t, err, lost)
		pass(time.Minute)
		require.Equal(t, 1, faults.Count("Change"))
		require.Equal(t, 6, w.judge().Placed(fake.Scope{}))
	})
}

// Who repeats a retry gets the batch, whatever would be said to a new one.
func TestARepeatedRetryIsNotRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, b := newBusyWorld(t)
		_, err := w.engine.Pause(t.Context(), org, b.ID)
		require.NoError(t, err)
		_, _, err = w.engine.RetryOnce(t.Context(), org, b.ID, "k")
		require.NoError(t, err)
		_, err = w.engine.Cancel(t.Context(), org, b.ID)
		require.NoError(t, err)
		w.dir.set(func(d *directory) { d.orgs[org] = batch.Organisation{ConcurrencyLimit: 5, UsageExceeded: true} })
		got, replayed := w.retryOnce(b, "k")
		require.True(t, replayed)
		require.Equal(t, fsm.BatchCancelled, got.Status())
		_, replayed, err = w.engine.RetryOnce(t.Context(), org, b.ID, "k2")
		require.ErrorIs(t, err, batch.ErrBatchCancelled)
		require.False(t, replayed)
	})
}

func TestWhatCannotBeRetriedUnderAKey(t *testing.T) {
	w := newWorld(t, dialer.Limits{})
	b := w.create(request(1))
	_, _, err := w.engine.RetryOnce(t.Context(), org, "acb_1", "k")
	require.ErrorIs(t, err, batch.ErrNotFound)
	_, _, err = w.engine.RetryOnce(t.Context(), "globex", b.ID, "k")
	require.ErrorIs(t, err, batch.ErrNotFound)
	for _, key := range []string{strings.Repeat("k", store.MaxKey+1), "\xff", "a\x00"} {
		_, _, err = w.engine.RetryOnce(t.Context(), org, b.ID, key)
		var invalid *batch.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "idempotency_key", invalid.Fields[0].Path)
	}
	require.Empty(t, w.batch(b.ID).RetryKey)
}

func TestTheFirstTargetIsRemembered(t *testing.T) {
	w := newWorld(t, dialer.Limits{})
	w.dir.limit(org, 10)
	for asked, want := range map[int]int{0: 5, 3: 3} {
		r := request(1)
		r.Target = asked
		b := w.create(r)
		require.Equal(t, want, b.FirstTarget)
		got, err := w.engine.SetTarget(t.Context(), org, b.ID, 7)
		require.NoError(t, err)
		require.Equal(t, []int{7, want}, []int{got.Target, got.FirstTarget})
	}
}
