package batch

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// waiter waits for starts, one after the other. It may come late or give up.
type waiter struct{ due time.Time }

// However those that wait come, late or not at all, no window has more starts than rate and burst allow.
func TestPaceIsNeverExceeded(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		rate, burst := 0.2+10*r.Float64(), float64(1+r.IntN(4))
		p, now := newPace(rate, burst), noon()
		waiters := make([]waiter, 1+r.IntN(6))
		level, at := 0.0, now // of a bucket that leaks at the rate and takes the burst
		begun := 0
		for range 2000 {
			now = now.Add(time.Duration(r.IntN(400)) * time.Millisecond)
			w := &waiters[r.IntN(len(waiters))]
			switch {
			case w.due.IsZero():
				w.due = p.setAside(now)
				continue
			case r.IntN(10) == 0:
				p.giveUp()
				w.due = time.Time{}
				continue
			}
			again, ok := p.take(now, w.due)
			if !ok {
				require.True(t, again.After(now), "seed %d", seed)
				w.due = again
				continue
			}
			w.due = time.Time{}
			begun++
			level = max(level-rate*now.Sub(at).Seconds(), 0) + 1
			at = now
			require.LessOrEqual(t, level, burst+1e-6, "seed %d", seed)
		}
		require.Positive(t, begun, "seed %d", seed)
	}
}

// Those that come when it is their time begin in the order in which they asked, as fast as may be.
func TestPaceServesInTurn(t *testing.T) {
	p, now := newPace(2, 1), noon()
	var dues []time.Time
	for range 5 {
		dues = append(dues, p.setAside(now))
	}
	require.True(t, slices.IsSortedFunc(dues, time.Time.Compare))
	for i, due := range dues {
		require.Equal(t, time.Duration(i)*time.Second/2, due.Sub(now), i)
		_, ok := p.take(due, due)
		require.True(t, ok, i)
	}
	require.Zero(t, p.waiting)
}

// One that never comes takes nothing from the others.
func TestPaceDoesNotWaitForAnybody(t *testing.T) {
	p, now := newPace(1, 1), noon()
	p.setAside(now) // never used
	begun, due := 0, p.setAside(now)
	for end := now.Add(time.Minute); now.Before(end); now = now.Add(100 * time.Millisecond) {
		again, ok := p.take(now, due)
		if due = again; ok {
			begun++
			due = p.setAside(now)
		}
	}
	require.GreaterOrEqual(t, begun, 59)
}

// A bucket that becomes larger is not fuller for it, and one that becomes smaller spills.
func TestPaceKeepsWhatIsInTheBucket(t *testing.T) {
	p, now := newPace(1, 4), noon()
	for range 3 {
		_, ok := p.take(now, p.setAside(now))
		require.True(t, ok)
	}
	p.set(10, 8)
	require.InDelta(t, 1, p.tokens, 1e-9)
	p.fill(now.Add(time.Minute))
	require.InDelta(t, 8, p.tokens, 1e-9)
	p.set(1, 2)
	require.InDelta(t, 2, p.tokens, 1e-9)
	p.set(0, 0)
	again, ok := p.take(now.Add(time.Minute), p.setAside(now.Add(time.Minute)))
	require.False(t, ok)
	require.True(t, again.After(now))
}
