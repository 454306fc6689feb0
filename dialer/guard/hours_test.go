package guard

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

func TestMemoryIsBounded(t *testing.T) {
	h := newHours()
	h.most = 1000
	for block := range uint64(100_000) {
		at := uint32(block/60_000) + 1
		h.add(block+10, at)
		h.add(7, at) // called all the time
		require.LessOrEqual(t, len(h.young)+len(h.old), 2000)
	}
	require.Equal(t, 100_000, h.count(7, 2), "what is called all the time is not forgotten")
	for at := range uint32(10_000) {
		h.add(8, at+1)
	}
	require.LessOrEqual(t, len(h.young[8]), int(window))
	require.LessOrEqual(t, len(h.young)+len(h.old), 1, "the others were not called for hours")
}

func TestAClockThatGoesBackHarmsNothing(t *testing.T) {
	l, now := &Ledger{}, time.Now()
	g, err := l.Guard(&carrier{}, Rules{Allow: []string{"GB"}, Hourly: 2})
	require.NoError(t, err)
	p := g.(*plain).policy
	takes := func(at time.Time) bool {
		r, _ := l.reserve(p, "+442079460000", at)
		if r == nil {
			return false
		}
		r.settle(func(h *hours, block uint64) { h.add(block, l.stepOf(at)) })
		return true
	}
	for range 5 {
		takes(now)
		takes(now.Add(-time.Hour))
		takes(now.Add(time.Minute))
	}
	require.False(t, takes(now.Add(time.Minute)))
	require.True(t, takes(now.Add(3*time.Hour)))
}

// TestTheCountIsThatOfAnHour compares with a count that keeps every call.
func TestTheCountIsThatOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := newHours(), &Ledger{}
		h.most = 3 // so that generations turn
		placed := map[uint64][]time.Time{}
		next := uint64(1)
		for range 2000 {
			next = next*6364136223846793005 + 1442695040888963407 // Knuth's generator, for the same calls every time
			block, wait := next>>60%3, time.Duration(next>>40%200)*time.Second
			at := l.stepOf(time.Now())
			sure := 0
			for _, then := range placed[block] {
				if time.Since(then) < time.Hour {
					sure++
				}
			}
			maybe := sure
			for _, then := range placed[block] {
				if since := time.Since(then); since >= time.Hour && since < time.Hour+2*step {
					maybe++
				}
			}
			require.GreaterOrEqual(t, h.count(block, at), sure)
			require.LessOrEqual(t, h.count(block, at), maybe)
			h.add(block, at)
			placed[block] = append(placed[block], time.Now())
			if len(placed[block]) > 300 {
				placed[block] = placed[block][100:]
			}
			pass(wait)
		}
	})
}

func TestCallsUnderWayAreCountedApart(t *testing.T) {
	h := newHours()
	h.reserve(1)
	h.reserve(1)
	h.reserve(2)
	require.Equal(t, 2, h.underWay(1))
	require.Zero(t, h.count(1, 1))
	h.settle(2)
	h.settle(1)
	require.Equal(t, 1, h.underWay(1))
	h.settle(1)
	require.Zero(t, h.underWay(1))
	require.Empty(t, h.reserved, "nothing is kept of what has settled")
	h.add(1, 1)
	require.Equal(t, 1, h.count(1, window))
	require.Zero(t, h.count(1, 1+window))
	require.Zero(t, block("+", MaxBlock))
	require.Equal(t, uint64(4), block(dialer.Phone("+4420794600"), MaxBlock))
}

// TestACountOfLargerBlocksIsTheSame compares it with one that was kept all along, whatever the generations.
func TestACountOfLargerBlocksIsTheSame(t *testing.T) {
	fine, wide := newHours(), newHours()
	next := uint64(7)
	for at := uint32(1); at < 5*window; at++ {
		for range 3 {
			next = next*6364136223846793005 + 1442695040888963407
			block := next >> 52
			fine.add(block, at)
			wide.add(block/100, at)
		}
		later := fine.coarser(2)
		for block := range uint64(1 << 12 / 100) {
			require.Equal(t, wide.count(block, at), later.count(block, at), "block %d at %d", block, at)
		}
	}
}
