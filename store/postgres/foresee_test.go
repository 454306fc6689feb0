package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// trips counts what goes to the server and comes back.
type trips struct{ n atomic.Int64 }

func (c *trips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.n.Add(1)
	return ctx
}
func (c *trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (c *trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (c *trips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}
func (c *trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// counted is a store whose trips are counted.
func counted(t *testing.T, url string) (*postgres.Store, *trips) {
	t.Helper()
	c := &trips{}
	config, err := pgxpool.ParseConfig(url + "&pool_max_conns=3")
	require.NoError(t, err)
	config.ConnConfig.Tracer = c
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return open(t, postgres.Config{Pool: pool, NoHints: true}), c
}

// stepper takes step after step, each of which ends the calls of the one before and claims as many.
type stepper struct {
	src   *source
	batch store.Batch
	mine  []store.Claimed
}

func (c *stepper) next(n int) store.Step {
	return store.Step{
		Org: "org_1", Owner: "node_1", Now: c.src.now(), Limit: 100, Events: completed(c.mine, c.src.now()),
		Claims: []store.Claim{c.src.claim(c.batch, n)},
	}
}

func (c *stepper) take(t *testing.T, s *postgres.Store, n int) {
	t.Helper()
	got, err := s.Advance(t.Context(), c.next(n))
	require.NoError(t, err)
	require.Empty(t, got.Lost)
	require.Len(t, got.Claimed, n)
	c.mine = got.Claimed
}

func TestAStepIsOneTripWhileNobodyElseWrites(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s, c := counted(t, url)
	other := open(t, postgres.Config{URL: url, NoHints: true})
	src, b := stocked(t, s, 1000)
	p := &stepper{src: src, batch: b}
	of := func(n int) int64 {
		before := c.n.Load()
		p.take(t, s, n)
		return c.n.Load() - before
	}
	p.take(t, s, 3) // over a connection that has to prepare
	p.take(t, s, 3)
	for range 50 { // some of which read ahead
		require.Equal(t, int64(1), of(3))
	}
	require.Equal(t, int64(2), of(90), "more than were read ahead")
	require.Equal(t, int64(1), of(90))

	// What somebody else writes costs one in vain with its end, and then it is looked at first for a while.
	change := func() {
		_, err := other.Change(t.Context(), "org_1", b.ID, store.Change{Action: store.ActionSetTarget, Target: int(c.n.Load()), At: src.now()})
		require.NoError(t, err)
	}
	change()
	require.Equal(t, int64(4), of(3))
	require.Equal(t, int64(2), of(3))
	require.Equal(t, int64(1), of(3))
	change()
	require.Equal(t, int64(4), of(3))
	change()
	require.Equal(t, int64(2), of(3), "nothing in vain")

	// What the store itself writes is known to it.
	for range 9 {
		p.take(t, s, 3)
	}
	require.Equal(t, int64(1), of(3))
	_, err := s.Change(t.Context(), "org_1", b.ID, store.Change{Action: store.ActionSetTarget, Target: 99, At: src.now()})
	require.NoError(t, err)
	require.Equal(t, int64(2), of(3))
	require.Equal(t, int64(1), of(3))
}

// The lease of a step that asks for nothing before it writes is looked at behind the lock as well.
func TestLeaseIsCheckedBehindTheLockOfAForeseenStep(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(p *stepper) store.Step{
		"that claims":     func(p *stepper) store.Step { s := p.next(1); s.Events = nil; return s },
		"that ends calls": func(p *stepper) store.Step { s := p.next(1); s.Claims = nil; return s },
		"that brings calls further": func(p *stepper) store.Step {
			s := p.next(1)
			s.Claims = nil
			for i := range s.Events {
				s.Events[i].Status, s.Events[i].EndReason, s.Events[i].EndedAt = fsm.Started, "", time.Time{}
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := cluster.url(t)
			s := open(t, postgres.Config{URL: url, NoHints: true})
			src, b := stocked(t, s, 50)
			p := &stepper{src: src, batch: b}
			p.take(t, s, 2)
			p.take(t, s, 2)
			before, err := s.Batch(t.Context(), "org_1", b.ID)
			require.NoError(t, err)
			step := of(p)
			hold, done := blocked(t, url, "outdial.organisations", func() error { _, err := s.Advance(t.Context(), step); return err })
			_, err = hold.Exec(t.Context(), "UPDATE outdial.nodes SET expires_at = clock_timestamp(); COMMIT")
			require.NoError(t, err)
			require.ErrorIs(t, <-done, store.ErrNotOwner)
			after, err := s.Batch(t.Context(), "org_1", b.ID)
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
}

// A try that reaches the server behind its replay finds another revision and comes to nothing.
func TestATryThatComesBehindItsReplayWritesNothing(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s, c := counted(t, url)
	other := open(t, postgres.Config{URL: url, NoHints: true})
	src, b := stocked(t, s, 100)
	p := &stepper{src: src, batch: b}
	p.take(t, s, 3)
	p.take(t, s, 3)
	step := p.next(3)
	replay := step
	replay.Replay = true
	first, err := other.Advance(t.Context(), replay)
	require.NoError(t, err)
	require.Len(t, first.Claimed, 3)
	before := c.n.Load()
	_, err = s.Advance(t.Context(), step)
	require.Error(t, err, "its calls exist, and it is no replay")
	require.Greater(t, c.n.Load(), before+1, "it was tried")
	replay.Now = src.now()
	again, err := s.Advance(t.Context(), replay)
	require.NoError(t, err)
	require.Equal(t, first.Claimed, again.Claimed)
	require.Equal(t, first.Rev, again.Rev)
}

// Metadata may be of any length, whether it was read ahead or is read with the claim.
func TestMetadataOfAnyLengthIsTold(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	src := newSource()
	var list []store.NewRecipient
	for i := range 60 {
		n := store.NewRecipient{To: dialer.Phone(fmt.Sprintf("+1415555%04d", i))}
		if i%3 > 0 {
			n.Metadata = bytes.Repeat([]byte{byte(i)}, []int{0, 1022 + i%5, 100_000 * (i % 2)}[i%3])
		}
		list = append(list, n)
	}
	b, err := s.CreateBatch(t.Context(), src.batch("org_1"), list)
	require.NoError(t, err)
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "node_1"}, time.Hour))
	p := &stepper{src: src, batch: b}
	for i := range 12 {
		p.take(t, s, 5)
		for j, c := range p.mine {
			require.Equal(t, list[5*i+j].To, c.Call.To)
			require.Equal(t, string(list[5*i+j].Metadata), string(c.Metadata))
			require.Equal(t, len(list[5*i+j].Metadata) == 0, c.Metadata == nil)
		}
	}
}

// Calls last, others change the batch now and then, and some steps come to nothing: what is not known any more is read once,
// and not by every step.
func TestStepsOfCallsThatLastAreOneTrip(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s, c := counted(t, url)
	other := open(t, postgres.Config{URL: url, NoHints: true})
	src, b := stocked(t, s, 1000)
	p := &stepper{src: src, batch: b}
	p.take(t, s, 90)
	mine := p.mine
	for i := range 3 {
		_, err := other.Change(t.Context(), "org_1", b.ID, store.Change{Action: store.ActionSetTarget, Target: 500 + i, At: src.now()})
		require.NoError(t, err)
		before := c.n.Load()
		for range 50 {
			p.mine = mine[:1]
			p.take(t, s, 1)
			mine = append(mine[1:], p.mine...)
			full := p.next(1)
			full.Events, full.Limit = nil, len(mine)
			got, err := s.Advance(t.Context(), full)
			require.NoError(t, err)
			require.Empty(t, got.Claimed)
		}
		require.LessOrEqual(t, c.n.Load()-before, int64(50*(1+2)+5))
	}
}

// The key of a retry for which there was nothing to do is no change of the batch, and stays. Steps of the same process tell
// it, too.
func TestAKeyOfWhichAStepDoesNotKnowStays(t *testing.T) {
	t.Parallel()
	for name, same := range map[string]bool{"by the same process": true, "by another one": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := cluster.url(t)
			s := open(t, postgres.Config{URL: url, NoHints: true})
			by := s
			if !same {
				by = open(t, postgres.Config{URL: url, NoHints: true})
			}
			src, b := stocked(t, s, 6)
			other, err := s.CreateBatch(t.Context(), src.batch("org_1"), people(9))
			require.NoError(t, err)
			p, aside := &stepper{src: src, batch: b}, &stepper{src: src, batch: other}
			for range 2 {
				p.take(t, s, 2)
				aside.take(t, s, 2)
			}
			_, err = by.Change(t.Context(), "org_1", b.ID, store.Change{Action: store.ActionRetry, Key: "key_1", At: src.now()})
			require.NoError(t, err)
			aside.take(t, s, 2)
			step := p.next(2) // then nobody is queued any more, which the row of the batch says
			told, err := s.Advance(t.Context(), step)
			require.NoError(t, err)
			if same {
				require.Equal(t, "key_1", told.Batches[0].RetryKey)
			}
			p.mine = told.Claimed
			step = p.next(1)
			_, err = s.Advance(t.Context(), step)
			require.NoError(t, err)
			got, err := by.Batch(t.Context(), "org_1", b.ID)
			require.NoError(t, err)
			require.Equal(t, fsm.BatchCompleted, got.Status())
			require.Equal(t, "key_1", got.RetryKey)
		})
	}
}
