package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
)

// Nodes that live, with calls in flight that are theirs but for one.
const fleet = `
	INSERT INTO outdial.nodes (id, carriers, expires_at, beat, dialled)
		SELECT convert_to('live_' || i, 'UTF8'), ARRAY['carrier_1'::bytea], now() + interval '1 hour', 1, true FROM generate_series(1, %[1]d) i;
	INSERT INTO outdial.nodes (id, carriers, expires_at, beat, dialled) VALUES ('dead', ARRAY['carrier_1'::bytea], now(), 1, true);
	INSERT INTO outdial.organisations (org, rev, queued, in_flight, batches, active, id)
		SELECT i, 5000, 0, 0, 1, true, convert_to('org_' || i, 'UTF8') FROM generate_series(1, 20) i;
	INSERT INTO outdial.flights (org, rev, batch, idx, attempt, owner, status, end_reason, id, carrier, caller, ref, error, tries, details, dispatched_at)
		SELECT 1 + i %% 20, i, 1, i / 20, 1, CASE WHEN i = 0 THEN (SELECT key FROM outdial.nodes WHERE id = 'dead')
				ELSE (SELECT min(key) FROM outdial.nodes WHERE id LIKE 'live_%%') + i %% %[1]d END, 1, 0,
			convert_to('call_' || lpad(i::text, 8, '0'), 'UTF8'), '%[3]s', '', '', '', '', '', now()
		FROM generate_series(0, %[2]d - 1) i`

// A look for calls that were left behind reads each call in flight, and not each with every node.
func TestAdoptionComparesNoCallWithEachNode(t *testing.T) {
	t.Parallel()
	for _, carrier := range []string{"carrier_1", "one that no node has"} {
		url := cluster.url(t)
		s, p := explained(t, url)
		require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "heir", Carriers: []string{"carrier_1"}}, time.Hour))
		const live, flights = 200, 4000
		run(t, url, fmt.Sprintf(fleet, live, flights, carrier))
		p.take()
		_, err := s.Adopt(t.Context(), "heir", 100)
		require.NoError(t, err)
		looks, rows := 0, 0.0
		for _, plan := range p.take() {
			plan.walk(func(n planNode) {
				if n.Type == "CTE Scan" {
					rows += n.Loops * (n.Rows + n.Removed)
				}
				if n.Table == "flights" {
					looks++
				}
			})
		}
		require.Positive(t, looks)
		require.LessOrEqual(t, rows, 50.0*live, "rows of nodes that were read, however many calls there are")
	}
}
