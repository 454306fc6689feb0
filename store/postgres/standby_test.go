package postgres_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
	"github.com/outdial/outdial/store/postgres/pgtest"
)

// A server whose commit waits for its standby, and is told not to wait any longer, says that it has committed. Who has a
// call's claim acknowledged so would ring somebody of whom the next primary knows nothing. The store has given up by then,
// and a repetition is acknowledged no sooner.
func TestNothingIsAcknowledgedThatTheStandbyHasNot(t *testing.T) {
	t.Parallel()
	primary, err := pgtest.Start(t.Context(), pgtest.Options{})
	need(t, err)
	t.Cleanup(func() { require.NoError(t, primary.Stop()) })
	_, err = primary.Create(t.Context(), "calls")
	require.NoError(t, err)
	standby, err := primary.Standby(t.Context(), 0)
	need(t, err)
	t.Cleanup(func() { require.NoError(t, standby.Stop()) })
	url := pgtest.URLOf("calls", primary, standby)
	s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: 2 * time.Second})
	src, b := stocked(t, s, 5)
	step := store.Step{Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 2)}}

	require.NoError(t, standby.Signal(syscall.SIGSTOP))
	t.Cleanup(func() { _ = standby.Signal(syscall.SIGCONT) }) // before it is stopped
	for range 3 {
		_, err = s.Advance(t.Context(), step)
		require.Error(t, err)
		require.NotErrorIs(t, err, store.ErrNotOwner)
		step.Replay = true
	}
	seen, err := s.Calls(t.Context(), store.CallQuery{Org: "org_1"})
	require.NoError(t, err)
	require.Len(t, seen, 2, "they can be read, though nobody was told")

	require.NoError(t, standby.Signal(syscall.SIGCONT))
	got, err := s.Advance(t.Context(), step)
	require.NoError(t, err)
	require.Len(t, got.Claimed, 2)
	primary.Kill()
	require.NoError(t, standby.Promote(t.Context()))
	require.Eventually(t, func() bool { // once the connections to the other one are used up
		got, err = s.Advance(t.Context(), step)
		return err == nil
	}, patience, 10*time.Millisecond, "over the next primary, with the same URL: %v", err)
	require.Len(t, got.Claimed, 2)
	require.Equal(t, 2, got.InFlight)
}
