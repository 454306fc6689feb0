package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// third is a database as the third migration left it, with a batch of six: the first is over, two have a call in flight,
// of which somebody has asked for the end of one, two are queued again, and one was never claimed.
func third(t *testing.T) (url string) {
	t.Helper()
	url = cluster.start(t).URL(database(t, "template0"))
	list, err := postgres.Migrations("")
	require.NoError(t, err)
	for _, m := range list[:3] {
		run(t, url, m.SQL)
	}
	run(t, url, `
		INSERT INTO outdial.nodes (key, id, expires_at) VALUES (7, 'node_1', now() + interval '1 hour');
		INSERT INTO outdial.organisations (org, rev, queued, in_flight, batches, active, id)
			VALUES (`+org1+`, 20, 3, 2, 1, true, 'org_1');
		INSERT INTO outdial.batches (org, ring_timeout, max_duration, batch, target, first_target, weight, retry_count, status, open,
				stray, id, name, agent, number, region, idem_key, retry_key, fingerprint, created_at)
			VALUES (`+org1+`, 0, 0, 1, 9, 9, 1, 0, 2, true, false, 'acb_1', '', 'agent_1', '', '', '', '', '', '2026-11-24');
		INSERT INTO outdial.tallies (org, rev, batch, fresh, queued, dispatched, started, completed, failed, cancelled, unplaced)
			VALUES (`+org1+`, 20, 1, 5, 3, 1, 1, 1, 0, 0, 0);
		INSERT INTO outdial.recipients (org, rev, batch, idx, attempts, status, end_reason, phone, call, error, updated_at)
			SELECT `+org1+`, 10 + i, 1, i, a, s, CASE s WHEN 3 THEN 1 ELSE 0 END, '+14155550100', c, '', '2026-11-24'
			FROM (VALUES (0, 1, 3, 'call_0'::bytea), (1, 1, 1, 'call_1'), (2, 2, 2, 'call_2'), (3, 2, 0, ''), (4, 1, 0, ''), (5, 0, 0, ''))
				AS v (i, a, s, c);
		INSERT INTO outdial.calls (org, batch, idx, attempt, owner, status, end_reason, in_flight, unplaced, id, carrier, caller,
				ref, error, tries, details, dispatched_at, hang_up_at)
			SELECT org, batch, idx, attempts, 7, status, end_reason, status < 3, false, call, 'carrier_1', '', 'ref', '', '', '',
				'2026-11-24'::timestamptz + idx * interval '1 second', CASE status WHEN 2 THEN '2026-11-25'::timestamptz END
			FROM outdial.recipients WHERE call <> '';`)
	return url
}

// org1 is the key of org_1, see org.go.
const org1 = "('x' || left(encode(sha256('org_1'), 'hex'), 16))::bit(64)::bigint"

func TestWhatAnOlderVersionHasLeftGoesOn(t *testing.T) {
	t.Parallel()
	s := open(t, postgres.Config{URL: third(t), NoHints: true})
	got, err := s.Recipients(t.Context(), store.RecipientQuery{Org: "org_1", BatchID: "acb_1"})
	require.NoError(t, err)
	var seen []string
	for _, r := range got {
		seen = append(seen, fmt.Sprintf("%s %d %s %d", r.Status, r.Attempts, r.CallID, r.Rev))
	}
	want := []string{
		"completed 1 call_0 10", "dispatched 1 call_1 11", "started 2 call_2 12", "queued 2  13", "queued 1  14", "queued 0  15",
	}
	require.Equal(t, want, seen)
	calls, err := s.Calls(t.Context(), store.CallQuery{Org: "org_1"})
	require.NoError(t, err)
	require.Len(t, calls, 3)
	timed, err := s.Calls(t.Context(), store.CallQuery{
		Org: "org_1", AgentID: "agent_1", DispatchedFrom: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC),
		DispatchedTo: time.Date(2026, 11, 24, 0, 0, 1, 0, time.UTC),
	})
	require.NoError(t, err)
	require.Equal(t, calls[1:], timed, "their ids say nothing of the time")
	mine, err := s.Calls(t.Context(), store.CallQuery{Org: "org_1", Owner: "node_1", InFlight: true, HangUp: true})
	require.NoError(t, err)
	require.Equal(t, calls[:1], mine)
	claim := store.Claim{BatchID: "acb_1", CallIDs: []string{"call_3", "call_4", "call_5", "call_6"}}
	step, err := s.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: "node_1", Now: calls[0].DispatchedAt, Limit: 9, Claims: []store.Claim{claim},
		Events: completed([]store.Claimed{{Call: calls[0]}, {Call: calls[1]}}, calls[0].DispatchedAt),
	})
	require.NoError(t, err)
	require.Empty(t, step.Lost)
	var claimed []int
	for _, c := range step.Claimed {
		claimed = append(claimed, c.Call.Index)
	}
	require.Equal(t, []int{5, 4, 3}, claimed)
	require.Equal(t, fsm.Counts{Dispatched: 3, Completed: 3}, step.Batches[0].Counts)
}

// A table in use keeps the migration waiting, and nobody else.
func TestMigrationThatWaitsLetsNodesGoOn(t *testing.T) {
	t.Parallel()
	url := third(t)
	release := lock(t, url, "outdial.calls", "ACCESS SHARE")
	opened := make(chan error, 1)
	go func() {
		later, err := postgres.Open(context.Background(), postgres.Config{URL: url, NoHints: true})
		if err == nil {
			err = later.Close()
		}
		opened <- err
	}()
	waiting := waiters(t, url)
	old := session(t, url)
	for range 2 { // behind its first try, and behind another
		require.Eventually(t, func() bool { return waiting() > 0 }, patience, 5*time.Millisecond)
		beat(t, old)
	}
	select {
	case err := <-opened:
		require.Fail(t, "it did not wait", "%v", err)
	default:
	}
	release()
	require.NoError(t, <-opened)
}

// beat writes to a call as the version before did. A node gives up after a third of its lease.
func beat(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	_, err := conn.PgConn().Exec(t.Context(), `BEGIN; SET LOCAL lock_timeout = '20 s';
		UPDATE outdial.calls SET rang_at = now() WHERE convert_from(id, 'UTF8') = 'call_1'; COMMIT`).ReadAll()
	require.NoError(t, err)
}
