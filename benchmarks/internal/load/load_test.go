package load_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/benchmarks/internal/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

func TestWatchChecksWhatWasDone(t *testing.T) {
	work := load.Load{Slots: 2, Batches: []load.Batch{{Lengths: make([]time.Duration, 2), Limit: 2}, {Lengths: []time.Duration{0}, Limit: 1}}}
	w := load.NewWatch(work)
	w.Call(t.Context(), 0, 0)
	w.Call(t.Context(), 1, 0)
	require.ErrorContains(t, w.Check(), "call 1 was made 0 times")
	require.Equal(t, 1, w.Left())
	w.Call(t.Context(), 0, 1)
	<-w.Done()
	require.NoError(t, w.Check())
	w.Call(t.Context(), 0, 1)
	require.ErrorContains(t, w.Check(), "call 1 was made 2 times")
}

func TestWatchSeesTooManyAtOnce(t *testing.T) {
	long := []time.Duration{20 * ms, 20 * ms}
	for want, work := range map[string]load.Load{
		"2 calls at once":            {Slots: 1, Batches: []load.Batch{{Lengths: long, Limit: 2}}},
		"2 calls of batch 0 at once": {Slots: 2, Batches: []load.Batch{{Lengths: long, Limit: 1}}},
	} {
		w := load.NewWatch(work)
		var calls sync.WaitGroup
		for i := range long {
			calls.Go(func() { w.Call(t.Context(), 0, i) })
		}
		calls.Wait()
		require.ErrorContains(t, w.Check(), want)
	}
}

// Two slots: the first has calls from 0 to 10 and from 12 to 22, the second from 0 to 20 and from 21 on.
func spans() []load.Span {
	return []load.Span{
		{Batch: 0, Begin: 0, End: 10 * ms, Asked: 9 * ms}, {Batch: 1, Begin: 0, End: 20 * ms, Asked: 17 * ms},
		{Batch: 0, Begin: 12 * ms, End: 22 * ms, Asked: 10 * ms}, {Batch: 1, Begin: 21 * ms, End: 30 * ms, Asked: 8 * ms},
	}
}

func TestFigures(t *testing.T) {
	s := spans()
	require.Equal(t, 2, load.MostAtOnce(s))
	// Until 21 ms: 10 + 9 of the first slot and 20 of the second, of 42. Timers were late by 1 and 3 of that.
	asked, held := load.Utilisation(s, 2)
	require.InDelta(t, 35.0/42, asked, 1e-9)
	require.InDelta(t, 39.0/42, held, 1e-9)
	require.Equal(t, []time.Duration{ms, 2 * ms}, load.HandOvers(s, 2))
	require.Empty(t, load.HandOvers(s, 4))
	require.Equal(t, []float64{float64(14 * ms), float64(15 * ms)}, load.Shares(s, 2, 5*ms, 21*ms))
}

func TestOneAfterTheOtherIsOneAtOnce(t *testing.T) {
	require.Equal(t, 1, load.MostAtOnce([]load.Span{{Begin: 0, End: ms}, {Begin: ms, End: 2 * ms}}))
}

func TestQuantile(t *testing.T) {
	all := []time.Duration{1, 2, 3, 4}
	require.Equal(t, time.Duration(3), load.Quantile(all, 0.5))
	require.Equal(t, time.Duration(4), load.Quantile(all, 1))
	require.Zero(t, load.Quantile(nil, 0.5))
}

// A batch that starves meanwhile is unfairness that the window must hold.
func TestBackloggedIsFromTheFirstCallUntilABatchHasNoneLeft(t *testing.T) {
	s := []load.Span{{Batch: 0, Begin: ms, End: 3 * ms}, {Batch: 0, Begin: 3 * ms, End: 5 * ms}, {Batch: 1, Begin: 5 * ms, End: 9 * ms}}
	from, to := load.Backlogged(s, 2)
	require.Equal(t, []time.Duration{ms, 3 * ms}, []time.Duration{from, to})
	require.InDelta(t, 0.5, load.Jain(load.Shares(s, 2, from, to)), 1e-9)
}

func TestJain(t *testing.T) {
	require.InDelta(t, 1, load.Jain([]float64{3, 3, 3}), 1e-9)
	require.InDelta(t, 0.25, load.Jain([]float64{0, 0, 5, 0}), 1e-9)
	require.InDelta(t, 0.9, load.Jain([]float64{1, 2}), 1e-9)
}

func TestIdeal(t *testing.T) {
	require.Equal(t, 30*ms, load.Ideal([]time.Duration{10 * ms, 20 * ms, 20 * ms}, 2))
	require.Equal(t, 50*ms, load.Ideal([]time.Duration{10 * ms, 20 * ms, 20 * ms}, 1))
}

func TestUniformIsTheSameEachTime(t *testing.T) {
	a := load.Uniform(1000, 5*ms, 50*ms, 1)
	require.Equal(t, a, load.Uniform(1000, 5*ms, 50*ms, 1))
	require.NotEqual(t, a, load.Uniform(1000, 5*ms, 50*ms, 2))
	for _, d := range a {
		require.True(t, d >= 5*ms && d <= 50*ms)
	}
	batches := load.Split(a, 300, 7)
	require.Len(t, batches, 4)
	require.Equal(t, 1000, load.Load{Batches: batches}.Total())
}
