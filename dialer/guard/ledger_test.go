package guard

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// with makes a guard of a ledger that closes with the test.
func (l *Ledger) with(tb testing.TB, rules Rules) dialer.Dialer {
	tb.Helper()
	if rules.Allow == nil {
		rules.Allow = western()
	}
	g, err := l.Guard(lasting{&carrier{}}, rules)
	require.NoError(tb, err)
	return g
}

// refusal dials, and returns how the guard refused.
func refusal(tb testing.TB, g dialer.Dialer, to string) *RefusedError {
	tb.Helper()
	_, err := g.Dial(tb.Context(), call(to), ignore)
	refused, ok := errors.AsType[*RefusedError](err)
	require.True(tb, ok, "%s: %v", to, err)
	require.ErrorIs(tb, err, dialer.ErrNotPlaced)
	require.ErrorIs(tb, err, dialer.ErrNotAsked)
	require.Equal(tb, refused.Final, errors.Is(err, dialer.ErrForbidden))
	return refused
}

func TestALedgerCountsOverAllCarriers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Ledger
		one, two := l.with(t, Rules{Hourly: 10}), l.with(t, Rules{Hourly: 10})
		require.Equal(t, 6, dials(t, one, "+442079460%03d", 6))
		require.Equal(t, 4, dials(t, two, "+442079460%03d", 10))
		require.Zero(t, dials(t, one, "+442079460%03d", 10))
		require.Equal(t, 10, dials(t, one, "+442079461%03d", 20), "another block has its own")
		alone := guarded(t, &carrier{}, Rules{Hourly: 10})
		require.Equal(t, 10, dials(t, alone, "+442079460%03d", 20), "who has another ledger, too")

		// A carrier is replaced: what was called stays so.
		require.Error(t, one.(interface{ Close() error }).Close(), "the carrier's own")
		require.Zero(t, dials(t, l.with(t, Rules{Hourly: 10}), "+442079460%03d", 10))
		pass(time.Hour + 2*step)
		require.Equal(t, 10, dials(t, two, "+442079460%03d", 20))
	})
}

// TestALedgerOfDifferentRules has each guard apply its own limit and block to the calls of all.
func TestALedgerOfDifferentRules(t *testing.T) {
	var l Ledger
	wide, narrow := l.with(t, Rules{Hourly: 50, Block: 4}), l.with(t, Rules{Hourly: 3, Block: 1})
	endless := l.with(t, Rules{Hourly: -1})
	require.Equal(t, 20, dials(t, endless, "+442079460%03d", 20))
	require.Zero(t, dials(t, narrow, "+44207946001%d", 9), "ten of this block were called over the endless one")
	require.Equal(t, 3, dials(t, narrow, "+44207946002%d", 9))
	require.Equal(t, 27, dials(t, wide, "+442079460%03d", 200), "of 50, after 20 and 3")
	require.Zero(t, dials(t, wide, "+442079461%03d", 50), "in the same ten thousand")
	require.Equal(t, 40, dials(t, endless, "+442079460%03d", 40))
}

func TestALedgerGivesBackOverAllBlocks(t *testing.T) {
	var l Ledger
	failing := &carrier{fail: dialer.ErrNotPlaced}
	down, err := l.Guard(failing, Rules{Allow: western(), Hourly: -1})
	require.NoError(t, err)
	wide, narrow := l.with(t, Rules{Hourly: 5, Block: 4}), l.with(t, Rules{Hourly: 5, Block: 1})
	dials(t, down, "+442079460%03d", 100)
	require.EqualValues(t, 100, failing.dialled.Load())
	require.Equal(t, 5, dials(t, narrow, "+44207946000%d", 10))
	require.Zero(t, dials(t, wide, "+442079460%03d", 10))
}

func TestALedgerForManyAtOnce(t *testing.T) {
	var l Ledger
	var guards []dialer.Dialer
	for i := range 4 {
		guards = append(guards, l.with(t, Rules{Hourly: 100, Block: 3 + i%2}))
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	placed := 0
	for i := range 16 {
		all.Go(func() {
			n := dials(t, guards[i%len(guards)], "+442079460%03d", 50)
			mu.Lock()
			defer mu.Unlock()
			placed += n
		})
		all.Go(func() {
			g := l.with(t, Rules{Allow: []string{"FR"}})
			_ = refusal(t, g, "+442079460000")
			_ = g.(interface{ Close() error }).Close()
		})
	}
	all.Wait()
	require.Equal(t, 100, placed)
}

// TestWhichRefusalsAreFinal is what the engine relies on: a recipient ends where no carrier of the ledger may call
// them, and only there.
func TestWhichRefusalsAreFinal(t *testing.T) {
	var l Ledger
	home := l.with(t, Rules{Allow: []string{"GB"}, Hourly: 2})
	require.True(t, refusal(t, home, "+14155550123").Final, "it is the only one")
	abroad := l.with(t, Rules{Allow: []string{"GB", "US"}, Hourly: 3})

	require.False(t, refusal(t, home, "+14155550123").Final, "the other may")
	require.True(t, refusal(t, home, "+33199001234").Final, "neither may")
	require.True(t, refusal(t, abroad, "+33199001234").Final)
	for _, never := range []string{"+449012345678", "+870773123456", "+19005551234", "+4911833", "+4402079460000", "+61147101234", "", "x"} {
		require.True(t, refusal(t, home, never).Final, never)
		require.True(t, refusal(t, abroad, never).Final, never)
	}

	require.Equal(t, 2, dials(t, home, "+442079460%03d", 9))
	require.False(t, refusal(t, home, "+442079460001").Final, "the other has room for one")
	require.Equal(t, 1, dials(t, abroad, "+442079460%03d", 9))
	require.True(t, refusal(t, home, "+442079460001").Final)
	require.Equal(t, Hourly, refusal(t, abroad, "+442079460001").Rule)

	require.Error(t, abroad.(interface{ Close() error }).Close(), "the carrier's own")
	require.True(t, refusal(t, home, "+14155550123").Final, "the other is gone")
}

func TestAGuardForNothing(t *testing.T) {
	var l Ledger
	_, err := l.Guard(nil, Rules{Allow: western()})
	require.EqualError(t, err, "guard: expected a dialer, and got none")
	_, err = l.Guard(&carrier{}, Rules{})
	require.ErrorContains(t, err, "allow: expected at least one")
	require.Empty(t, l.guards)
	_, resumer := l.with(t, Rules{}).(dialer.Resumer)
	require.True(t, resumer)
}

// BenchmarkLedger tells what a refusal costs that every other guard is asked about.
func BenchmarkLedger(b *testing.B) {
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprintf("guards %d", n), func(b *testing.B) {
			var l Ledger
			var g dialer.Dialer
			for range n {
				g = l.with(b, Rules{})
			}
			c := call("+18764441234")
			for b.Loop() {
				_, _ = g.Dial(b.Context(), c, ignore)
			}
		})
	}
}
