package media

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// counted counts its ticks.
type counted struct {
	began   time.Time
	ticks   int
	skipped int
	times   []time.Duration
	stall   time.Duration // how long the next tick takes
}

func (c *counted) tick(skipped int) {
	c.ticks++
	c.skipped += skipped
	c.times = append(c.times, time.Since(c.began))
	if c.stall > 0 {
		<-time.After(c.stall)
		c.stall = 0
	}
}

func TestThePaceDoesNotDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pacer{}
		members := make([]*counted, 2*slots)
		for i := range members {
			members[i] = &counted{began: time.Now()}
			p.join(members[i])
		}
		const lasts = 5 * time.Minute
		<-time.After(lasts + slotTime/2)
		for _, m := range members {
			p.leave(m)
			require.InDelta(t, lasts/FrameTime, m.ticks, 1)
			require.Zero(t, m.skipped)
			for i, at := range m.times {
				require.Equal(t, m.times[0]+time.Duration(i)*FrameTime, at)
			}
		}
		require.Nil(t, p.loop, "nothing runs when all have left")
		require.Equal(t, members[0].times[0], members[slots].times[0], "members are spread evenly")
		require.NotEqual(t, members[0].times[0], members[1].times[0])
	})
}

func TestAShortStallIsCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pacer{}
		m := &counted{began: time.Now(), stall: 90 * time.Millisecond}
		p.join(m)
		<-time.After(time.Second + slotTime/2)
		p.leave(m)
		require.Equal(t, 50, m.ticks)
		require.Zero(t, m.skipped)
	})
}

func TestWhatALongStallMissesIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pacer{}
		m, other := &counted{began: time.Now(), stall: 500 * time.Millisecond}, &counted{began: time.Now()}
		p.join(m)
		p.join(other)
		<-time.After(time.Second + slotTime/2)
		p.leave(m)
		p.leave(other)
		for _, m := range []*counted{m, other} {
			require.Equal(t, 50, m.ticks+m.skipped, "the clock of the media goes on")
			require.GreaterOrEqual(t, m.skipped, 19)
		}
	})
}

func TestJoiningAndLeavingAtOnce(t *testing.T) {
	p := &pacer{}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 20 {
				m := &counted{began: time.Now()}
				p.join(m)
				p.leave(m)
			}
		})
	}
	all.Wait()
	require.Nil(t, p.loop)
}
