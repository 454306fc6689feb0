package batch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPaceConverges(t *testing.T) {
	for _, perSecond := range []int{1, 20} {
		var p pacing
		now := noon()
		require.Zero(t, p.rate(now), "none has begun")
		p.add(perSecond, now)
		require.Zero(t, p.rate(now.Add(time.Second)), "too early to say")
		for range 300 {
			now = now.Add(time.Second)
			p.add(perSecond, now)
		}
		require.InEpsilon(t, perSecond, p.rate(now), 0.05)
		for range 300 {
			now = now.Add(time.Second)
			p.add(3*perSecond, now)
		}
		require.InEpsilon(t, 3*perSecond, p.rate(now), 0.05)
		require.InDelta(t, 0, p.rate(now.Add(time.Hour)), 0.001)
	}
}
