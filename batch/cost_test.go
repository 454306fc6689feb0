package batch_test

import (
	"context"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/sqlite"
)

// noop is the cheapest dialer there can be: a call is over when it begins, or lasts until
// it is let go.
type noop struct {
	hold  chan struct{} // nil: no call lasts
	calls atomic.Int64
}

func (n *noop) Dial(ctx context.Context, _ dialer.Call, _ func(dialer.Progress)) (dialer.Outcome, error) {
	n.calls.Add(1)
	if n.hold != nil {
		select {
		case <-n.hold:
		case <-ctx.Done():
		}
	}
	return dialer.Outcome{Reason: dialer.ClientHangup, ConnectedAt: time.Now()}, nil
}

// rig is an engine over real time, for what is counted in bytes and nanoseconds.
type rig struct {
	tb     testing.TB
	engine *batch.Engine
	dialer *noop
	dir    *directory
	stop   func() error
}

func newRig(tb testing.TB, s store.Store, limit int, d *noop) *rig {
	tb.Helper()
	dir := &directory{
		orgs:   map[string]batch.Organisation{org: {ConcurrencyLimit: limit}},
		number: batch.Number{E164: "+442079460000", Carriers: []string{"noop"}},
	}
	e, err := batch.New(batch.Config{Store: s, Directory: dir, Dialers: map[string]dialer.Dialer{"noop": d}})
	require.NoError(tb, err)
	return &rig{tb: tb, engine: e, dialer: d, dir: dir}
}

func (r *rig) run() {
	r.stop = runEngine(r.engine)
	r.tb.Cleanup(func() { require.NoError(r.tb, r.stop()) })
}

// queue creates batches until n recipients are queued, each with the whole limit as its target.
func (r *rig) queue(n, target int) []store.Batch {
	r.tb.Helper()
	var batches []store.Batch
	for n > 0 {
		req := request(min(n, store.MaxRecipients))
		req.Target = target
		b, err := r.engine.Create(r.tb.Context(), org, req)
		require.NoError(r.tb, err)
		batches = append(batches, b)
		n -= len(req.Recipients)
	}
	return batches
}

func (r *rig) await(b store.Batch, cond func(fsm.Counts) bool) {
	r.tb.Helper()
	ctx, cancel := context.WithTimeout(r.tb.Context(), 5*time.Minute)
	defer cancel()
	for c, err := range r.engine.Watch(ctx, org, b.ID, b.Rev) {
		require.NoError(r.tb, err)
		if c.Batch != nil && cond(c.Batch.Counts) {
			return
		}
	}
	require.NoError(r.tb, ctx.Err(), "the batch is not as expected")
}

func openSQLite(tb testing.TB) store.Store {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), sqlite.Config{Path: filepath.Join(tb.TempDir(), "outdial.db")})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

// inUse is what the process holds, after everything that can be freed has been.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// Promise 7: a queued recipient is a row, and nothing in the engine.
func TestAQueuedRecipientCostsNoMemory(t *testing.T) {
	r := newRig(t, openSQLite(t), 1, &noop{hold: make(chan struct{})})
	r.run()
	r.await(r.queue(10, 1)[0], func(c fsm.Counts) bool { return c.InFlight() == 1 })
	before := inUse()
	const recipients, batches = 50_000, 10
	r.queue(recipients, 1)
	perRecipient := float64(inUse()-before) / recipients
	t.Logf("%d recipients more in %d batches: %.2f bytes each", recipients, batches, perRecipient)
	require.Less(t, perRecipient, 8.0, "the batches themselves take a little")
	close(r.dialer.hold)
	require.NoError(t, r.stop())
}

func TestACallInFlightCostsLittleMemory(t *testing.T) {
	const calls = 2000
	r := newRig(t, openSQLite(t), calls, &noop{hold: make(chan struct{})})
	r.run()
	b := r.queue(calls+1, calls)[0]
	r.await(b, func(c fsm.Counts) bool { return c.InFlight() == calls })
	require.Eventually(t, func() bool { return r.dialer.calls.Load() == calls }, time.Minute, time.Millisecond)
	with := inUse()
	close(r.dialer.hold)
	r.await(b, fsm.Counts.Over)
	perCall := float64(with-inUse()) / calls
	t.Logf("%.0f bytes for each of %d calls in flight", perCall, calls)
	if !raceDetector { // which doubles what a goroutine takes
		require.Less(t, perCall, 6*1024.0)
	}
	require.Greater(t, perCall, 100.0, "or nothing was measured")
}

// The cost of a recipient does not grow with how many are queued: the metric is the same
// at every depth. There are a hundred batches each time, all of them being dialled, so that
// the number of batches which a step touches is the same, too.
func BenchmarkDepth(b *testing.B) {
	stores := []struct {
		name string
		open func(testing.TB) store.Store
	}{
		{"memory", func(testing.TB) store.Store { return memory.New() }},
		{"sqlite", openSQLite},
	}
	for _, s := range stores {
		for _, depth := range []int{500, 5_000, 50_000, 500_000} {
			b.Run(s.name+"/"+strconv.Itoa(depth), func(b *testing.B) {
				for b.Loop() {
					benchDepth(b, s.open(b), depth)
				}
			})
		}
	}
}

// benchDepth dials from a queue of that depth and measures calls in the midst of it.
func benchDepth(b *testing.B, s store.Store, depth int) {
	b.Helper()
	b.StopTimer()
	const batches = 100
	r := newRig(b, s, 100, &noop{})
	for range batches {
		r.queue(depth/batches, 100)
	}
	warm, measured := int64(depth/5), int64(min(depth*4/5, 10_000))
	warm = min(warm, 1_000)
	r.stop = runEngine(r.engine)
	r.dialer.await(warm)
	b.StartTimer()
	begin := time.Now()
	r.dialer.await(warm + measured)
	b.ReportMetric(float64(time.Since(begin).Nanoseconds())/float64(measured), "ns/recipient")
	b.StopTimer()
	require.NoError(b, r.stop())
	b.StartTimer()
}

// What a call costs that has its organisation to itself, or nearly: a step, and a turn of the loop, for one or two of them.
func BenchmarkOrganisations(b *testing.B) {
	const calls = 20_000
	for _, orgs := range []int{1, 100, 2_000} {
		b.Run(strconv.Itoa(orgs), func(b *testing.B) {
			for b.Loop() {
				benchOrganisations(b, orgs, calls/orgs)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/calls, "ns/recipient")
		})
	}
}

// benchOrganisations has organisations call each recipients of theirs, one at a time if there are many of them.
func benchOrganisations(b *testing.B, orgs, each int) {
	b.Helper()
	b.StopTimer()
	const slots = 2_000
	r := newRig(b, memory.New(), slots, &noop{})
	for i := range orgs {
		id := "org" + strconv.Itoa(i)
		r.dir.limit(id, slots/orgs)
		for left := each; left > 0; left -= store.MaxRecipients {
			req := request(min(left, store.MaxRecipients))
			req.Target = slots / orgs
			_, err := r.engine.Create(b.Context(), id, req)
			require.NoError(b, err)
		}
	}
	b.StartTimer()
	r.stop = runEngine(r.engine)
	r.dialer.await(int64(orgs * each))
	b.StopTimer()
	require.NoError(b, r.stop())
	b.StartTimer()
}

// await waits until there were that many calls.
func (n *noop) await(calls int64) {
	for n.calls.Load() < calls {
		time.Sleep(50 * time.Microsecond) //nolint:forbidigo // a benchmark's clock is the machine's
	}
}

// A whole batch of 5,000, from its request to the last outcome.
func BenchmarkCall(b *testing.B) {
	r := newRig(b, memory.New(), 100, &noop{})
	var once sync.Once
	for b.Loop() {
		once.Do(r.run)
		for _, x := range r.queue(5_000, 100) {
			r.await(x, fsm.Counts.Over)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/5_000, "ns/recipient")
}
