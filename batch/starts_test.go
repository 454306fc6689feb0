package batch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// begun is how many calls one after the other are planned at a carrier.
func begun(c *carrier, now time.Time) (n int) {
	s := newSeat()
	defer c.retire(&s.seat)
	for {
		if _, ok := c.try(&s.seat, "", now, 1); !ok {
			return n
		}
		n++
	}
}

// A share that grew counts for the pace a second later and brings no tokens with it, also where the dialer is
// replaced meanwhile.
func TestAReplacedDialerBeginsNoSoonerThanItsShareAllows(t *testing.T) {
	for name, swaps := range map[string]bool{"it stays": false, "it is replaced": true} {
		t.Run(name, func(t *testing.T) {
			limits := dialer.Limits{CPS: 10, Burst: 10}
			all := newCarriers(map[string]dialer.Dialer{"x": silent(limits)})
			all.surrender()
			now, c := noon(), all.get("x")
			require.Zero(t, begun(c, now))
			now = now.Add(time.Hour) // another node has all of it, and has begun as many calls as it may
			c.setShare(whole)
			require.Zero(t, begun(c, now))
			if swaps {
				limits.Channels = 1000
				all.swap(map[string]dialer.Dialer{"x": silent(limits)}, now)
				c = all.get("x")
			}
			for range 9 {
				now = now.Add(100 * time.Millisecond)
				require.Zero(t, begun(c, now))
			}
			now = now.Add(100 * time.Millisecond)
			require.Zero(t, begun(c, now), "it goes by its share from now on, and has no token yet")
			now = now.Add(time.Second)
			require.Equal(t, 10, begun(c, now))
		})
	}
}

// Calls that are on their way when their dialer is replaced, or taken away and replaced later, are on their way to
// the same carrier: the new dialer leaves them their place, until they come or it is known that they do not.
func TestCallsOnTheirWayCountWhoeverHasTheNameByNow(t *testing.T) {
	for name, swaps := range map[string][]map[string]dialer.Dialer{
		"replaced":       {{"x": silent{CPS: 1, Burst: 4, Channels: 1000}}},
		"replaced twice": {{"x": silent{CPS: 1, Burst: 4, Channels: 1000}}, {"x": silent{CPS: 1, Burst: 4}}},
		"away":           {{}, {"x": silent{CPS: 1, Burst: 4, Channels: 1000}}},
	} {
		t.Run(name, func(t *testing.T) {
			all, now := newCarriers(map[string]dialer.Dialer{"x": silent{CPS: 1, Burst: 4}}), noon()
			old := all.get("x")
			require.Equal(t, 4, begun(old, now))
			for _, dialers := range swaps {
				all.swap(dialers, now)
			}
			c := all.get("x")
			require.Equal(t, 4, c.pace.onWay)
			if len(swaps[0]) > 0 {
				require.Zero(t, begun(c, now.Add(time.Hour)))
			}
			now = now.Add(2 * time.Hour)
			old.placed(now)
			old.unplaced()
			old.unused("", now, 1)
			require.Equal(t, 1, c.pace.onWay)
			if len(swaps[0]) > 0 {
				require.Equal(t, 2, begun(c, now), "of those that did not come")
			}
			old.placed(now)
			require.Equal(t, []int{0, len(swaps[0]) * 2}, []int{old.pace.onWay, c.pace.onWay})
		})
	}
}

// A node whose share falls while calls are on their way keeps others from what those need: they begin all the same.
func TestCallsOnTheirWayKeepTheirShare(t *testing.T) {
	c, now := newTestCarrier(dialer.Limits{CPS: 4, Burst: 4}), noon()
	require.Equal(t, 4, begun(c, now))
	c.setShare(0)
	kept := c.told().share
	require.Equal(t, whole/2, kept, "four starts of the eight that a second may have")
	require.Equal(t, 4, c.startsWithin(kept))
	c.placed(now)
	c.unplaced()
	require.Equal(t, whole/4, c.told().share)
	c.placed(now)
	c.placed(now)
	require.Zero(t, c.told().share)
	require.Zero(t, c.pace.onWay)
}
