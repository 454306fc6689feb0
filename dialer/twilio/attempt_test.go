package twilio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/dialer"
)

const someSID = "CA00000000000000000000000000000001"

// TestAnyOrderOfNewsEndsTheSame applies the news of a call in any order and any number of times.
func TestAnyOrderOfNewsEndsTheSame(t *testing.T) {
	t.Parallel()
	finals := []string{"completed", "busy", "no-answer", "failed", "canceled"}
	rapid.Check(t, func(t *rapid.T) {
		status := rapid.SampledFrom(append([]string{"queued", "initiated", "ringing", "in-progress", "odd", ""}, finals...))
		a := newAttempt(dialer.Call{ID: "ac_1"})
		first, highest := "", isQueued
		for _, s := range rapid.SliceOf(status).Draw(t, "news") {
			before, _ := a.look()
			require.True(t, a.apply(event{sid: someSID, status: s, isNamed: true, duration: -1}))
			k, _ := a.look()
			require.GreaterOrEqual(t, k.rank, before.rank, "never back")
			require.GreaterOrEqual(t, k.stage(), before.stage())
			r, ok := rankOf(s)
			if ok && r == isFinal && first == "" {
				first = s
			}
			if ok {
				highest = max(highest, r)
			}
		}
		k, _ := a.look()
		require.Equal(t, highest, k.rank)
		if first != "" {
			require.Equal(t, first, k.status, "the first end is the end")
		}
		for _, pair := range [][2]time.Time{{k.rangAt, k.connectedAt}, {k.connectedAt, k.endedAt}, {k.rangAt, k.endedAt}} {
			if !pair[0].IsZero() && !pair[1].IsZero() {
				require.False(t, pair[1].Before(pair[0]), "times are in order")
			}
		}
	})
}

func TestWhatNamesACallOverrulesAGuess(t *testing.T) {
	t.Parallel()
	const other = "CA00000000000000000000000000000002"
	a := newAttempt(dialer.Call{ID: "ac_1"})
	a.guess(record{sid: other, status: "completed", duration: -1})
	k, _ := a.look()
	require.Equal(t, other, k.sid)
	require.True(t, a.apply(event{sid: someSID, status: "ringing", isNamed: true}))
	k, _ = a.look()
	require.Equal(t, someSID, k.sid)
	require.Equal(t, isRinging, k.rank, "what was known was of the other call")
	require.False(t, a.apply(event{sid: other, status: "ringing", isNamed: true}), "there is one call of an attempt")
	a.guess(record{sid: other, status: "busy"})
	k, _ = a.look()
	require.Equal(t, someSID, k.sid)
}

func TestRecentForgetsTheOldest(t *testing.T) {
	t.Parallel()
	r := newRecent[string, int](3)
	for i := range 10 {
		r.put(fmt.Sprint(i), i)
		r.put(fmt.Sprint(i), i)
	}
	require.Len(t, r.values, 3)
	require.Len(t, r.order, 3)
	for i := range 10 {
		_, ok := r.get(fmt.Sprint(i))
		require.Equal(t, i >= 7, ok, i)
	}
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	for failures := range 200 {
		d := backoff(failures, time.Second, 10*time.Second)
		require.GreaterOrEqual(t, d, time.Second/2)
		require.LessOrEqual(t, d, 15*time.Second)
	}
	require.Zero(t, jitter(0))
}

func TestRegistryForgetsWhatWasLetGoOf(t *testing.T) {
	t.Parallel()
	g := newRegistry(func(a *attempt) time.Time { return a.letGoAt.Add(time.Hour) })
	old, _ := g.begin(dialer.Call{ID: "old"})
	g.leave(old)
	old.letGoAt = old.letGoAt.Add(-2 * time.Hour)
	young, _ := g.begin(dialer.Call{ID: "young"})
	g.leave(young)
	require.Len(t, g.live, 1)
	a, isNew := g.resume(dialer.Call{ID: "young"})
	require.False(t, isNew)
	require.Same(t, young, a)
}
