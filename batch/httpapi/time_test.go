package httpapi

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseTimeTakesRFC3339(t *testing.T) {
	noon := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"2026-06-15T12:00:00Z":              noon,
		"2026-06-15T12:00:00.0Z":            noon,
		"2026-06-15T12:00:00.25Z":           noon.Add(250 * time.Millisecond),
		"2026-06-15T12:00:00.123456789Z":    noon.Add(123456789),
		"2026-06-15T12:00:00.1234567899Z":   noon.Add(123456789),
		"2026-06-15T12:00:00+00:00":         noon,
		"2026-06-15T12:00:00-00:00":         noon, // RFC 3339, section 4.3: an unknown local offset
		"2026-06-15T14:00:00+02:00":         noon,
		"2026-06-15T06:15:00-05:45":         noon,
		"2026-06-16T11:59:00+23:59":         noon,
		"2026-06-14T12:01:00.000-23:59":     noon,
		"2024-02-29T00:00:00Z":              time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		"1970-01-01T00:00:00Z":              time.Unix(0, 0).UTC(),
		"9999-12-31T23:59:59Z":              time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"2026-06-15T12:00:00.000000000001Z": noon,
	} {
		got, err := parseTime(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
}

func TestParseTimeRefusesEverythingElse(t *testing.T) {
	for _, s := range []string{
		"", "Z", "now", "1781524800", "2026-06-15", "2026-06-15T12:00Z", "2026-06-15T12:00:00", "2026-06-15 12:00:00Z",
		"2026-06-15t12:00:00Z", "2026-06-15T12:00:00z", "2026-06-15T12:00:00,5Z", "2026-06-15T12:00:00.Z",
		"2026-06-15T12:00:60Z", "2016-12-31T23:59:60Z", "2026-06-15T24:00:00Z", "2026-06-15T12:60:00Z",
		"2026-02-29T12:00:00Z", "2026-06-31T12:00:00Z", "2026-00-15T12:00:00Z", "2026-13-15T12:00:00Z", "2026-06-00T12:00:00Z",
		"2026-06-15T2:00:00Z", "2026-6-15T12:00:00Z", "26-06-15T12:00:00Z", "+2026-06-15T12:00:00Z", "12026-06-15T12:00:00Z",
		"2026-06-15T12:00:00+24:00", "2026-06-15T12:00:00+23:60", "2026-06-15T12:00:00+99:99", "2026-06-15T12:00:00+0200",
		"2026-06-15T12:00:00+02", "2026-06-15T12:00:00 02:00", "2026-06-15T12:00:00+02:00Z", "2026-06-15T12:00:00Z ",
		" 2026-06-15T12:00:00Z", "2026-06-15T12:00:00\u221202:00", "2026-06-15T12:00:00+02:0\u0660", "2026-06-15T12:00:00UTC",
		"2026-W25-1T12:00:00Z", "2026-166T12:00:00Z", "20260615T120000Z", "2026-06-15T12:00:00.5.5Z", "2026-06-15T12:00:00.-5Z",
	} {
		_, err := parseTime(s)
		require.Equal(t, errTime, err, s)
	}
	for _, s := range []string{
		"0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01",
	} {
		_, err := parseTime(s)
		require.EqualError(t, err, "expected a time from the year 1970 to 9999", s)
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{
		"2026-06-15T12:00:00Z", "2026-06-15T12:00:00.5+02:00", "2026-06-15T12:00:60Z", "2026-06-15T12:00:00,5Z", "2026-02-30T1:00:00+24:00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseTime(s)
		if err != nil {
			require.True(t, got.IsZero())
			return
		}
		want, err := time.Parse(time.RFC3339Nano, s)
		require.NoError(t, err)
		require.True(t, want.Equal(got))
		require.Equal(t, strings.ToUpper(s), s)
		again, err := parseTime(got.Format(time.RFC3339Nano))
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
