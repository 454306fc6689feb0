package batch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSimClock sees to it that the readings that the simulation makes are what the package time would make.
func TestSimClock(t *testing.T) {
	t.Parallel()
	const hour = int64(time.Hour)
	for _, wall := range []int64{0, 1, 999_999_999, hour, -hour, 1_234_567_890_123} {
		got := clockReading(wall, hour)
		require.True(t, got.Equal(time.Unix(simEpoch, wall)), "%v", got)
		require.Equal(t, time.Unix(simEpoch, wall).UTC(), got.Round(0))
		require.Equal(t, time.Second, got.Add(time.Second).Sub(got))
	}
	before, after := clockReading(0, hour), clockReading(-hour, hour+1) // somebody has set the clock back
	require.Equal(t, time.Nanosecond, after.Sub(before))
	require.True(t, before.Before(after))
	require.Equal(t, time.Hour, before.Round(0).Sub(after.Round(0)), "by what is stored it is an hour earlier")
}
