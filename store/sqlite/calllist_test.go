package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/callids"
)

const callTime = 1_777_885_200_000_017

// dial makes calls of three agents' batches, in steps that are at times in the same millisecond, or earlier than the
// one before. Some ids are of another maker or of another time than the call, and some calls have no time.
func dial(t *testing.T, s *Store, random *rand.Rand, steps int) {
	t.Helper()
	ctx, source := t.Context(), rand.NewChaCha8([32]byte{})
	require.NoError(t, s.Heartbeat(ctx, store.Node{ID: "a"}, time.Hour))
	var batches []string
	for i := range 9 {
		b := store.Batch{Org: "org_1", ID: fmt.Sprint("acb_", i), AgentID: fmt.Sprint("agent_", i%4), Target: 1 << 20}
		_, err := s.CreateBatch(ctx, b, make([]store.NewRecipient, 4*steps))
		require.NoError(t, err)
		batches = append(batches, b.ID)
	}
	at := time.UnixMicro(callTime).UTC()
	for n := range steps {
		at = at.Add(time.Duration(random.IntN(1900)-300) * time.Microsecond)
		now, made := at, at
		switch random.IntN(8) {
		case 0:
			now = at.Add(time.Duration(random.IntN(9000)-4500) * time.Microsecond)
		case 1:
			now = time.Time{}
		case 2:
			now = time.UnixMicro(-int64(n)).UTC()
		}
		ids, err := store.NewCallIDs(made, source, 3)
		require.NoError(t, err)
		if random.IntN(8) == 0 {
			ids = []string{fmt.Sprintf("call_%d", n)}
		}
		_, err = s.Advance(ctx, store.Step{Org: "org_1", Owner: "a", Now: now, Limit: 1 << 20, Claims: []store.Claim{
			{BatchID: batches[random.IntN(8)], CallIDs: ids[:1+random.IntN(len(ids))]}, // the last one stays without calls
		}})
		require.NoError(t, err)
	}
}

func askForCalls(random *rand.Rand, all []store.Call) store.CallQuery {
	q := store.CallQuery{Org: "org_1", Limit: random.IntN(9)}
	sometimes := func(do func()) {
		if random.IntN(2) == 0 {
			do()
		}
	}
	one := func() store.Call { return all[random.IntN(len(all))] }
	sometimes(func() { q.AgentID = fmt.Sprint("agent_", random.IntN(5)) })
	sometimes(func() { q.DispatchedFrom = one().DispatchedAt })
	sometimes(func() { q.DispatchedTo = one().DispatchedAt })
	sometimes(func() { q.DispatchedFrom = q.DispatchedFrom.Add(time.Duration(random.IntN(2))) })
	sometimes(func() { q.After = one().ID })
	sometimes(func() { q.Before = one().ID })
	return q
}

// pickCalls is what the query asks for, of all, newest first.
func pickCalls(all []store.Call, q store.CallQuery) []store.Call {
	var out []store.Call
	for _, c := range all {
		if (q.AgentID == "" || q.AgentID == c.AgentID) && (q.DispatchedFrom.IsZero() || !c.DispatchedAt.Before(q.DispatchedFrom)) &&
			(q.DispatchedTo.IsZero() || !c.DispatchedAt.After(q.DispatchedTo)) &&
			(q.After == "" || c.ID < q.After) && (q.Before == "" || c.ID > q.Before) {
			out = append(out, c)
		}
	}
	switch {
	case q.Limit == 0 || len(out) <= q.Limit:
		return out
	case q.Before != "":
		return out[len(out)-q.Limit:]
	default:
		return out[:q.Limit]
	}
}

// Whatever the filters, and whatever the ids say of the times, a list is what all of it holds that is asked for.
func TestListsOfCallsAreWhatTheFiltersLeave(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := openTest(t)
		dial(t, s, random, 200)
		requireCalls(t, s, random)
	}
}

func requireCalls(t *testing.T, s *Store, random *rand.Rand) {
	t.Helper()
	all, err := s.Calls(t.Context(), store.CallQuery{Org: "org_1"})
	require.NoError(t, err)
	require.True(t, slices.IsSortedFunc(all, func(a, b store.Call) int { return strings.Compare(b.ID, a.ID) }))
	found := 0
	for range 700 {
		q := askForCalls(random, all)
		got, err := s.Calls(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, pickCalls(all, q), got, "%+v", q)
		found += len(got)
		if !byAgentOrTime(q) {
			continue
		}
		l := newCallList(q)
		l.near = 1 + random.IntN(20) // so that the page goes on in the batches of the agent
		got, err = l.find(t.Context(), s.readers)
		require.NoError(t, err)
		slices.SortFunc(got, func(a, b store.Call) int { return strings.Compare(b.ID, a.ID) })
		require.Equal(t, pickCalls(all, q), got, "%+v", q)
	}
	require.Positive(t, found)
	var odd, others int
	_, err = s.readers.find(t.Context(), "SELECT sum(stray = 1), sum(stray = 0) FROM calls", nil, []any{&odd, &others})
	require.NoError(t, err)
	require.Positive(t, odd)
	require.Positive(t, others)
}

// The calls of an older file are found out to be strays or not when it is opened, as they are when they are made.
func TestStraysOfAnOlderFileAreFoundOut(t *testing.T) {
	t.Parallel()
	random, source := rand.New(rand.NewPCG(7, 7)), rand.NewChaCha8([32]byte{})
	s, ctx := openTest(t), t.Context()
	texts, err := loadMigrations()
	require.NoError(t, err)
	mark := texts[6][strings.Index(texts[6], "UPDATE"):strings.Index(texts[6], "CREATE INDEX")]
	type made struct {
		now  time.Time
		late time.Duration
	}
	calls := map[string]made{}
	_, err = write(ctx, s.writer, func(ctx context.Context, c *connection) (none struct{}, err error) {
		for range 3000 {
			now := time.UnixMicro(callTime + random.Int64N(1<<50) - 1<<49).UTC()
			late := time.Duration(random.IntN(8000)-4000) * time.Microsecond * time.Duration(random.IntN(2))
			ids, err := store.NewCallIDs(now, source, 1)
			if err != nil {
				return none, err
			}
			if random.IntN(9) == 0 {
				ids[0] = ids[0][:random.IntN(len(ids[0]))]
			}
			calls[ids[0]] = made{now.Add(late), late}
			if _, err := c.exec(ctx, `INSERT OR REPLACE INTO calls (org, id, batch, idx, attempt, status, owner, carrier, caller, ref,
				dispatched_at, end_reason, unplaced, error) VALUES (1, ?, 1, 1, 1, 3, 1, '', '', '', ?, 0, 0, '')`,
				ids[0], micros(now.Add(late))); err != nil {
				return none, err
			}
		}
		_, err = c.exec(ctx, mark)
		return none, err
	})
	require.NoError(t, err)
	rows, err := s.readers.query(ctx, "SELECT id, stray FROM calls")
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		var id string
		var odd bool
		if err := scan(&id, &odd); err != nil {
			return none, err
		}
		m := calls[id]
		var strays callids.Strays
		if !odd || len(id) == 27 && m.late == 0 {
			require.False(t, strays.Has(id, m.now), id)
			require.False(t, odd, id)
		}
		delete(calls, id)
		return none, err
	})
	require.NoError(t, err)
	require.Empty(t, calls)
}

// Every walk begins where the page does, or the times, and finds its calls in the order of the list.
func TestPlansOfListsOfCallsAreRanges(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	at := time.UnixMicro(callTime)
	const (
		byID    = "SEARCH calls USING PRIMARY KEY (org=? AND id>? AND id<?)"
		ofBatch = "SEARCH calls USING INDEX calls_batch (batch=? AND id>? AND id<?)"
		strays  = "SEARCH calls USING INDEX calls_stray (org=? AND id>?)"
		agents  = "SEARCH b USING COVERING INDEX batches_agent (org=? AND agent=?)"
	)
	for _, q := range []store.CallQuery{
		{DispatchedFrom: at, DispatchedTo: at, Before: "b"},
		{AgentID: "a", Before: "b", After: "c"},
		{AgentID: "a", DispatchedFrom: at, DispatchedTo: at, Before: "b"},
		{AgentID: "a", DispatchedFrom: at, After: "c"},
	} {
		l := newCallList(q)
		l.near = 7
		all, other := l.walk("", 0), *l
		all.and("(SELECT agent FROM batches WHERE key = batch) = ?", "a")
		walks := map[string]*walk{byID: all, ofBatch: l.ofBatch(1, "c")}
		if l.timed {
			other.above, other.below = "b", ""
			walks[strays] = other.walk("calls_stray", 1)
		}
		for step, w := range walks {
			text, _ := l.text(w)
			got := strings.ReplaceAll(plan(t, s, text), "COVERING ", "")
			require.Contains(t, got, step)
			require.NotContains(t, got, "TEMP B-TREE")
			require.NotContains(t, strings.ReplaceAll(got, "SCAN p", ""), "SCAN", "what the walk has found")
		}
		text, _ := l.edgeQuery()
		require.Contains(t, plan(t, s, text), byID)
		text, _ = l.headsQuery("c")
		got := plan(t, s, text)
		require.Contains(t, got, agents)
		require.Contains(t, strings.ReplaceAll(got, "COVERING INDEX calls", "INDEX calls"), ofBatch)
		require.Equal(t, 1, strings.Count(got, "CORRELATED"), "a batch is looked at once")
		require.Equal(t, 1, strings.Count(got, "SCAN"), "of the heads that were found")
	}
}
