package dialer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

func TestEndReasonCompletes(t *testing.T) {
	t.Parallel()
	completes := map[dialer.EndReason]struct{ connected, unconnected bool }{
		dialer.AgentHangup:        {true, true},
		dialer.ClientHangup:       {true, true},
		dialer.MaxDuration:        {true, true},
		dialer.Inactivity:         {true, true},
		dialer.ClientDisconnected: {true, true},
		dialer.APICancelled:       {true, false},
		dialer.DialBusy:           {},
		dialer.DialFailed:         {},
		dialer.DialNoAnswer:       {},
		dialer.Error:              {},
	}
	require.Len(t, completes, len(dialer.EndReasons()))
	for reason, want := range completes {
		require.True(t, reason.Valid(), reason)
		require.Equal(t, want.connected, reason.Completes(true), reason)
		require.Equal(t, want.unconnected, reason.Completes(false), reason)
	}
}

func TestUnknownEndReason(t *testing.T) {
	t.Parallel()
	for _, reason := range []dialer.EndReason{"", "voicemail", "Error", "dial_busy "} {
		require.False(t, reason.Valid(), reason)
		require.False(t, reason.Completes(true), reason)
	}
}

func TestEndReasonsAreACopy(t *testing.T) {
	t.Parallel()
	dialer.EndReasons()[0] = "spoilt"
	require.True(t, dialer.EndReasons()[0].Valid())
}

func TestStageString(t *testing.T) {
	t.Parallel()
	for stage, want := range []string{"unknown", "accepted", "ringing", "connected", "unknown"} {
		require.Equal(t, want, dialer.Stage(stage).String())
	}
}
