package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// quiet is an organisation whose statements were planned while hardly anything was in its tables.
type quiet struct {
	store *postgres.Store
	plans *plans
	src   *source
	batch store.Batch
}

func (q *quiet) step(events []store.Event, claims int) store.Step {
	s := store.Step{Org: "org_1", Owner: "node_1", Now: q.src.now(), Limit: 1 << 20, Events: events}
	if claims > 0 {
		s.Claims = []store.Claim{q.src.claim(q.batch, claims)}
	}
	return s
}

func (q *quiet) advance(t *testing.T, s store.Step) []store.Claimed {
	t.Helper()
	got, err := q.store.Advance(t.Context(), s)
	require.NoError(t, err)
	require.Empty(t, got.Lost)
	return got.Claimed
}

func (q *quiet) change(t *testing.T, c store.Change) {
	t.Helper()
	c.At = q.src.now()
	_, err := q.store.Change(t.Context(), "org_1", q.batch.ID, c)
	require.NoError(t, err)
}

// become has calls take a status.
func (q *quiet) become(calls []store.Claimed, status fsm.RecipientStatus) []store.Event {
	out := completed(calls, q.src.now())
	for i := range out {
		out[i].Status = status
		switch status {
		case fsm.Started:
			out[i].EndReason, out[i].StartedAt, out[i].EndedAt = "", out[i].EndedAt, out[i].StartedAt
		case fsm.Queued:
			out[i].EndReason, out[i].Error = "", "full"
		case fsm.Failed:
			out[i].EndReason = dialer.Error
		default:
		}
	}
	return out
}

// Autovacuum finds hardly a call in flight at night, and the plans of the next morning are made from that. They must not
// walk all that are in flight for each of a step, nor unnest what a step says once for each of them.
func TestStepsCostWhatTheyEndAfterAQuietNight(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s, p := explained(t, url)
	src, b := stocked(t, s, 1500)
	q := &quiet{s, p, src, b}
	evening := q.advance(t, q.step(nil, 600))
	q.advance(t, q.step(q.become(evening[:597], fsm.Completed), 0))
	run(t, url, "VACUUM ANALYZE outdial.flights") // whose last page has the three that are left
	q.store, q.plans = explained(t, url)
	morning := q.advance(t, q.step(nil, 600))
	for _, c := range []struct {
		what   string
		doubt  bool // a change by which what is known is read again
		from   int
		status fsm.RecipientStatus
	}{
		{"start", false, 0, fsm.Started},
		{"start behind a change", true, 60, fsm.Started},
		{"end", false, 120, fsm.Completed},
		{"end behind a change", true, 180, fsm.Failed},
		{"queue again", false, 240, fsm.Queued},
	} {
		if c.doubt {
			q.change(t, store.Change{Action: store.ActionSetTarget, Target: 9000 + c.from})
		}
		q.plans.take()
		q.advance(t, q.step(q.become(morning[c.from:c.from+60], c.status), 0))
		flights := 0
		for _, plan := range q.plans.take() {
			if !plan.reads("flights") {
				continue
			}
			flights++
			plan.walk(func(n planNode) {
				if n.Type == "ProjectSet" || n.Type == "Function Scan" {
					require.LessOrEqual(t, n.Loops, 1.0, "%s: how often the step was unnested", c.what)
				}
				require.LessOrEqual(t, n.Removed*n.Loops, 600.0, "%s: rows of %s that were read for nothing", c.what, n.Table)
			})
		}
		require.Positive(t, flights, c.what)
	}
}

func (n planNode) reads(table string) (found bool) {
	n.walk(func(n planNode) { found = found || n.Table == table })
	return found
}

// A batch of calls that are over, and of their recipients.
const olden = `
	INSERT INTO outdial.recipients (org, rev, batch, idx, attempts, rest, end_reason, phone, call, error)
		SELECT o.org, i, 77, i, 1, 3, 1, '+14155550100', convert_to('call_0' || lpad(i::text, 8, '0'), 'UTF8'), ''
		FROM outdial.organisations o, generate_series(1, 20000) i;
	INSERT INTO outdial.calls (org, batch, idx, attempt, owner, status, end_reason, stray, unplaced, id, carrier, caller, ref,
			error, tries, details, dispatched_at)
		SELECT org, batch, idx, 1, 1, 3, 1, idx < 0, batch < 0, call, 'carrier_1', '', '', '', '', '', '2026-01-01' FROM outdial.recipients
		WHERE batch = 77`

// A replay, and a retry, cost what they are about, also where their plans were made while hardly a call was over.
func TestReplaysCostWhatTheyRepeat(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"SELECT", analyze} {
		url := cluster.url(t)
		s, p := explained(t, url)
		src, b := stocked(t, s, 200)
		q := &quiet{s, p, src, b}
		repeat := func() {
			for range 2 {
				claim := q.step(nil, 9)
				calls := q.advance(t, claim)
				claim.Replay = true
				require.Len(t, q.advance(t, claim), len(calls))
				end := q.step(q.become(calls, fsm.Failed), 0)
				q.advance(t, end)
				end.Replay = true
				q.advance(t, end)
				q.change(t, store.Change{Action: store.ActionRetry})
			}
		}
		repeat()
		run(t, url, before)
		repeat()
		run(t, url, olden)
		q.plans.take()
		repeat()
		list := q.plans.take()
		require.NotEmpty(t, list)
		for _, plan := range list {
			plan.walk(func(n planNode) {
				require.LessOrEqual(t, n.Removed*n.Loops, 5000.0, "rows of %s by %s that were read for nothing", n.Table, n.Index)
			})
		}
	}
}
