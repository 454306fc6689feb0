package reasons_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store/internal/reasons"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReasonsHaveTheirNumbers(t *testing.T) {
	t.Parallel()
	for number, reason := range []dialer.EndReason{
		"", "agent_hangup", "client_hangup", "api_cancelled", "max_duration", "inactivity",
		"client_disconnected", "dial_busy", "dial_failed", "dial_no_answer", "error",
	} { // as they stand in databases that exist
		n, err := reasons.Number(reason)
		require.NoError(t, err)
		require.EqualValues(t, number, n)
		r, err := reasons.Of(n)
		require.NoError(t, err)
		require.Equal(t, reason, r)
	}
	for _, r := range dialer.EndReasons() {
		_, err := reasons.Number(r)
		require.NoError(t, err, "a new reason needs a number")
	}
	_, err := reasons.Number("voicemail")
	require.ErrorIs(t, err, reasons.ErrUnknown)
	for _, n := range []int16{-1, 99} {
		_, err = reasons.Of(n)
		require.ErrorIs(t, err, reasons.ErrUnknown)
	}
}
