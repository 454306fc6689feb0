package dialer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

func TestHangUpReason(t *testing.T) {
	t.Parallel()
	deadline := context.DeadlineExceeded
	for _, test := range []struct {
		name      string
		cause     error
		connected bool
		want      dialer.EndReason
	}{
		{"plain cancel", nil, false, dialer.APICancelled},
		{"plain cancel of a connected call", nil, true, dialer.APICancelled},
		{"some other cause", errors.New("shutting down"), true, dialer.APICancelled},
		{"deadline while ringing", deadline, false, dialer.DialNoAnswer},
		{"deadline while talking", deadline, true, dialer.MaxDuration},
		{"wrapped deadline", fmt.Errorf("late: %w", deadline), true, dialer.MaxDuration},
		{"hang up", dialer.HangUp(dialer.Inactivity), false, dialer.Inactivity},
		{"hang up a connected call", dialer.HangUp(dialer.AgentHangup), true, dialer.AgentHangup},
		{"wrapped hang up", fmt.Errorf("engine: %w", dialer.HangUp(dialer.Error)), true, dialer.Error},
		{"hang up for no known reason", dialer.HangUp("bored"), true, dialer.APICancelled},
		{"detached, to a dialer that cannot", dialer.ErrDetached, true, dialer.APICancelled},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(test.cause)
			got := dialer.HangUpReason(ctx, test.connected)
			require.Equal(t, test.want, got)
			require.True(t, got.Valid())
		})
	}
}

func TestHangUpReasonOfATimeout(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	require.Equal(t, dialer.DialNoAnswer, dialer.HangUpReason(ctx, false))
	require.Equal(t, dialer.MaxDuration, dialer.HangUpReason(ctx, true))
}

func TestDetached(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	require.False(t, dialer.Detached(ctx))
	cancel(fmt.Errorf("node 7 drains: %w", dialer.ErrDetached))
	require.True(t, dialer.Detached(ctx))
}

func TestUnavailableErrorWrapsErrNotPlaced(t *testing.T) {
	t.Parallel()
	cause := errors.New("503 Service Unavailable")
	err := fmt.Errorf("trunk-eu: %w", &dialer.UnavailableError{Cause: cause, After: time.Second})
	require.ErrorIs(t, err, dialer.ErrNotPlaced)
	require.ErrorIs(t, err, cause)
	require.ErrorContains(t, err, "503")
	var unavailable *dialer.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	require.Equal(t, time.Second, unavailable.After)
}

func TestUnavailableErrorWithoutCause(t *testing.T) {
	t.Parallel()
	err := &dialer.UnavailableError{}
	require.ErrorIs(t, err, dialer.ErrNotPlaced)
	require.NotErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "the carrier is unavailable")
	require.NotContains(t, err.Unwrap(), nil)
}

func TestErrorsDoNotMixUp(t *testing.T) {
	t.Parallel()
	require.NotErrorIs(t, dialer.ErrUnknownCall, dialer.ErrNotPlaced, "an unknown call may have rung")
	require.NotErrorIs(t, dialer.ErrDetached, dialer.ErrNotPlaced)
}
