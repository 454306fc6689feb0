package batch

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Nothing is acquired above what the limit leaves beside the others' calls, whatever the
// order of changes; what is free can be acquired, and in the end all of it.
func TestCapacityKeepsToItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 200).Draw(t, "limit")
		c, other, used := newCapacity(limit), 0, 0
		free := func() int { return limit - other - used }
		t.Repeat(map[string]func(*rapid.T){
			"try": func(t *rapid.T) {
				n := rapid.IntRange(1, 20).Draw(t, "n")
				got := c.try(n)
				require.Equal(t, n <= free(), got, "%d of limit %d, other %d, used %d", n, limit, other, used)
				if got {
					used += n
				}
			},
			"release": func(t *rapid.T) {
				if used == 0 {
					t.Skip("nothing to release")
				}
				n := rapid.IntRange(1, used).Draw(t, "n")
				c.release(n)
				used -= n
			},
			"force": func(t *rapid.T) {
				n := rapid.IntRange(1, 5).Draw(t, "n")
				c.force(n)
				used += n
			},
			"limit": func(t *rapid.T) {
				limit = rapid.IntRange(0, 200).Draw(t, "limit")
				c.setLimit(limit)
			},
			"other": func(t *rapid.T) {
				other = rapid.IntRange(0, 250).Draw(t, "other")
				c.setOther(other)
			},
		})
		if used > 0 {
			c.release(used)
		}
		c.setOther(0)
		c.setLimit(100)
		require.True(t, c.try(100), "everything can be acquired again")
		require.False(t, c.try(1))
	})
}

func TestCapacityOfAnEmptyOrNegativeLimit(t *testing.T) {
	c := newCapacity(3)
	c.setLimit(-1)
	require.False(t, c.try(1))
	c.setLimit(2)
	require.True(t, c.try(2))
	require.False(t, c.try(1))
}

// A host that waits is served before whoever tries, once enough is given back.
func TestCapacityServesWhoWaitsFirst(t *testing.T) {
	c := newCapacity(2)
	require.True(t, c.try(2))
	got := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		close(begun)
		got <- c.acquire(t.Context(), 2)
	}()
	<-begun
	for c.try(0) {
		runtime.Gosched() // until the other one waits
	}
	c.release(1)
	require.False(t, c.try(1), "it is kept for who waits")
	c.release(1)
	require.NoError(t, <-got)
	require.False(t, c.try(1))
}

func TestCapacityIsSafeForConcurrentUse(t *testing.T) {
	const most = 7
	c := newCapacity(most)
	var used atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 300 {
				switch {
				case i == 0:
					c.setLimit(1)
					c.setLimit(most)
				case c.try(1):
					if used.Add(1) > most {
						t.Error("above the limit")
					}
					used.Add(-1)
					c.release(1)
				case i == 1 && c.acquire(t.Context(), 1) == nil:
					c.release(1)
				}
			}
		})
	}
	wg.Wait()
	require.True(t, c.try(most))
	require.False(t, c.try(1))
}
