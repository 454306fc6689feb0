package httpapi

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimesAreInUTCAndAsShortAsTheyCanBe(t *testing.T) {
	berlin := time.FixedZone("", 2*60*60)
	for want, given := range map[string]time.Time{
		`,"at":"2026-06-15T16:00:00Z"`:        time.Date(2026, 6, 15, 18, 0, 0, 0, berlin),
		`,"at":"2026-06-15T16:00:00.5Z"`:      time.Date(2026, 6, 15, 16, 0, 0, 500_000_000, time.UTC),
		`,"at":"2026-06-15T16:00:00.000001Z"`: time.Date(2026, 6, 15, 16, 0, 0, 1999, time.UTC),
	} {
		require.Equal(t, want, string(appendTime(nil, "at", given)))
	}
	require.Empty(t, appendOptionalTime(nil, "at", time.Time{}))
}

func TestTextsAreEscaped(t *testing.T) {
	require.Equal(t, `,"a":"\"\\\n\u0000<é`+"\x7f\u2028"+`"`,
		string(appendText(nil, "a", "\"\\\n\x00<é\x7f\u2028")))
	require.Equal(t, `,"a":"�"`, string(appendText(nil, "a", "\xff")))
	require.Empty(t, appendOptionalText(nil, "a", ""))
}
