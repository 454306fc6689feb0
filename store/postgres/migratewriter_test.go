package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/callids"
	"github.com/outdial/outdial/store/postgres"
)

// What steps of the version before the fourth migration wrote to what third has.
const (
	formerLock = "BEGIN; SELECT FROM outdial.organisations WHERE org = " + org1 + " FOR NO KEY UPDATE;"

	formerEnd = `UPDATE outdial.calls SET status = 3, end_reason = 1, in_flight = false, ended_at = now() WHERE id = 'call_1';
		UPDATE outdial.recipients SET status = 3, end_reason = 1, rev = 21 WHERE org = ` + org1 + ` AND idx = 1;
		UPDATE outdial.tallies SET dispatched = 0, completed = 2, rev = 22 WHERE org = ` + org1 + `;
		UPDATE outdial.organisations SET in_flight = 1, rev = 22 WHERE org = ` + org1

	formerClaim = `INSERT INTO outdial.calls (org, batch, idx, attempt, owner, status, end_reason, in_flight, unplaced, id,
			carrier, caller, ref, error, tries, details, dispatched_at)
			VALUES (` + org1 + `, 1, 5, 1, 7, 1, 0, true, false, 'call_5', 'carrier_1', '', '', '', '', '', '2026-11-24');
		UPDATE outdial.recipients SET status = 1, attempts = 1, call = 'call_5', rev = 21 WHERE org = ` + org1 + ` AND idx = 5;
		UPDATE outdial.tallies SET queued = 2, dispatched = 2, fresh = 6, rev = 22 WHERE org = ` + org1 + `;
		UPDATE outdial.organisations SET queued = 2, in_flight = 3, rev = 22 WHERE org = ` + org1
)

// A step that has begun before the migration is in what it moves, and no call is lost or there twice.
func TestMigrationWaitsForTheStepsUnderWay(t *testing.T) {
	t.Parallel()
	for what, former := range map[string]struct {
		step   string
		flying []string
		counts fsm.Counts
	}{
		"one that ends a call": {formerEnd, []string{"call_2"}, fsm.Counts{Queued: 3, Started: 1, Completed: 2}},
		"one that claims": {
			formerClaim, []string{"call_5", "call_2", "call_1"}, fsm.Counts{Queued: 2, Dispatched: 2, Started: 1, Completed: 1},
		},
	} {
		for _, early := range []bool{true, false} { // it has written before the migration begins, or writes while that waits
			t.Run(fmt.Sprintf("%s, early: %t", what, early), func(t *testing.T) {
				t.Parallel()
				s := openedDuring(t, former.step, early)
				calls, err := s.Calls(t.Context(), store.CallQuery{Org: "org_1", InFlight: true})
				require.NoError(t, err)
				requireEnds(t, s, calls, former.flying)
				all, err := s.Calls(t.Context(), store.CallQuery{Org: "org_1"})
				require.NoError(t, err)
				b, err := s.Batch(t.Context(), "org_1", "acb_1")
				require.NoError(t, err)
				require.Len(t, all, b.Counts.Completed)
				want := former.counts
				want.Completed, want.Dispatched, want.Started = want.Completed+want.InFlight(), 0, 0
				require.Equal(t, want, b.Counts)
			})
		}
	}
}

// openedDuring opens a store, which migrates, while a step of the version before is under way.
func openedDuring(t *testing.T, step string, early bool) *postgres.Store {
	t.Helper()
	url := third(t)
	conn := session(t, url)
	do := func(statements string) {
		t.Helper()
		_, err := conn.PgConn().Exec(t.Context(), statements).ReadAll()
		require.NoError(t, err)
	}
	do(formerLock)
	if early {
		do(step)
	}
	opened := make(chan *postgres.Store, 1)
	go func() {
		defer close(opened)
		s, err := postgres.Open(context.Background(), postgres.Config{URL: url + "&pool_max_conns=6", NoHints: true})
		if err != nil {
			t.Error(err)
			return
		}
		opened <- s
	}()
	waiting := waiters(t, url)
	require.Eventually(t, func() bool { return waiting() > 0 }, patience, 5*time.Millisecond)
	if !early {
		do(step)
	}
	do("COMMIT")
	s := <-opened
	require.NotNil(t, s)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// requireEnds ends the calls in flight, which are those.
func requireEnds(t *testing.T, s *postgres.Store, calls []store.Call, ids []string) {
	t.Helper()
	var got []string
	var claimed []store.Claimed
	for _, c := range calls {
		got, claimed = append(got, c.ID), append(claimed, store.Claimed{Call: c})
	}
	require.Equal(t, ids, got)
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	step, err := s.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: "node_1", Now: now, Limit: 9, Events: completed(claimed, now),
	})
	require.NoError(t, err)
	require.Empty(t, step.Lost)
}

// A process of the version before that was not stopped finds no column that it looks for, whatever it is about to do.
func TestStatementsOfTheVersionBeforeFail(t *testing.T) {
	t.Parallel()
	url := third(t)
	open(t, postgres.Config{URL: url, NoHints: true})
	conn := session(t, url)
	for what, statement := range map[string]string{
		"list":   "SELECT r.idx FROM outdial.recipients r WHERE r.status = 4",
		"claim":  "SELECT r.idx FROM outdial.recipients r WHERE r.idx >= 5 AND r.status = 0",
		"retry":  "UPDATE outdial.recipients SET status = 0, call = '' WHERE batch = 1 AND status = 4",
		"cancel": "UPDATE outdial.recipients r SET status = 5 WHERE r.batch = 1 AND r.status = 0",
		"create": "INSERT INTO outdial.recipients (org, batch, idx, status) VALUES (1, 1, 9, 0)",
		"calls":  "SELECT c.id FROM outdial.calls c WHERE c.in_flight",
		"end":    "UPDATE outdial.calls SET in_flight = false WHERE id = 'call_1'",
	} {
		_, err := conn.Exec(t.Context(), statement)
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, what)
		require.Equal(t, "42703", refused.Code, "%s: undefined_column", what)
	}
}

// The calls of an older version are found out to be strays or not, as they are when they are made.
func TestStraysOfAnOlderVersionAreFoundOut(t *testing.T) {
	t.Parallel()
	url := third(t)
	random, source := rand.New(rand.NewPCG(7, 7)), rand.NewChaCha8([32]byte{})
	conn := session(t, url)
	type made struct {
		dispatched time.Time
		late       time.Duration
		whole      bool // its id is one of package store's
	}
	calls := map[string]made{}
	var ids [][]byte
	var times []time.Time
	for range 3000 {
		now := time.UnixMicro(1_777_885_200_000_017 + random.Int64N(1<<50) - 1<<49)
		late := time.Duration(random.IntN(8000)-4000) * time.Microsecond * time.Duration(random.IntN(2))
		list, err := store.NewCallIDs(now, source, 1)
		require.NoError(t, err)
		id, whole := list[0], true
		if random.IntN(9) == 0 {
			at := random.IntN(len(id))
			id, whole = id[:at]+[]string{"", "-", "\x00"}[random.IntN(3)]+id[at+1:], false
		}
		calls[id] = made{now.Add(late), late, whole}
		ids, times = append(ids, []byte(id)), append(times, now.Add(late))
	}
	_, err := conn.Exec(t.Context(), `INSERT INTO outdial.calls (org, batch, idx, attempt, owner, status, end_reason, in_flight,
			unplaced, id, carrier, caller, ref, error, tries, details, dispatched_at)
		SELECT 1, 1, 1, 1, 7, 3, 0, NOT true, false, v.id, '', '', '', '', '', '', v.at
		FROM unnest($1::bytea[], $2::timestamptz[]) AS v (id, at) ON CONFLICT DO NOTHING`, ids, times)
	require.NoError(t, err)
	open(t, postgres.Config{URL: url, NoHints: true})
	rows, err := conn.Query(t.Context(), "SELECT id, stray FROM outdial.calls WHERE org = 1")
	require.NoError(t, err)
	defer rows.Close()
	found := 0
	for rows.Next() {
		var id []byte
		var stray bool
		require.NoError(t, rows.Scan(&id, &stray))
		m := calls[string(id)]
		var strays callids.Strays
		if !stray {
			require.False(t, strays.Has(string(id), m.dispatched), "%q would not be found", id)
			found++
		}
		if m.whole && m.late.Abs() < time.Millisecond/2 {
			require.False(t, stray, "%q %s", id, m.late)
		}
	}
	require.NoError(t, rows.Err())
	require.Greater(t, found, 1000)
	require.Less(t, found, len(calls))
}
