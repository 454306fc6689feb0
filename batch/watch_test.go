package batch_test

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store/storetest"
)

// watched is what a watcher saw.
type watched struct {
	cursors    []int64
	batches    map[string]fsm.Counts
	recipients map[string]fsm.RecipientStatus
}

// watch watches from a cursor until most changes were seen or nothing came for a minute.
func (w *world) watch(id string, from int64, most int) watched {
	w.t.Helper()
	seen := watched{batches: map[string]fsm.Counts{}, recipients: map[string]fsm.RecipientStatus{}}
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	quiet := time.AfterFunc(time.Minute, cancel)
	defer quiet.Stop()
	for c, err := range w.engine.Watch(ctx, org, id, from) {
		require.NoError(w.t, err)
		quiet.Reset(time.Minute)
		seen.cursors = append(seen.cursors, c.Cursor)
		if c.Batch != nil {
			require.Nil(w.t, c.Recipient)
			seen.batches[c.Batch.ID] = c.Batch.Counts
		} else {
			seen.recipients[c.Recipient.ID()] = c.Recipient.Status
		}
		if len(seen.cursors) == most {
			break
		}
	}
	return seen
}

func requireAscending(t *testing.T, from int64, cursors []int64) {
	t.Helper()
	for _, c := range cursors {
		require.Greater(t, c, from)
		from = c
	}
}

const unlimited = -1

func TestWatchFromTheBeginning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 600, fake.Behaviour{Ring: time.Second, Talk: 2 * time.Second})
		w.dir.limit(org, 300)
		w.run()
		b := w.create(request(600)) // more than a page
		seen := w.watch(b.ID, 0, unlimited)
		requireAscending(t, 0, seen.cursors)
		require.Greater(t, len(seen.cursors), 1200, "states on the way are seen too")
		require.Equal(t, w.batch(b.ID).Counts, seen.batches[b.ID])
		require.Len(t, seen.recipients, 600)
		for _, r := range w.recipients(b.ID) {
			require.Equal(t, r.Status, seen.recipients[r.ID()])
		}
		again := w.watch(b.ID, 0, unlimited)
		require.Len(t, again.cursors, 601, "the present state of everything, once")
	})
}

func TestWatchGoesOnFromAnyCursor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 40, fake.Behaviour{Ring: time.Second, Talk: 2 * time.Second})
		w.run()
		b := w.create(request(40))
		last := map[string]fsm.RecipientStatus{}
		var cursor int64
		for part := 1; ; part = part%9 + 1 { // stops after 1 change, then 2, …
			seen := w.watch(b.ID, cursor, part)
			requireAscending(t, cursor, seen.cursors)
			maps.Copy(last, seen.recipients)
			if len(seen.cursors) < part {
				break
			}
			cursor = seen.cursors[part-1]
		}
		require.Len(t, last, 40)
		for id, status := range last {
			require.Equal(t, fsm.Completed, status, id)
		}
		all := w.watch(b.ID, 0, unlimited)
		require.Len(t, all.cursors, 41)
		for i, from := range all.cursors {
			require.Equal(t, all.cursors[i+1:], append([]int64{}, w.watch(b.ID, from, unlimited).cursors...))
		}
	})
}

func TestWatchTheOrganisation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.dir.limit("globex", 10)
		w.script(0, 30, fake.Behaviour{Talk: time.Second})
		w.run()
		a := w.create(request(10))
		r := request(10)
		r.Recipients = numbers(10, 10)
		b := w.create(r)
		r.Recipients = numbers(20, 10)
		w.createFor("globex", r)
		seen := w.watch("", 0, unlimited)
		requireAscending(t, 0, seen.cursors)
		done := fsm.Counts{Completed: 10}
		require.Equal(t, map[string]fsm.Counts{a.ID: done, b.ID: done}, seen.batches)
		require.Len(t, seen.recipients, 20)
		require.Len(t, w.watch("", 0, unlimited).cursors, 22)
	})
}

func TestWatchAnUnknownBatch(t *testing.T) {
	w := newWorld(t, dialer.Limits{})
	n := 0
	for _, err := range w.engine.Watch(t.Context(), org, "acb_1", 0) {
		require.ErrorIs(t, err, batch.ErrNotFound)
		n++
	}
	require.Equal(t, 1, n)
}

// A watcher that does not read for an hour costs the batch no time at all.
func TestASlowWatcherSlowsOnlyItself(t *testing.T) {
	took := map[bool]time.Duration{}
	for _, slow := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, dialer.Limits{})
			w.script(0, 200, fake.Behaviour{Talk: 10 * time.Second})
			w.run()
			b := w.create(request(200))
			ended := make(chan int, 1)
			go func() {
				n := 0
				for _, err := range w.engine.Watch(t.Context(), org, b.ID, 0) {
					if n++; slow {
						pass(time.Hour)
					}
					if err != nil || n == 3 {
						break
					}
				}
				ended <- n
			}()
			begin := time.Now()
			for !w.batch(b.ID).Counts.Over() {
				pass(10 * time.Millisecond)
			}
			took[slow] = time.Since(begin)
			require.Equal(t, 3, <-ended)
		})
	}
	require.InDelta(t, took[false].Seconds(), took[true].Seconds(), 0.1)
	require.Less(t, took[true], 8*time.Minute)
}

func TestWatchEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		b := w.create(request(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin, n := time.Now(), 0
		for _, err := range w.engine.Watch(ctx, org, b.ID, 0) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 2, n)
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

func TestWatchEndsWithTheStoresError(t *testing.T) {
	for _, method := range []string{"Batch", "Batches", "Recipients"} {
		bubble(t, func(t *testing.T) {
			down := errors.New("no route to host")
			var broken atomic.Bool
			w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
				c.Store = storetest.NewFaults(c.Store, func(at storetest.Point) storetest.Fault {
					if broken.Load() && at.Method == method {
						return storetest.Fault{Err: down}
					}
					return storetest.Fault{}
				})
			})
			b := w.create(request(1))
			id := b.ID
			if method == "Batches" {
				id = "" // the whole organisation's
			}
			var last error
			seen, cursor := 0, int64(0)
			for c, err := range w.engine.Watch(t.Context(), org, id, 0) {
				if last = err; err != nil {
					continue
				}
				seen, cursor = seen+1, max(cursor, c.Cursor)
				if seen == 2 {
					broken.Store(true)
					_, err = w.engine.Pause(t.Context(), org, b.ID)
					require.NoError(t, err)
				}
			}
			require.ErrorIs(t, last, down, method)
			broken.Store(false)
			require.Len(t, w.watch(id, cursor, unlimited).cursors, 1, "the batch, paused by now")
		})
	}
}

// Who serves many watchers from one reads pages, and loses and repeats nothing either.
func TestNextGivesPageAfterPage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.dir.limit(org, 1000)
		w.script(0, 1200, fake.Behaviour{Talk: time.Second})
		b := w.create(request(1200))
		var cursors []int64
		after := int64(0)
		for len(cursors) < 1201 {
			page, err := w.engine.Next(t.Context(), org, b.ID, after)
			require.NoError(t, err)
			require.NotEmpty(t, page)
			for _, c := range page {
				cursors = append(cursors, c.Cursor)
			}
			after = cursors[len(cursors)-1]
		}
		requireAscending(t, 0, cursors)
		require.Equal(t, w.batch(b.ID).Rev, after)

		begin := time.Now()
		paused := make(chan error, 1)
		go func() {
			pass(time.Minute)
			_, err := w.engine.Pause(context.WithoutCancel(t.Context()), org, b.ID)
			paused <- err
		}()
		page, err := w.engine.Next(t.Context(), org, b.ID, after)
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(begin), "it waits for news, and no longer")
		require.NoError(t, <-paused)
		require.Len(t, page, 1)
		require.NotNil(t, page[0].Batch)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = w.engine.Next(ctx, org, b.ID, page[0].Cursor)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = w.engine.Next(t.Context(), "globex", b.ID, 0)
		require.ErrorIs(t, err, batch.ErrNotFound)
	})
}
