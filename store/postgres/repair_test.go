package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store/postgres"
)

// An organisation whose counters are to be repaired, and that somebody holds, keeps Open no longer than Config.Timeout.
func TestOpenGivesUpBehindWhoHoldsAnOrganisation(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	run(t, p.url, "UPDATE outdial.tallies SET started = 1, dispatched = dispatched - 1")
	release := holding(t, p.url, "org_1")
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := postgres.Open(ctx, postgres.Config{URL: p.url, NoHints: true, Timeout: 2 * time.Second})
	require.ErrorContains(t, err, "count again for organisation org_1")
	require.NoError(t, ctx.Err(), "it gave up by itself")
}
