package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// knowing is a store that dials, and that knows its batch from a step which claimed one call.
type knowing struct {
	*Store

	path   string
	random *rand.ChaCha8
	now    time.Time
	batch  store.Batch
	first  store.Call
}

func newKnowing(t *testing.T) *knowing {
	t.Helper()
	k := &knowing{
		path: filepath.Join(t.TempDir(), "calls.db"), random: rand.NewChaCha8([32]byte{7}),
		now: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC),
	}
	k.Store = k.open(t)
	require.NoError(t, k.Heartbeat(t.Context(), store.Node{ID: "node_1"}, time.Hour))
	id, err := store.NewBatchID(k.now, k.random)
	require.NoError(t, err)
	k.batch, err = k.CreateBatch(t.Context(), store.Batch{Org: "org_1", ID: id, Target: 100, CreatedAt: k.now, UpdatedAt: k.now},
		make([]store.NewRecipient, 100))
	require.NoError(t, err)
	out := k.step(t, 1)
	require.Len(t, out.Claimed, 1)
	k.first = out.Claimed[0].Call
	k.step(t, 0)
	return k
}

// open opens the file once more, as another process does.
func (k *knowing) open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: k.path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func (k *knowing) step(t *testing.T, claims int, events ...store.Event) store.Advanced {
	t.Helper()
	k.now = k.now.Add(time.Second)
	ids, err := store.NewCallIDs(k.now, k.random, claims)
	require.NoError(t, err)
	out, err := k.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: "node_1", Now: k.now, Limit: 1000, Events: events,
		Claims: []store.Claim{{BatchID: k.batch.ID, CallIDs: ids, Carrier: "trunk", From: "+442071838750"}},
	})
	require.NoError(t, err)
	return out
}

// agree compares what the store knows with the file.
func (k *knowing) agree(t *testing.T, out store.Advanced) {
	t.Helper()
	want, err := k.open(t).Batch(t.Context(), "org_1", k.batch.ID)
	require.NoError(t, err)
	require.Equal(t, []store.Batch{want}, out.Batches)
	require.Equal(t, want.Counts.InFlight(), out.InFlight)
}

func (k *knowing) queuedAgain() store.Event {
	return store.Event{BatchID: k.batch.ID, Index: k.first.Index, CallID: k.first.ID, Status: fsm.Queued, Error: "busy"}
}

func TestAStepReadsWhatIsKnownNoMore(t *testing.T) {
	t.Parallel()
	k := newKnowing(t)
	read, err := write(t.Context(), k.writer, func(_ context.Context, c *connection) (known bool, err error) {
		o := c.known.orgs["org_1"]
		return o != nil && o.batches[k.batch.ID] != nil && o.calls[k.first.ID].owner != 0, nil
	})
	require.NoError(t, err)
	require.True(t, read)
	k.agree(t, k.step(t, 3))
}

// What another process has written counts in the next step.
func TestWhatOthersHaveWrittenIsNotKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change store.Change
		check  func(t *testing.T, k *knowing)
	}{
		"cancel": {store.Change{Action: store.ActionCancel}, func(t *testing.T, k *knowing) {
			require.Empty(t, k.step(t, 5).Claimed)
			out := k.step(t, 5, k.queuedAgain())
			require.Empty(t, out.Claimed)
			require.Equal(t, 100, out.Batches[0].Counts.Cancelled)
			k.agree(t, out)
		}},
		"target": {store.Change{Action: store.ActionSetTarget, Target: 3}, func(t *testing.T, k *knowing) {
			out := k.step(t, 5)
			require.Len(t, out.Claimed, 2)
			k.agree(t, out)
		}},
		"pause": {store.Change{Action: store.ActionPause}, func(t *testing.T, k *knowing) {
			out := k.step(t, 5)
			require.Empty(t, out.Claimed)
			k.agree(t, out)
		}},
		"hang up": {store.Change{Action: store.ActionHangUp}, func(t *testing.T, k *knowing) {
			out := k.step(t, 0, k.queuedAgain())
			require.Equal(t, 1, out.Batches[0].Counts.Failed, "not queued again, since somebody asked for its end")
			k.agree(t, out)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKnowing(t)
			c.change.At, c.change.CallID = k.now, ""
			if c.change.Action == store.ActionHangUp {
				c.change.CallID = k.first.ID
			}
			_, err := k.open(t).Change(t.Context(), "org_1", k.batch.ID, c.change)
			require.NoError(t, err)
			c.check(t, k)
		})
		t.Run(name+" here", func(t *testing.T) {
			t.Parallel()
			k := newKnowing(t)
			ch := c.change
			ch.At = k.now
			if ch.Action == store.ActionHangUp {
				ch.CallID = k.first.ID
			}
			_, err := k.Change(t.Context(), "org_1", k.batch.ID, ch)
			require.NoError(t, err)
			c.check(t, k)
		})
	}
}

// Whatever a write that fails has done to what is known in memory, the file has nothing of it.
func TestWhatAFailedWriteKnewIsForgotten(t *testing.T) {
	t.Parallel()
	k := newKnowing(t)
	errFails := errors.New("it fails")
	_, err := write(t.Context(), k.writer, func(ctx context.Context, c *connection) (none struct{}, err error) {
		o, err := loadOrg(ctx, c, "org_1")
		require.NoError(t, err)
		b, err := loadBatch(ctx, c, o, k.batch.ID)
		require.NoError(t, err)
		o.move(b, fsm.Queued, fsm.Dispatched, 50)
		b.changed, b.Target = true, 1
		delete(o.calls, k.first.ID)
		require.NoError(t, b.seal(ctx, c, o, k.now))
		return none, errFails
	})
	require.ErrorIs(t, err, errFails)
	out := k.step(t, 3)
	require.Len(t, out.Claimed, 3)
	require.Equal(t, 4, out.InFlight)
	k.agree(t, out)
}

// A call of a node that is gone is not taken for its own by the next one, until that has adopted it.
func TestKnownCallsAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	k := newKnowing(t)
	_, err := write(t.Context(), k.writer, func(context.Context, *connection) (none struct{}, err error) {
		k.owner.now = func() time.Time { return time.Now().Add(2 * time.Hour) } // node_1's lease has run out
		return none, nil
	})
	require.NoError(t, err)
	require.NoError(t, k.Heartbeat(t.Context(), store.Node{ID: "node_2"}, time.Hour))
	ring := store.Event{BatchID: k.batch.ID, Index: k.first.Index, CallID: k.first.ID, Status: fsm.Dispatched, RangAt: k.now}
	take := store.Step{Org: "org_1", Owner: "node_2", Now: k.now, Limit: 10, Events: []store.Event{ring}}
	out, err := k.Advance(t.Context(), take)
	require.NoError(t, err)
	require.Equal(t, []string{k.first.ID}, out.Lost)
	adopted, err := k.Adopt(t.Context(), "node_2", 10)
	require.NoError(t, err)
	require.Len(t, adopted, 1)
	out, err = k.Advance(t.Context(), take)
	require.NoError(t, err)
	require.Empty(t, out.Lost)
}

func TestLittleIsKnownOfMany(t *testing.T) {
	t.Parallel()
	k := &known{}
	for i := range 2 * knownSize {
		o := &org{id: fmt.Sprint(i)}
		o.keep(&batch{Batch: store.Batch{ID: "b", Counts: fsm.Counts{Queued: 1}}})
		k.taken = append(k.taken, o)
		k.learn(true)
		require.NotNil(t, k.orgs[o.id], "the latest")
		require.LessOrEqual(t, k.size, knownSize)
	}
	require.Greater(t, k.size, knownSize-10)
	for id := range k.orgs {
		require.NotNil(t, k.take(id))
	}
	require.Zero(t, k.size)
	large := &org{id: "large"}
	for i := range knownSize {
		large.keepCall(fmt.Sprint(i), callState{status: fsm.Started})
	}
	k.put(large)
	require.Empty(t, k.orgs)
}

// The others of its group go on with what the file has.
func TestWhatAFailedWriteOfAGroupKnewIsForgotten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	revision := func(change int64, outcome error) *job {
		return b.add(t.Context(), func(ctx context.Context, c *connection) error {
			o, err := loadOrg(ctx, c, "a")
			require.NoError(t, err)
			require.Equal(t, int64(0), o.rev)
			o.rev += change
			require.NoError(t, o.save(ctx, c))
			return outcome
		})
	}
	jobs := []*job{b.insert("a"), revision(0, nil), revision(5, errMine), revision(0, nil)}
	b.run()
	for i, j := range jobs {
		require.Equal(t, i == 2, <-j.answer != nil)
	}
	last := revision(0, nil)
	b.run()
	require.NoError(t, <-last.answer)
}
