package postgres_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// A step that is foreseen says and writes what one that has asked does.
func TestForeseenStepsAreAsOthers(t *testing.T) {
	t.Parallel()
	alone := fresh(t)
	url := cluster.url(t)
	several := &alternating{random: rand.New(rand.NewPCG(1, 2))} // which hardly ever know what is true
	for range 2 {
		several.stores = append(several.stores, open(t, postgres.Config{URL: url, NoHints: true}))
	}
	src, random := newSource(), rand.New(rand.NewPCG(3, 4))
	stores := []store.Store{alone, several}
	var batches []store.Batch
	for range 3 {
		b := src.batch("org_1")
		b.Target = 8
		batches = append(batches, b)
		for _, s := range stores {
			_, err := s.CreateBatch(t.Context(), b, people(60))
			require.NoError(t, err)
		}
	}
	for _, s := range stores {
		require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "node_1"}, time.Hour))
	}
	var flying []store.Call
	for range 400 {
		step := store.Step{Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 12}
		flying, step.Events = happenings(random, src, flying)
		for i := range random.IntN(3) {
			step.Claims = append(step.Claims, src.claim(batches[(i+random.IntN(2))%3], 1+random.IntN(9)))
		}
		want, err := several.Advance(t.Context(), step)
		require.NoError(t, err)
		got, err := alone.Advance(t.Context(), step)
		require.NoError(t, err)
		require.Equal(t, plain(want), plain(got))
		for _, c := range got.Claimed {
			flying = append(flying, c.Call)
		}
	}
	for _, b := range batches {
		q := store.RecipientQuery{Org: "org_1", BatchID: b.ID}
		want, err := several.Recipients(t.Context(), q)
		require.NoError(t, err)
		got, err := alone.Recipients(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, want, got)
		one, err := several.Batch(t.Context(), "org_1", b.ID)
		require.NoError(t, err)
		two, err := alone.Batch(t.Context(), "org_1", b.ID)
		require.NoError(t, err)
		require.Equal(t, one, two)
	}
	want, err := several.Calls(t.Context(), store.CallQuery{Org: "org_1"})
	require.NoError(t, err)
	got, err := alone.Calls(t.Context(), store.CallQuery{Org: "org_1"})
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// plain is without what depends on whether a batch was read or written by the step.
func plain(a store.Advanced) store.Advanced {
	for i := range a.Batches {
		a.Batches[i].UpdatedAt = a.Batches[i].UpdatedAt.UTC()
	}
	return a
}

// happenings has some of the calls come further or end, most of those who could not be placed to be called again.
func happenings(random *rand.Rand, src *source, flying []store.Call) (left []store.Call, events []store.Event) {
	for _, c := range flying {
		e := store.Event{BatchID: c.BatchID, Index: c.Index, CallID: c.ID}
		switch random.IntN(6) {
		case 0:
			e.Status, e.EndedAt, e.EndReason = fsm.Completed, src.now(), dialer.AgentHangup
		case 1:
			e.Status, e.Error = fsm.Queued, "no room"
		case 2:
			e.Status, e.Unplaced, e.Error, e.EndReason = fsm.Failed, true, "refused", dialer.Error
		case 3:
			e.Status, e.Ref, e.RangAt = fsm.Dispatched, "ref", src.now()
			left = append(left, c)
		default:
			left = append(left, c)
			continue
		}
		events = append(events, e)
	}
	return left, events
}
