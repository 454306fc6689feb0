package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// Behind a pooler all nodes share a few connections of the server. Those that wait for one organisation let go of them
// in between, so that heartbeats pass, and have their turn in the end.
func TestOneOrganisationLeavesThePoolersConnectionsToHeartbeats(t *testing.T) {
	t.Parallel()
	const size, nodes, lease = 3, 5, 30 * time.Second
	name := database(t, template)
	pooler, err := cluster.server.Pool(t.Context(), size)
	need(t, err)
	t.Cleanup(func() { require.NoError(t, pooler.Stop()) })
	url := cluster.server.URL(name)
	var stores []*postgres.Store
	for i := range nodes {
		s := open(t, postgres.Config{URL: pooler.URL(name), NoPrepare: true, NoHints: true, Timeout: patience})
		require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: fmt.Sprint(i), Beat: 1}, lease))
		stores = append(stores, s)
	}
	_, err = stores[0].CreateBatch(t.Context(), newSource().batch("org_0"), people(1))
	require.NoError(t, err)
	release := holding(t, url, "org_0")
	done := make(chan error, nodes)
	for i, s := range stores {
		go func() {
			_, err := s.Advance(context.Background(), store.Step{Org: "org_0", Owner: fmt.Sprint(i), Limit: 1})
			done <- err
		}()
	}
	waiting := waiters(t, url)
	require.Eventually(t, func() bool { return waiting() == size }, patience, time.Millisecond)
	soon, cancel := context.WithTimeout(t.Context(), patience/2) // the steps may wait for twice that
	defer cancel()
	require.NoError(t, stores[0].Heartbeat(soon, store.Node{ID: "0", Beat: 2}, lease))
	release()
	for range nodes {
		require.NoError(t, <-done)
	}
}
