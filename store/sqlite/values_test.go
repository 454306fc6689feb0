package sqlite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestOldLibraryIsRefused(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{
		"3.51.3": true, "3.51.10": true, "3.52.0": true, "3.54.1": true, "4.0.0": true,
		"3.51.2": false, "3.50.99": false, "3.9.0": false, "2.99.99": false, "": false, "3.x.1": false,
	} {
		if err := checkVersion(version); ok {
			require.NoError(t, err, version)
		} else {
			require.Error(t, err, version)
		}
	}
	require.ErrorIs(t, checkVersion("3.51.2"), errOldSQLite)
}

func TestListsKeepEveryByte(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOf(rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "texts")
		got, err := unpackList(packList(texts))
		require.NoError(t, err)
		require.Len(t, got, len(texts))
		for i := range texts {
			require.Equal(t, texts[i], got[i])
		}
	})
}

func TestMapsKeepEveryByte(t *testing.T) {
	t.Parallel()
	m := map[string]string{"": "x", "sip\x00": "\xff", "z": ""}
	got, err := unpackMap(packMap(m))
	require.NoError(t, err)
	require.Equal(t, m, got)
	none, err := unpackMap(packMap(map[string]string{}))
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestListsCutShortAreErrors(t *testing.T) {
	t.Parallel()
	whole := packList([]string{"key", "value"})
	for n := 1; n < len(whole); n++ {
		if n == len(packList([]string{"key"})) {
			_, err := unpackMap(whole[:n]) // a whole list, but a key without its value
			require.ErrorIs(t, err, errList)
			continue
		}
		_, err := unpackList(whole[:n])
		require.ErrorIs(t, err, errList)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{
		{}, time.Unix(0, 0).UTC(), time.Unix(-1, 0).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
	} {
		var got time.Time
		require.NoError(t, (*instant)(&got).Scan(micros(at)))
		require.Equal(t, at, got)
	}
	require.ErrorIs(t, new(instant).Scan("today"), errColumn)
}

func TestMigrationsAreThoseThatWereReleased(t *testing.T) {
	t.Parallel()
	texts, err := loadMigrations()
	require.NoError(t, err)
	require.Len(t, texts, 7)
}

// A migration that fails leaves the file as it was.
func TestMigrationsAreAppliedTogether(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	texts, err := loadMigrations()
	require.NoError(t, err)
	ctx := t.Context()
	err = migrate(ctx, b.conn, append(texts, "CREATE TABLE more (x)", "CREATE TABLE wrong ("))
	require.ErrorContains(t, err, "migration 9")
	version, err := schemaVersion(ctx, b.conn)
	require.NoError(t, err)
	require.Equal(t, 7, version)
	require.NoError(t, migrate(ctx, b.conn, append(texts, "CREATE TABLE more (x)")))
	version, err = schemaVersion(ctx, b.conn)
	require.NoError(t, err)
	require.Equal(t, 8, version)
}
