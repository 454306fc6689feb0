package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Organisations with batches that are open, each with a call in flight.
const manyOpen = `
	INSERT INTO outdial.organisations (org, rev, queued, in_flight, batches, active, id)
		SELECT o, 5000, 4 * %[2]d, %[2]d, %[2]d, true, convert_to('other_' || o, 'UTF8') FROM generate_series(1, %[1]d) o;
	INSERT INTO outdial.batches (org, ring_timeout, max_duration, batch, target, first_target, weight, retry_count, status, stray,
			open, id, name, agent, number, region, idem_key, retry_key, fingerprint, created_at)
		SELECT o, 0, 0, b, 100, 100, 1, 0, 2, false, true, convert_to('acb_' || o || '_' || b, 'UTF8'), '', '', '', '', '', '', '', now()
		FROM generate_series(1, %[1]d) o, generate_series(1, %[2]d) b;
	INSERT INTO outdial.tallies (org, rev, batch, fresh, queued, dispatched, started, completed, failed, cancelled, unplaced)
		SELECT org, 7, batch, 1, 4, 1, 0, 0, 0, 0, 0 FROM outdial.batches WHERE org BETWEEN 1 AND %[1]d;
	INSERT INTO outdial.nodes (id, expires_at, beat, dialled) VALUES ('other', now() + interval '1 hour', 1, true);
	INSERT INTO outdial.flights (org, rev, batch, idx, attempt, owner, status, end_reason, id, carrier, caller, ref, error, tries, details, dispatched_at)
		SELECT org, 1, batch, 0, 1, (SELECT max(key) FROM outdial.nodes), 1, 0, 'call_' || id, 'carrier_1', '', '', '', '', '', now()
		FROM outdial.batches WHERE org BETWEEN 1 AND %[1]d`

// counting waits for the plan by which counters were checked.
func counting(t *testing.T, p *plans) (of planNode) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, n := range p.take() {
			if n.reads("tallies") && n.reads("flights") {
				of = n
				return true
			}
		}
		return false
	}, patience, time.Millisecond)
	return of
}

// Opening a store reads what is open once, and compares no batch with each.
func TestOpenReadsEachOpenBatchOnce(t *testing.T) {
	t.Parallel()
	const orgs, batches = 50, 40
	for _, before := range []string{"SELECT", analyze} {
		url := cluster.url(t)
		run(t, url, fmt.Sprintf(manyOpen, orgs, batches))
		run(t, url, before)
		_, p := explained(t, url)
		counting(t, p).walk(func(n planNode) {
			require.LessOrEqual(t, n.Loops*(n.Rows+n.Removed), 10.0*orgs*batches, "rows of %s %s", n.Type, n.Table)
		})
	}
}

// What is counted after a takeover is what was taken over from, however much is open elsewhere.
func TestCountingAfterATakeoverReadsThatOrganisation(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s, p := explained(t, url)
	heir := leftBehind(t, s, 1, time.Hour)
	run(t, url, fmt.Sprintf(manyOpen, 50, 40))
	run(t, url, analyze)
	p.take()
	got, err := s.Adopt(t.Context(), heir.ID, 9)
	require.NoError(t, err)
	require.Len(t, got, 1)
	of := counting(t, p)
	require.Less(t, of.Hit+of.Read, 100)
}
