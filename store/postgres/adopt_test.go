package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// leftBehind has a call left behind in each of n organisations, org_0 and so on, and a node that may adopt them.
func leftBehind(t *testing.T, s *postgres.Store, n int, lease time.Duration) (heir store.Node) {
	t.Helper()
	ctx, src := t.Context(), newSource()
	require.NoError(t, s.Heartbeat(ctx, store.Node{ID: "dead"}, time.Hour))
	for i := range n {
		org := fmt.Sprint("org_", i)
		b, err := s.CreateBatch(ctx, src.batch(org), people(3))
		require.NoError(t, err)
		got, err := s.Advance(ctx, store.Step{
			Org: org, Owner: "dead", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 1)},
		})
		require.NoError(t, err)
		require.Len(t, got.Claimed, 1)
	}
	require.NoError(t, s.Heartbeat(ctx, store.Node{ID: "dead"}, 0))
	heir = store.Node{ID: "heir", Carriers: []string{"carrier_1"}, Beat: 1}
	require.NoError(t, s.Heartbeat(ctx, heir, lease))
	return heir
}

// holding has another process be in the middle of writing to an organisation until release.
func holding(t *testing.T, url, org string) (release func()) {
	t.Helper()
	conn := session(t, url)
	_, err := conn.Exec(t.Context(), "BEGIN; SELECT FROM outdial.organisations WHERE id = '"+org+"' FOR NO KEY UPDATE")
	require.NoError(t, err)
	return func() {
		_, err := conn.Exec(context.Background(), "ROLLBACK")
		require.NoError(t, err)
	}
}

// What is left behind in other organisations is taken over at once, and they are written to while the one is waited for. The one is
// not passed over: that there is nothing left is not said before it was had.
func TestAdoptionOfOneOrganisationDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	const orgs = 6
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: patience})
	heir := leftBehind(t, s, orgs, time.Hour)
	release := holding(t, url, "org_0") // which has the oldest
	for _, limit := range []int{3, 100} {
		got, err := s.Adopt(t.Context(), heir.ID, limit)
		require.NoError(t, err)
		require.Len(t, got, min(limit-1, 3), "in the free ones among the oldest, or in all that are free")
		for _, c := range got {
			require.NotEqual(t, "org_0", c.Call.Org)
			require.NotEmpty(t, c.Metadata)
		}
	}
	waiting := waiters(t, url)
	failing := make(chan error, 1)
	go func() { _, err := s.Adopt(context.Background(), heir.ID, 100); failing <- err }()
	require.Eventually(t, func() bool { return waiting() > 0 }, patience, time.Millisecond)
	for i := 1; i < orgs; i++ {
		soon, cancel := context.WithTimeout(t.Context(), patience/2)
		_, err := s.Advance(soon, store.Step{Org: fmt.Sprint("org_", i), Owner: heir.ID, Limit: 9})
		cancel()
		require.NoError(t, err)
	}
	require.ErrorContains(t, <-failing, "left behind in organisation org_0, to which somebody is writing")
	release()
	got, err := s.Adopt(t.Context(), heir.ID, 100)
	require.NoError(t, err)
	require.Len(t, got, 1)
	got, err = s.Adopt(t.Context(), heir.ID, 100)
	require.NoError(t, err)
	require.Empty(t, got)
}

// One of which the oldest would fill a page does not hide the others.
func TestAPageOfOneOrganisationDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true})
	heir := leftBehind(t, s, 3, time.Hour)
	release := holding(t, url, "org_0")
	defer release()
	for _, want := range []string{"org_1", "org_2"} {
		got, err := s.Adopt(t.Context(), heir.ID, 1)
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Equal(t, want, got[0].Call.Org)
	}
	_, err := s.Adopt(t.Context(), heir.ID, 1)
	require.Error(t, err)
}

// Who waits for an organisation that is written to often has its turn.
func TestAdoptionWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: patience})
	heir := leftBehind(t, s, 1, time.Hour)
	release := holding(t, url, "org_0")
	waiting := waiters(t, url)
	adopted := make(chan error, 1)
	go func() {
		got, err := s.Adopt(context.Background(), heir.ID, 9)
		if err == nil && len(got) != 1 {
			err = fmt.Errorf("adopted %d", len(got))
		}
		adopted <- err
	}()
	require.Eventually(t, func() bool { return waiting() > 0 }, patience, time.Millisecond)
	release()
	require.NoError(t, <-adopted)
}

// A lease is renewed while adoptions, steps, lists of nodes and whatever else a store does have all connections that they
// may have.
func TestLeaseIsRenewedWhileAllElseWaits(t *testing.T) {
	t.Parallel()
	const conns = 6
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: fmt.Sprintf("%s&pool_max_conns=%d", url, conns), NoHints: true, Timeout: patience})
	heir := leftBehind(t, s, 1, time.Hour)
	release := lock(t, url, "outdial.organisations, outdial.flights", "ACCESS EXCLUSIVE")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for i := range conns {
		for _, do := range []func(){
			func() { _, _ = s.Adopt(ctx, heir.ID, 9) },
			func() { _, _ = s.Active(ctx) },
			func() { _, _ = s.Nodes(ctx) }, // somebody may have left calls behind
			func() { _, _ = s.Advance(ctx, store.Step{Org: fmt.Sprint("org_", i), Owner: heir.ID, Limit: 9}) },
		} {
			all.Go(do)
		}
	}
	waiting := waiters(t, url)
	require.Eventually(t, func() bool { return waiting() >= conns-1 }, patience, time.Millisecond)
	looks, most := 0, 0
	require.Eventually(t, func() bool {
		looks, most = looks+1, max(most, waiting())
		return looks == 300
	}, patience, time.Millisecond)
	require.Equal(t, conns-1, most)
	soon, stop := context.WithTimeout(t.Context(), patience/2)
	defer stop()
	for beat := range int64(9) {
		heir.Beat = 2 + beat
		require.NoError(t, s.Heartbeat(soon, heir, time.Hour))
		require.LessOrEqual(t, waiting(), conns-1)
	}
	cancel()
	release()
	all.Wait()
	nodes, err := s.Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 2, "the other one has left a call behind")
}

// Lists of nodes read calls only while somebody may have left some behind.
func TestNodesLookAtCallsOnlyWhereSomeMayBeLeft(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true})
	heir := leftBehind(t, s, 1, time.Hour)
	nodes := func() (lapsed int) {
		got, err := s.Nodes(t.Context())
		require.NoError(t, err)
		for _, n := range got {
			if n.Lapsed {
				lapsed++
			}
		}
		require.Len(t, got, 1+lapsed)
		return lapsed
	}
	long := func(id, ago string) {
		run(t, url, "UPDATE outdial.nodes SET expires_at = clock_timestamp() - interval '"+ago+"' WHERE id = '"+id+"'")
	}
	long("dead", "1 year")
	require.Equal(t, 1, nodes())
	require.Equal(t, 1, nodes(), "as long as they are left")
	_, err := s.Adopt(t.Context(), heir.ID, 9)
	require.NoError(t, err)
	require.Zero(t, nodes())
	release := lock(t, url, "outdial.flights", "ACCESS EXCLUSIVE")
	require.Zero(t, nodes(), "nobody looks any more")
	release()

	// A lease that has just run out may be that of a step which is not committed yet.
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "next", Carriers: heir.Carriers}, time.Hour))
	long("heir", "1 second")
	require.Equal(t, 1, nodes())
	_, err = s.Adopt(t.Context(), "next", 9)
	require.NoError(t, err)
	require.Zero(t, nodes())
	run(t, url, "UPDATE outdial.flights SET owner = (SELECT key FROM outdial.nodes WHERE id = 'heir')")
	require.Equal(t, 1, nodes())
}

// What was adopted is over before Adopt has read it back, as the node's own loop, which reclaims, was faster.
func TestAdoptionOfWhatIsOverByNowEnds(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: 20 * time.Second})
	heir := leftBehind(t, s, 1, time.Hour)
	release := lock(t, url, "outdial.metadata", "ACCESS EXCLUSIVE")
	type result struct {
		calls []store.Claimed
		err   error
	}
	out := make(chan result, 1)
	go func() {
		calls, err := s.Adopt(context.Background(), heir.ID, 9)
		out <- result{calls, err}
	}()
	var ids []string
	var batch string
	conn := session(t, url)
	require.Eventually(t, func() bool {
		var id, b []byte
		err := conn.QueryRow(t.Context(), `SELECT c.id, b.id FROM outdial.flights c JOIN outdial.batches b USING (org, batch)
			JOIN outdial.nodes n ON n.key = c.owner WHERE n.id = 'heir'`).Scan(&id, &b)
		if err == nil {
			ids, batch = append(ids, string(id)), string(b)
		}
		return err == nil
	}, 30*time.Second, 5*time.Millisecond)
	got, err := s.Advance(t.Context(), store.Step{Org: "org_0", Owner: heir.ID, Now: time.Now(), Limit: 9, Events: []store.Event{{
		BatchID: batch, CallID: ids[0], Index: 0, Status: fsm.Failed, EndReason: dialer.Error, EndedAt: time.Now(),
	}}})
	require.NoError(t, err)
	require.Empty(t, got.Lost)
	release()
	r := <-out
	require.NoError(t, r.err, "it did not ask again for what it had taken until its time was over")
	require.Empty(t, r.calls)
}
