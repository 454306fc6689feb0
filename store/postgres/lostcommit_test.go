package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// far is a store behind a proxy, and near one over the same database that always gets through.
func far(t *testing.T) (p *proxy, far, near *postgres.Store) {
	t.Helper()
	url := cluster.url(t)
	p = newProxy(t, cluster.server.Port())
	far = open(t, postgres.Config{URL: p.url(t, url), NoHints: true})
	return p, far, open(t, postgres.Config{URL: url, NoHints: true})
}

// strike does something whose commit meets a fault.
func (p *proxy) strike(t *testing.T, f fault, do func() error) {
	t.Helper()
	before := p.struck()
	p.arm(f)
	err := do()
	require.Equal(t, before+1, p.struck(), "the fault happened")
	require.Error(t, err)
	for _, sentinel := range []error{store.ErrNotFound, store.ErrNotOwner, store.ErrBatchCancelled, store.ErrClosed, store.ErrOwned} {
		require.NotErrorIs(t, err, sentinel, "which would say that nothing was written")
	}
}

func TestLostCommits(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{"before the server has it": cut, "after the server has it": swallow} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, far, near := far(t)
			src, b := stocked(t, far, 10)
			written := f == swallow
			ctx := t.Context()

			draft := src.batch("org_1")
			create := func() error { _, err := far.CreateBatch(ctx, draft, people(3)); return err }
			p.strike(t, f, create)
			_, err := near.Batch(ctx, "org_1", draft.ID)
			require.Equal(t, written, err == nil)
			require.NoError(t, create())
			list, err := near.Batches(ctx, store.BatchQuery{Org: "org_1"})
			require.NoError(t, err)
			require.Len(t, list, 2)

			step := store.Step{Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 4)}}
			p.strike(t, f, func() error { _, err := far.Advance(ctx, step); return err })
			step.Replay = true
			got, err := far.Advance(ctx, step)
			require.NoError(t, err)
			require.Len(t, got.Claimed, 4)
			require.Equal(t, 4, got.InFlight)

			end := store.Step{Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9, Events: completed(got.Claimed[:2], src.now())}
			p.strike(t, f, func() error { _, err := far.Advance(ctx, end); return err })
			end.Replay = true
			ended, err := far.Advance(ctx, end)
			require.NoError(t, err)
			require.Empty(t, ended.Lost)
			require.Equal(t, fsm.Counts{Queued: 6, Dispatched: 2, Completed: 2}, ended.Batches[0].Counts)

			pause := store.Change{Action: store.ActionCancel, At: src.now()}
			change := func() error { _, err := far.Change(ctx, "org_1", b.ID, pause); return err }
			p.strike(t, f, change)
			require.NoError(t, change())
			after, err := near.Batch(ctx, "org_1", b.ID)
			require.NoError(t, err)
			require.Equal(t, fsm.Counts{Cancelled: 6, Dispatched: 2, Completed: 2}, after.Counts)

			beat := func() error { return far.Heartbeat(ctx, store.Node{ID: "node_2"}, time.Hour) }
			p.strike(t, f, beat)
			require.NoError(t, beat())

			require.NoError(t, near.Heartbeat(ctx, store.Node{ID: "node_1"}, 0))
			p.strike(t, f, func() error { _, err := far.Adopt(ctx, "node_2", 9); return err })
			_, err = far.Adopt(ctx, "node_2", 9)
			require.NoError(t, err)
			mine, err := near.Calls(ctx, store.CallQuery{Org: "org_1", InFlight: true, Owner: "node_2"})
			require.NoError(t, err)
			require.Len(t, mine, 2, "whoever asks for its calls learns of those that it adopted")
		})
	}
}

// Steps are repeated until the store has them, as the engine does: each recipient is claimed once.
func TestNobodyIsClaimedTwiceWhateverCommitsAreLost(t *testing.T) {
	t.Parallel()
	p, far, near := far(t)
	src, b := stocked(t, far, 300)
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[int]string{}
	var last []store.Claimed
	for len(seen) < 300 {
		step := store.Step{
			Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 7, Events: completed(last, src.now()),
			Claims: []store.Claim{src.claim(b, 7)},
		}
		var got store.Advanced
		for try := 1; ; try++ {
			p.arm(fault(random.IntN(3)))
			var err error
			if got, err = far.Advance(t.Context(), step); err == nil {
				break
			}
			require.Less(t, try, 30, "no try gets through: %v", err)
			step.Replay = true
		}
		require.Empty(t, got.Lost)
		require.LessOrEqual(t, got.InFlight, 7)
		require.NotEmpty(t, got.Claimed)
		for _, c := range got.Claimed {
			require.Empty(t, seen[c.Call.Index], "claimed before, as %s", c.Call.ID)
			seen[c.Call.Index] = c.Call.ID
			require.Equal(t, 1, c.Call.Attempt)
		}
		last = got.Claimed
	}
	require.Greater(t, p.struck(), 20)
	after, err := near.Batch(t.Context(), "org_1", b.ID)
	require.NoError(t, err)
	require.Equal(t, fsm.Counts{Dispatched: len(last), Completed: 300 - len(last)}, after.Counts)
}

// A client that has vanished without a word keeps an organisation for the store's timeout at most.
func TestAHalfOpenConnectionHoldsNobodyForLong(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	p := newProxy(t, cluster.server.Port())
	near := open(t, postgres.Config{URL: url, NoHints: true, Timeout: patience})
	far := open(t, postgres.Config{URL: p.url(t, url), NoHints: true, Timeout: 2 * time.Second})
	src, b := stocked(t, far, 10)
	change := func(s *postgres.Store, target int) error {
		_, err := s.Change(t.Context(), "org_1", b.ID, store.Change{Action: store.ActionSetTarget, Target: target, At: src.now()})
		return err
	}
	require.NoError(t, change(far, 1))
	p.strike(t, freeze, func() error { return change(far, 2) })
	require.NoError(t, change(near, 3), "the server has ended the transaction of who is silent")
	require.NoError(t, change(far, 4), "over a new connection")
}

// A step of which the server gets the locks and not the end, over a connection that stays, as that of a process that is
// stopped in the middle of a write. That it is over after a while takes a server that bounds transactions.
func TestHalfAStepHoldsNobodyForLong(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	if serverVersion(t, url) < 17 {
		t.Skip("transaction_timeout came with PostgreSQL 17: OUTDIAL_POSTGRES_BIN names the folder of another one")
	}
	p := newProxy(t, cluster.server.Port())
	near := open(t, postgres.Config{URL: url, NoHints: true, Timeout: patience})
	far := open(t, postgres.Config{URL: p.url(t, url), NoHints: true, Timeout: 2 * time.Second})
	src, b := stocked(t, far, 20)
	step := func() error {
		_, err := far.Advance(t.Context(), store.Step{
			Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 2)},
		})
		return err
	}
	for range 2 {
		require.NoError(t, step())
	}
	p.strike(t, half, step)
	_, err := near.Change(t.Context(), "org_1", b.ID, store.Change{Action: store.ActionPause, At: src.now()})
	require.NoError(t, err)
}

func ExampleMigrations() {
	list, err := postgres.Migrations("calls")
	fmt.Println(list[0].Name, err)
	// Output: 0001_tables.sql <nil>
}
