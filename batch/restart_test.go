package batch_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

// Calls that are taken over hold as many channels as they did before.
func TestTakenOverCallsHoldTheirChannels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{Channels: 4}, func(c *batch.Config) { c.DrainTimeout = batch.NoDrain })
		w.dir.set(func(d *directory) { d.number.Channels = 2 })
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer()}
		w.engine = w.newEngine()
		w.script(0, 10, fake.Behaviour{Talk: time.Hour})
		w.run()
		w.create(request(10))
		pass(5 * time.Second)
		require.Equal(t, 4, w.engine.Carriers()[0].InUse)
		require.NoError(t, w.stop())
		w.restart()
		pass(10 * time.Minute)
		require.Equal(t, 2, w.judge().MostAtOnce(fake.Scope{}))
		require.Equal(t, 4, w.engine.Carriers()[0].InUse)
		pass(2 * time.Hour)
		require.LessOrEqual(t, w.judge().MostAtOnce(fake.Scope{}), 2)
	})
}

// reads counts the batches that are read, and fails when it is told to.
type reads struct {
	store.Store

	mu    sync.Mutex
	n     int
	most  int // of one query
	fails bool
}

func (r *reads) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	r.mu.Lock()
	fails := r.fails && q.Org != ""
	r.mu.Unlock()
	if fails {
		return nil, errors.New("too much to read")
	}
	got, err := r.Store.Batches(ctx, q)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n += len(got)
	r.most = max(r.most, len(got))
	return got, err
}

func (r *reads) failing(fails bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails, r.n = fails, 0
}

// A process that starts reads what is open, and not all that was ever over since the oldest of it.
func TestAStartDoesNotReadWhatIsOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var counted *reads
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
			counted = &reads{Store: c.Store}
			c.Store = counted
		})
		w.run()
		paused := request(1)
		paused.Paused = true
		w.create(paused)
		for range 700 {
			w.awaitOver(w.create(request(1)).ID, time.Minute)
		}
		require.NoError(t, w.stop())
		counted.failing(false)
		w.restart()
		pass(time.Minute)
		counted.mu.Lock()
		require.LessOrEqual(t, counted.n, 2, "one is open")
		counted.mu.Unlock()

		others, err := batch.New(w.cfg)
		require.NoError(t, err)
		for range 600 { // it reads them in pieces, and misses none
			_, err := others.Create(t.Context(), org, request(1))
			require.NoError(t, err)
		}
		pass(10 * time.Minute)
		bs, err := w.engine.Batches(t.Context(), store.BatchQuery{Org: org, Open: true})
		require.NoError(t, err)
		require.Len(t, bs, 1)
	})
}

// What became of calls is written even while nothing can be read.
func TestEndsAreWrittenWhileNothingCanBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var counted *reads
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
			counted = &reads{Store: c.Store}
			c.Store = counted
		})
		w.script(0, 5, fake.Behaviour{Talk: 20 * time.Second})
		w.run()
		b := w.create(request(20))
		pass(5 * time.Second)
		other, err := batch.New(w.cfg)
		require.NoError(t, err)
		_, err = other.Create(t.Context(), "acme", request(1)) // something to read
		require.NoError(t, err)
		counted.failing(true)
		pass(40 * time.Second)
		calls := w.calls(b.ID)
		require.Len(t, calls, 5, "no call begins")
		for _, c := range calls {
			require.Equal(t, dialer.ClientHangup, c.EndReason)
		}
		counted.failing(false)
		require.Equal(t, 20, w.awaitOver(b.ID, 5*time.Minute).Counts.Completed)
		w.judge()
	})
}
