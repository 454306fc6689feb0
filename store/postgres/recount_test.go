package postgres_test

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// Rows of calls are the truth. Counters that say something else are put right when a store is opened.
func TestCountersAreCheckedWhenAStoreIsOpened(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"of a batch":         "UPDATE outdial.tallies SET dispatched = dispatched + 1, queued = queued - 1",
		"of an organisation": "UPDATE outdial.organisations SET in_flight = 0",
		"of what is queued":  "UPDATE outdial.organisations SET queued = queued + 5",
		"of what seems over": "UPDATE outdial.tallies SET queued = 0, dispatched = 0, completed = 8; UPDATE outdial.batches SET open = false",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := cluster.url(t)
			s := open(t, postgres.Config{URL: url, NoHints: true})
			src, b := stocked(t, s, 8)
			_, err := s.Advance(t.Context(), store.Step{
				Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 3)},
			})
			require.NoError(t, err)
			var log bytes.Buffer
			reopen := func() *postgres.Store {
				return open(t, postgres.Config{URL: url, NoHints: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			}
			reopen()
			require.Empty(t, log.String(), "nothing is wrong yet")
			run(t, url, damage)
			again := reopen()
			require.Contains(t, log.String(), "counted again")
			got, err := again.Batch(t.Context(), "org_1", b.ID)
			require.NoError(t, err)
			require.Equal(t, fsm.Counts{Queued: 5, Dispatched: 3}, got.Counts)
			step, err := again.Advance(t.Context(), store.Step{Org: "org_1", Owner: "node_1", Limit: 4, Now: src.now(), Claims: []store.Claim{src.claim(b, 3)}})
			require.NoError(t, err)
			require.Equal(t, 4, step.InFlight)
			require.Len(t, step.Claimed, 1)
			active, err := again.Active(t.Context())
			require.NoError(t, err)
			require.Len(t, active, 1)
		})
	}
}

func TestCountersAreCheckedAfterATakeover(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true})
	src, b := stocked(t, s, 8)
	_, err := s.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 3)},
	})
	require.NoError(t, err)
	run(t, url, "UPDATE outdial.organisations SET in_flight = 0; UPDATE outdial.nodes SET expires_at = clock_timestamp()")
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "node_2"}, time.Hour))
	got, err := s.Adopt(t.Context(), "node_2", 9)
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Eventually(t, func() bool {
		step, err := s.Advance(t.Context(), store.Step{Org: "org_1", Owner: "node_2", Now: src.now()})
		return err == nil && step.InFlight == 3
	}, patience, time.Millisecond)
}
