package sqlite

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestValuesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	_, err := write(t.Context(), s.writer, func(ctx context.Context, c *connection) (none struct{}, err error) {
		require.NoError(t, c.script(ctx, "CREATE TEMP TABLE bag (a, b, c, d, e, f, g, h)"))
		at := time.UnixMicro(1234567890123456).UTC()
		_, err = c.exec(ctx, "INSERT INTO bag VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			int64(math.MinInt64), 7, int16(-8), true, "a\x00é", []byte{0, 1}, []byte(nil), micros(at))
		require.NoError(t, err)
		var a int64
		var b int
		var small int16
		var d bool
		var text string
		var data, missing []byte
		var when instant
		found, err := c.find(ctx, "SELECT a, b, c, d, e, f, g, h FROM bag", nil, []any{&a, &b, &small, &d, &text, &data, &missing, &when})
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, []any{int64(math.MinInt64), 7, int16(-8), true, "a\x00é"}, []any{a, b, small, d, text})
		require.Equal(t, []byte{0, 1}, data)
		require.Nil(t, missing)
		require.Equal(t, at, time.Time(when))
		return none, nil
	})
	require.NoError(t, err)
}

func TestValuesThatDoNotFitAreErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ place, value any }{
		{new(int64), "415555"},
		{new(int), nil},
		{new(int16), int64(math.MaxInt16 + 1)},
		{new(int16), int64(math.MinInt16 - 1)},
		{new(uint8), int64(256)},
		{new(uint8), int64(-1)},
		{new(bool), "true"},
		{new(string), int64(415555)},
		{new(string), nil},
		{new([]byte), "415555"},
		{new(instant), "415555"},
		{new(float64), 4.15555},
	} {
		err := assign(c.place, c.value)
		require.ErrorIs(t, err, errColumn, "%T for %T", c.value, c.place)
		require.NotContains(t, err.Error(), "55", "it may be a number of somebody")
	}
	_, err := argument(4.15555)
	require.ErrorIs(t, err, errArgument)
	require.NotContains(t, err.Error(), "55")
}

func TestRowsAreCountedAndClosed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, c := t.Context(), b.conn
	found, err := c.find(ctx, "SELECT key FROM organisations", nil, []any{new(int)})
	require.NoError(t, err)
	require.False(t, found)
	_, err = c.find(ctx, "SELECT 1, 2", nil, []any{new(int)})
	require.ErrorIs(t, err, errColumn)
	_, err = c.find(ctx, "SELECT json('{')", nil, []any{new(string)})
	require.ErrorContains(t, err, "malformed JSON")
	_, err = c.query(ctx, "SELECT ?", 1.5)
	require.ErrorIs(t, err, errArgument)
	require.Empty(t, c.results)

	// A row that cannot be read is the error of the rows, after those before it.
	r, err := c.query(ctx, "SELECT json(column1) FROM (VALUES ('1'), ('{'), ('2'))")
	require.NoError(t, err)
	require.True(t, r.Next())
	require.False(t, r.Next())
	require.ErrorContains(t, r.Err(), "malformed JSON")
	require.False(t, r.Next())
	require.NoError(t, r.Close())
}
