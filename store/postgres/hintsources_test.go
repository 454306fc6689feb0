package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// A host's pool may be told with each connection who it is, as by passwords that are good for minutes.
func TestHintsOverAPoolThatIsToldItsUser(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig(cluster.url(t) + "&pool_max_conns=3")
	require.NoError(t, err)
	user := config.ConnConfig.User
	config.ConnConfig.User = "nobody"
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error { c.User = user; return nil }
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	hear(t, open(t, postgres.Config{Pool: pool}).Hints(t.Context()), "")
}

// What was written and not acknowledged was not told of. It is told of when it is repeated, which changes nothing more.
func TestWhatARepetitionFindsWrittenIsHintedAt(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	p := newProxy(t, cluster.server.Port())
	far, near := open(t, postgres.Config{URL: p.url(t, url)}), open(t, postgres.Config{URL: url})
	hints := near.Hints(t.Context())
	hear(t, hints, "")
	src, b := stocked(t, far, 10)
	hear(t, hints, "org_1") // once, for the batch
	pauseIt := func() error {
		_, err := far.Change(t.Context(), "org_1", b.ID, store.Change{Action: store.ActionPause, At: src.now()})
		return err
	}
	p.strike(t, swallow, pauseIt)
	require.NoError(t, pauseIt())
	hear(t, hints, "org_1")
	require.NoError(t, func() error {
		_, err := far.Change(t.Context(), "org_1", b.ID, store.Change{Action: store.ActionResume, At: src.now()})
		return err
	}())
	hear(t, hints, "org_1")
	step := store.Step{Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 4)}}
	p.strike(t, swallow, func() error { _, err := far.Advance(t.Context(), step); return err })
	step.Replay = true
	got, err := far.Advance(t.Context(), step)
	require.NoError(t, err)
	require.Len(t, got.Claimed, 4)
	hear(t, hints, "org_1")
}
