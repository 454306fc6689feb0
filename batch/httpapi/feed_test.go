package httpapi

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// ledger is something that changes, read as an engine would be.
type ledger struct {
	mu    sync.Mutex
	last  int64
	news  chan struct{}
	reads int
	err   error
}

func newLedger() *ledger { return &ledger{news: make(chan struct{})} }

func (l *ledger) write(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last += n
	close(l.news)
	l.news = make(chan struct{})
}

func (l *ledger) read(ctx context.Context, _ topic, after int64) ([]batch.Change, error) {
	l.mu.Lock()
	l.reads++
	l.mu.Unlock()
	for {
		l.mu.Lock()
		last, news, err := l.last, l.news, l.err
		l.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if last > after {
			return []batch.Change{{Cursor: last, Batch: &store.Batch{Rev: last}}}, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (l *ledger) at() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reads
}

var here = topic{org: "acme", batch: "b"}

// follow reads chunks until a cursor is reached, and returns where it has been.
func follow(f *feeds, after, until int64) (at []int64, err error) {
	leave := f.join(here)
	defer leave()
	for after < until {
		c, _ := f.chunk(context.Background(), here, after, nil)
		if c.err != nil {
			return at, c.err
		}
		after = c.next
		at = append(at, after)
	}
	return at, nil
}

func TestListenersShareWhatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const listeners, changes = 200, 50
		l := newLedger()
		f := newFeeds(l.read)
		type way struct {
			at  []int64
			err error
		}
		ways := make(chan way, listeners)
		for range listeners {
			go func() {
				at, err := follow(f, 0, changes)
				ways <- way{at, err}
			}()
		}
		for range changes {
			time.Sleep(100 * time.Millisecond) //nolint:forbidigo // the clock of the bubble
			l.write(1)
		}
		for range listeners {
			w := <-ways
			require.NoError(t, w.err)
			require.IsIncreasing(t, w.at)
		}
		require.LessOrEqual(t, l.count(), changes+1, "as many as for one")
		require.Empty(t, f.open, "nothing is kept when nobody listens")
	})
}

func TestWhoFellBehindCatchesUpAndJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.write(10)
		f := newFeeds(l.read)
		leave := f.join(here)
		defer leave()
		first, ok := f.chunk(t.Context(), here, 0, nil)
		require.True(t, ok)
		require.Equal(t, int64(10), first.next)
		again, _ := f.chunk(t.Context(), here, 0, nil)
		require.Same(t, first, again, "what was read is not read again")
		l.write(1)
		behind, _ := f.chunk(t.Context(), here, 4, nil)
		require.Equal(t, int64(11), behind.next)
		ahead, _ := f.chunk(t.Context(), here, 10, nil)
		require.Equal(t, int64(11), ahead.next)
		require.Equal(t, 3, l.count())
	})
}

func TestReadingEndsWithTheLastWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		f := newFeeds(l.read)
		leave := f.join(here)
		defer leave()
		ctx, giveUp := context.WithCancel(t.Context())
		heard := make(chan bool, 2)
		go func() {
			_, ok := f.chunk(ctx, here, 0, nil)
			heard <- ok
		}()
		wake := make(chan time.Time)
		go func() {
			_, ok := f.chunk(t.Context(), here, 0, wake)
			heard <- ok
		}()
		synctest.Wait()
		giveUp()
		synctest.Wait()
		require.Len(t, f.open[here].chunks, 1, "somebody waits yet")
		wake <- time.Now()
		require.False(t, <-heard)
		require.False(t, <-heard)
		require.Empty(t, f.open[here].chunks)
		l.write(1)
		c, ok := f.chunk(t.Context(), here, 0, nil)
		require.True(t, ok)
		require.NoError(t, c.err, "who comes later does not get the reading that was given up")
	})
}

func TestAnErrorIsToldAndNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("no route to host")
		l := newLedger()
		l.err = down
		f := newFeeds(l.read)
		_, err := follow(f, 0, 1)
		require.ErrorIs(t, err, down)
		l.err = nil
		l.write(1)
		_, err = follow(f, 0, 1)
		require.NoError(t, err)
	})
}

func TestAFeedKeepsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		f := newFeeds(l.read)
		leave := f.join(here)
		defer leave()
		for i := range int64(100) {
			l.write(1)
			_, ok := f.chunk(t.Context(), here, i, nil)
			require.True(t, ok)
			require.LessOrEqual(t, len(f.open[here].chunks), keptChunks)
			require.Len(t, f.open[here].order, len(f.open[here].chunks))
		}
	})
}

// However many listen and however much happens, sending it takes a small part of the time.
func TestEventsKeepToTheirShareOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const listeners, work = 500, mostWork
		l := newLedger()
		f := newFeeds(l.read)
		ctx, stop := context.WithCancel(t.Context())
		var worked atomic.Int64
		var all sync.WaitGroup
		for range listeners {
			all.Go(func() {
				leave := f.join(here)
				defer leave()
				for after := int64(0); ; {
					c, ok := f.chunk(ctx, here, after, nil)
					if !ok {
						return
					}
					after = c.next
					f.charge(here, work)
					worked.Add(int64(work))
				}
			})
		}
		begun := time.Now()
		for time.Since(begun) < 10*time.Minute {
			time.Sleep(time.Millisecond) //nolint:forbidigo // the clock of the bubble
			l.write(1)
		}
		share := float64(worked.Load()) / float64(time.Since(begun))
		require.Positive(t, share)
		require.Less(t, share, 0.15, "mostRest bounds how little it can be")
		stop()
		all.Wait()
	})
}

func TestPaceOfOneListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		f := newFeeds(l.read)
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		heard := make(chan int, 1)
		go func() {
			leave := f.join(here)
			defer leave()
			n, after := 0, int64(0)
			for {
				c, ok := f.chunk(ctx, here, after, nil)
				if !ok {
					heard <- n
					return
				}
				n, after = n+1, c.next
			}
		}()
		for ctx.Err() == nil {
			time.Sleep(time.Millisecond) //nolint:forbidigo // the clock of the bubble
			l.write(1)
		}
		n := <-heard
		require.LessOrEqual(t, n, 201, "every %v at most", leastRest)
		require.Greater(t, n, 150)
	})
}

// One organisation's listeners that come anew and anew, each to be told everything, make the
// others' events no later than they may be.
func TestOneOrganisationsListenersDelayNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		f := newFeeds(l.read)
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		defer all.Wait()
		defer stop()
		greedy := topic{org: "greedy"}
		for i := range int64(50) {
			all.Go(func() {
				leave := f.join(greedy)
				defer leave()
				for after := -i; ctx.Err() == nil; after -= 50 { // never where another one is
					_, ok := f.chunk(ctx, greedy, after, nil)
					for range 100 {
						f.charge(greedy, mostWork)
					}
					if !ok {
						return
					}
				}
			})
		}
		l.write(1)
		pause(t.Context(), time.Minute)
		at, err := follow(f, 0, 1)
		require.NoError(t, err)
		require.Equal(t, []int64{1}, at)
		for range 20 {
			begun := time.Now()
			heard := make(chan error, 1)
			go func() {
				_, err := follow(f, l.at(), l.at()+1)
				heard <- err
			}()
			pause(t.Context(), 100*time.Millisecond)
			l.write(1)
			require.NoError(t, <-heard)
			require.Less(t, time.Since(begun), 200*time.Millisecond)
		}
	})
}
