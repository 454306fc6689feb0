package batch

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// paceJudge is a bucket that leaks at the rate and that each call fills by one which the carrier gets.
type paceJudge struct {
	rate, level float64
	got         []time.Time
}

func (j *paceJudge) gets(now time.Time) {
	if n := len(j.got); n > 0 {
		j.level = max(j.level-j.rate*now.Sub(j.got[n-1]).Seconds(), 0)
	}
	j.level++
	j.got = append(j.got, now)
}

// most is how many calls the carrier got within any second.
func (j *paceJudge) most() (most int) {
	first := 0
	for i, at := range j.got {
		for at.Sub(j.got[first]) >= time.Second {
			first++
		}
		most = max(most, i+1-first)
	}
	return most
}

// However those that wait come, late or not at all, and however long calls are on their way to the carrier, it gets
// no more in any window than rate and burst allow.
func TestPaceIsNeverExceeded(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		rate, burst := 0.2+10*r.Float64(), float64(1+r.IntN(4))
		p, now := newPace(rate, burst), noon()
		p.set(rate, burst, math.Floor(rate+burst))
		dues := make([]time.Time, 1+r.IntN(6)) // of those that wait; zero: one does not
		judge := paceJudge{rate: rate}
		onWay, stalled := 0, false
		for range 3000 {
			now = now.Add(time.Duration(r.IntN(400)) * time.Millisecond)
			if r.IntN(100) == 0 {
				stalled = !stalled
			}
			due := &dues[r.IntN(len(dues))]
			switch {
			case onWay > 0 && r.IntN(20) == 0:
				onWay--
				p.putBack()
			case onWay > 0 && !stalled:
				for ; onWay > 0; onWay-- {
					p.spend(now)
					judge.gets(now)
					if judge.level > burst+p.spare+1e-6 {
						require.Fail(t, "above the pace", "seed %d: %v", seed, judge.level)
					}
				}
			case due.IsZero():
				*due = p.setAside(now)
			case r.IntN(10) == 0:
				p.giveUp()
				*due = time.Time{}
			default:
				again, ok := p.take(now, *due)
				if !ok && !again.After(now) {
					require.Fail(t, "it is to ask again at once", "seed %d", seed)
				}
				if ok {
					*due = time.Time{}
					onWay++
				}
			}
			if onWay != p.onWay {
				require.Equal(t, onWay, p.onWay)
			}
		}
		require.NotEmpty(t, judge.got, "seed %d", seed)
		require.LessOrEqual(t, judge.most(), int(rate+burst), "seed %d", seed)
	}
}

// beginAt has a call begin that reaches the carrier at once.
func (p *pace) beginAt(now, due time.Time) (again time.Time, ok bool) {
	if again, ok = p.take(now, due); ok {
		p.spend(now)
	}
	return again, ok
}

// Where the store takes as long as it usually does, the pace is what it is said to be; where it takes longer, no more
// begin than the burst meanwhile.
func TestUsualStepsDoNotSlowThePace(t *testing.T) {
	for _, c := range []struct {
		rate, burst float64
		step        time.Duration
		begun       int // in a hundred seconds
	}{
		{10, 1, 0, 1000},
		{10, 1, 5 * time.Millisecond, 1000},
		{10, 1, usualStep - time.Millisecond, 1000},
		{10, 1, 400 * time.Millisecond, 208}, // 100 ms less what is spared after those 400
		{50, 5, 80 * time.Millisecond, 5000},
		{50, 5, 400 * time.Millisecond, 1250},
	} {
		p, now := newPace(c.rate, c.burst), noon()
		p.set(c.rate, c.burst, c.rate+c.burst)
		due, begun := p.setAside(now), 0
		var arrive []time.Time
		for end := now.Add(100 * time.Second); now.Before(end); {
			for len(arrive) > 0 && !now.Before(arrive[0]) {
				p.spend(arrive[0])
				begun++
				arrive = arrive[1:]
			}
			again, ok := p.take(now, due)
			if ok {
				arrive = append(arrive, now.Add(c.step))
				due = p.setAside(now)
				continue
			}
			if now = again; len(arrive) > 0 && arrive[0].Before(now) {
				now = arrive[0]
			}
		}
		require.InDelta(t, c.begun, begun, float64(c.begun)/100+5, "%+v", c)
	}
}

// While calls that are on their way hold the pace up, nobody's time passes: afterwards those that wait are served in
// their turn, and none of them has asked much oftener than it had to.
func TestWhoWaitsKeepsItsPlaceWhileTheStoreStalls(t *testing.T) {
	p, now := newPace(10, 1), noon()
	_, ok := p.take(now, p.setAside(now)) // it is on its way for a minute
	require.True(t, ok)
	const waiters = 50
	due, wake := make([]time.Time, waiters), make([]time.Time, waiters)
	for i := range due {
		due[i] = p.setAside(now)
		wake[i] = now
	}
	over, asked := now.Add(time.Minute), 0
	var served []int
	for len(served) < waiters {
		next := -1
		for i := range wake {
			if !due[i].IsZero() && (next < 0 || wake[i].Before(wake[next])) {
				next = i
			}
		}
		if !over.IsZero() && over.Before(wake[next]) {
			p.spend(over)
			over = time.Time{}
		}
		again, ok := p.beginAt(wake[next], due[next])
		if wake[next] = again; ok {
			due[next] = time.Time{}
			served = append(served, next)
		}
		asked++
	}
	require.True(t, slices.IsSorted(served), "%v", served)
	require.Less(t, asked, 10*60*10, "ten times for each token that would have come")
	require.InDelta(t, 65, wake[waiters-1].Sub(now).Seconds(), 0.2)
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
		_, ok := p.beginAt(due, due)
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
		if _, ok := p.beginAt(now, due); ok {
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
		_, ok := p.beginAt(now, p.setAside(now))
		require.True(t, ok)
	}
	p.set(10, 8, 18)
	require.InDelta(t, 1, p.tokens, 1e-9)
	p.fill(now.Add(time.Minute))
	require.InDelta(t, 8, p.tokens, 1e-9)
	p.set(1, 2, 3)
	require.InDelta(t, 2, p.tokens, 1e-9)
	p.set(0, 0, 0)
	again, ok := p.take(now.Add(time.Minute), p.setAside(now.Add(time.Minute)))
	require.False(t, ok)
	require.True(t, again.After(now))
}
