package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// Four processes with a node each, all greedy for what one of them gives back: together they stay within the limits, at every moment that a
// third one looks, and nobody is called twice.
func TestSeveralStoresKeepTheLimitsTogether(t *testing.T) {
	t.Parallel()
	const limit, target, size = 7, 4, 120
	url := cluster.url(t)
	src := newSource()
	first := open(t, postgres.Config{URL: url, NoHints: true})
	var batches []store.Batch
	for range 3 {
		draft := src.batch("org_1")
		draft.Target = target
		b, err := first.CreateBatch(t.Context(), draft, people(size))
		require.NoError(t, err)
		batches = append(batches, b)
	}
	watching, stop := context.WithCancel(t.Context())
	var watcher, dialling sync.WaitGroup
	watch := session(t, url)
	watcher.Go(func() {
		for watching.Err() == nil {
			var most, all int
			err := watch.QueryRow(context.WithoutCancel(watching), `SELECT coalesce(max(n), 0), coalesce(sum(n), 0) FROM (
				SELECT count(*) AS n FROM outdial.flights GROUP BY batch) b`).Scan(&most, &all)
			if err != nil || most > target || all > limit {
				t.Errorf("%d calls in flight, %d of one batch: %v", all, most, err)
				return
			}
		}
	})
	var mu sync.Mutex
	seen := map[string]bool{}
	for i := range 4 {
		s := open(t, postgres.Config{URL: url, NoHints: true})
		node := fmt.Sprintf("node_%d", i)
		require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: node}, time.Hour))
		dialling.Go(func() {
			var mine []store.Claimed
			for !t.Failed() {
				end := store.Step{Org: "org_1", Owner: node, Now: src.now(), Limit: limit, Events: completed(mine, src.now())}
				if got, err := s.Advance(context.Background(), end); err != nil || len(got.Lost) > 0 {
					t.Errorf("end: %v, %d lost", err, len(got.Lost))
					return
				}
				step := store.Step{Org: "org_1", Owner: node, Now: src.now(), Limit: limit}
				for _, b := range batches {
					step.Claims = append(step.Claims, src.claim(b, 5))
				}
				got, err := s.Advance(context.Background(), step)
				if err != nil || len(got.Lost) > 0 || got.InFlight > limit {
					t.Errorf("advance: %v, %d lost, %d in flight", err, len(got.Lost), got.InFlight)
					return
				}
				queued := 0
				for _, b := range got.Batches {
					queued += b.Counts.Queued
				}
				if mine = got.Claimed; len(mine) == 0 && queued == 0 {
					return
				}
				mu.Lock()
				for _, c := range mine {
					if seen[c.Call.RecipientID()] {
						t.Errorf("recipient %s was claimed twice", c.Call.RecipientID())
					}
					seen[c.Call.RecipientID()] = true
				}
				mu.Unlock()
			}
		})
	}
	dialling.Wait()
	stop()
	watcher.Wait()
	require.Len(t, seen, 3*size)
	for _, b := range batches {
		got, err := first.Batch(t.Context(), "org_1", b.ID)
		require.NoError(t, err)
		require.Equal(t, fsm.Counts{Completed: size}, got.Counts)
	}
}

// Organisations do not wait for each other, and those who wait for one leave the connections to others.
func TestOneOrganisationKeepsNoOtherWaiting(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url + "&pool_max_conns=2", NoHints: true, Timeout: 20 * time.Second})
	src, b := stocked(t, s, 5)
	other, err := s.CreateBatch(t.Context(), src.batch("org_2"), people(2))
	require.NoError(t, err)
	hold := session(t, url)
	_, err = hold.Exec(t.Context(), "BEGIN; SELECT FROM outdial.organisations WHERE id = 'org_1' FOR UPDATE")
	require.NoError(t, err)
	var waiting sync.WaitGroup
	for range 10 {
		change := store.Change{Action: store.ActionSetTarget, Target: 3, At: src.now()}
		waiting.Go(func() {
			if _, err := s.Change(context.Background(), "org_1", b.ID, change); err != nil {
				t.Errorf("change: %v", err)
			}
		})
	}
	for range 200 { // by then all of them wait
		_, err := s.Batch(t.Context(), "org_2", other.ID)
		require.NoError(t, err)
	}
	got, err := s.Advance(t.Context(), store.Step{
		Org: "org_2", Owner: "node_1", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(other, 1)},
	})
	require.NoError(t, err)
	require.Len(t, got.Claimed, 1)
	_, err = hold.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	waiting.Wait()
}

// Bytes that are no UTF-8 are kept as well, in ids too.
func TestTextsMayHoldAnyBytes(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	src := newSource()
	odd := "\xff\xfe\x00\x80"
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: odd, Regions: []string{odd}, Carriers: []string{odd, ""}}, time.Hour))
	draft := src.batch(odd)
	draft.ID, draft.Name, draft.Key = odd, odd, odd
	_, err := s.CreateBatch(t.Context(), draft, people(2))
	require.NoError(t, err)
	b, err := s.Batch(t.Context(), odd, odd)
	require.NoError(t, err)
	require.Equal(t, []string{odd, odd, odd}, []string{b.ID, b.Name, b.Key})
	claim := store.Claim{BatchID: odd, CallIDs: []string{odd}, Carrier: odd, From: "+1"}
	got, err := s.Advance(t.Context(), store.Step{Org: odd, Owner: odd, Now: src.now(), Limit: 1, Claims: []store.Claim{claim}})
	require.NoError(t, err)
	event := completed(got.Claimed, src.now())[0]
	event.Details = map[string]string{odd: odd, "": ""}
	event.Tries = []store.Try{{Carrier: odd, At: src.now(), Error: odd}, {}}
	_, err = s.Advance(t.Context(), store.Step{Org: odd, Owner: odd, Now: src.now(), Events: []store.Event{event}})
	require.NoError(t, err)
	c, err := s.Call(t.Context(), odd, odd)
	require.NoError(t, err)
	require.Equal(t, []string{odd, odd, odd}, []string{c.Owner, c.Carrier, c.BatchID})
	require.Equal(t, event.Details, c.Details)
	require.Equal(t, event.Tries, c.Tries)
	nodes, err := s.Nodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{odd, ""}, nodes[0].Carriers)
	require.Equal(t, []string{odd}, nodes[0].Regions)
}

// Keys of organisations may collide, in theory. Then the second one has nothing, and not what is the first's.
func TestOrganisationsWhoseKeysCollideAreTold(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true})
	src, b := stocked(t, s, 3)
	got, err := s.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 1)},
	})
	require.NoError(t, err)
	run(t, url, "UPDATE outdial.organisations SET id = 'who was there first'")
	_, err = s.CreateBatch(t.Context(), src.batch("org_1"), people(1))
	require.ErrorContains(t, err, "another organisation has the same key")
	_, err = s.Batch(t.Context(), "org_1", b.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.Call(t.Context(), "org_1", got.Claimed[0].Call.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.Change(t.Context(), "org_1", b.ID, store.Change{Action: store.ActionCancel, At: src.now()})
	require.ErrorIs(t, err, store.ErrNotFound)
	for _, q := range []store.BatchQuery{{}, {Open: true}, {ByRev: true}, {AgentID: "agent_1"}, {CreatedFrom: b.CreatedAt}} {
		q.Org = "org_1"
		list, err := s.Batches(t.Context(), q)
		require.NoError(t, err)
		require.Empty(t, list)
	}
	for _, q := range []store.RecipientQuery{{BatchID: b.ID}, {ByRev: true}, {BatchID: b.ID, ByRev: true}} {
		q.Org = "org_1"
		list, err := s.Recipients(t.Context(), q)
		require.NoError(t, err)
		require.Empty(t, list)
	}
	for _, q := range []store.CallQuery{{}, {InFlight: true}, {BatchID: b.ID}} {
		q.Org = "org_1"
		list, err := s.Calls(t.Context(), q)
		require.NoError(t, err)
		require.Empty(t, list)
	}
	lost, err := s.Advance(t.Context(), store.Step{Org: "org_1", Owner: "node_1", Events: completed(got.Claimed, src.now())})
	require.NoError(t, err)
	require.Len(t, lost.Lost, 1)
	require.Empty(t, lost.Batches)
}
