package callids_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/callids"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	noon   = 1_777_885_200_000_017 // microseconds
	latest = 1<<48 - 1             // milliseconds
)

func made(t *testing.T, at time.Time, source *rand.ChaCha8) string {
	t.Helper()
	ids, err := store.NewCallIDs(at, source, 1)
	require.NoError(t, err)
	return ids[0]
}

func TestIDsAreBetweenTheBoundsOfTheirTime(t *testing.T) {
	t.Parallel()
	random, source := rand.New(rand.NewPCG(1, 2)), rand.NewChaCha8([32]byte{})
	for range 2000 {
		at := time.UnixMicro(noon + random.Int64N(1<<50) - 1<<49)
		first, end := callids.Around(at)
		at = at.Truncate(time.Millisecond)
		for _, late := range []time.Duration{-time.Millisecond, 0, time.Millisecond, 2*time.Millisecond - 1} {
			id := made(t, at.Add(late), source)
			require.LessOrEqual(t, first, id, late)
			require.Less(t, id, end, late)
		}
		require.Less(t, made(t, at.Add(-time.Millisecond-1), source), first)
		require.GreaterOrEqual(t, made(t, at.Add(2*time.Millisecond), source), end)
	}
}

func TestTimesThatIDsCannotTellAreNoBounds(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{
		{}, time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.UnixMilli(-3), time.UnixMilli(latest + 3),
		time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		first, end := callids.Around(at)
		require.Empty(t, first, at)
		require.Empty(t, end, at)
	}
	first, end := callids.Around(time.UnixMilli(0))
	require.Empty(t, first)
	require.NotEmpty(t, end)
	first, end = callids.Around(time.UnixMilli(latest))
	require.NotEmpty(t, first)
	require.Empty(t, end)
}

func TestStraysAreTheIDsOfOtherTimes(t *testing.T) {
	t.Parallel()
	source := rand.NewChaCha8([32]byte{})
	var s callids.Strays
	at := time.UnixMicro(noon)
	id := made(t, at, source)
	require.True(t, s.Has(id, time.Time{}))
	require.False(t, s.Has(id, at))
	require.False(t, s.Has(id, at.Add(time.Millisecond)), "a clock is read twice")
	require.False(t, s.Has(id, at.Add(-time.Millisecond)))
	require.True(t, s.Has(id, at.Add(3*time.Millisecond)))
	require.True(t, s.Has(id, at.Add(-3*time.Millisecond)))
	require.True(t, s.Has("call_1", at))
	for _, ms := range []int64{-1, 0, latest, latest + 1} { // of which a bound is missing
		at := time.UnixMilli(ms)
		require.True(t, s.Has(made(t, at, source), at), ms)
	}
}
