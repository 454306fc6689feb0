package batch_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

// resumed is a carrier that keeps what it is told of the calls that it resumes.
type resumed struct {
	dialer.Resumer

	mu    sync.Mutex
	calls []dialer.Call
}

func (r *resumed) Resume(
	ctx context.Context, c dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	r.mu.Lock()
	r.calls = append(r.calls, c)
	r.mu.Unlock()
	return r.Resumer.Resume(ctx, c, report)
}

// all returns the calls that were resumed.
func (r *resumed) all() []dialer.Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// only returns the one call that was resumed.
func (r *resumed) only(t *testing.T) dialer.Call {
	t.Helper()
	all := r.all()
	require.Len(t, all, 1)
	return all[0]
}

// A call that is taken over has its agent and its limits, as it had when it was placed.
func TestATakenOverCallIsWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &resumed{}
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) { c.DrainTimeout = batch.NoDrain })
		r.Resumer = w.carrier.Dialer().(dialer.Resumer)
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": r}
		w.engine = w.newEngine()
		w.script(0, 1, fake.Behaviour{Talk: time.Hour})
		w.run()
		req := request(1)
		req.RingTimeout, req.MaxDuration = 17*time.Second, 3*time.Minute
		b := w.create(req)
		pass(5 * time.Second)
		require.NoError(t, w.stop())
		w.restart()
		pass(time.Second)
		got := r.only(t)
		require.Equal(t, "agent", got.Agent.ID)
		require.Equal(t, "wss://agents.example/agent", got.Agent.URL)
		require.Equal(t, 17*time.Second, got.RingTimeout)
		require.Equal(t, 3*time.Minute, got.MaxDuration)
		w.awaitOver(b.ID, 10*time.Minute)
		require.Equal(t, dialer.MaxDuration, w.recipients(b.ID)[0].EndReason)
		w.judge()
	})
}

// hungAgents is a directory that does not return from questions about agents, whatever becomes of their context.
type hungAgents struct {
	batch.Directory

	until chan struct{}

	mu        sync.Mutex
	now, most int // questions under way
}

func (d *hungAgents) Agent(ctx context.Context, org, id string) (dialer.Agent, error) {
	d.mu.Lock()
	d.now++
	d.most = max(d.most, d.now)
	d.mu.Unlock()
	<-d.until
	d.mu.Lock()
	d.now--
	d.mu.Unlock()
	return d.Directory.Agent(ctx, org, id)
}

// asked is how many questions were under way together.
func (d *hungAgents) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.most
}

// takenOver has so many calls of a batch lose their node, beside one whose directory has no answers about agents.
func takenOver(t *testing.T, calls int) (w *world, d *hungAgents, batchID string) {
	t.Helper()
	w = fleet(t, dialer.Limits{})
	w.script(0, calls, fake.Behaviour{Talk: 40 * time.Second})
	w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer()} // which can resume calls
	whole := w.cfg.Store
	cut := &partition{Store: whole}
	w.cfg.Store = cut
	_, stopFirst := w.join()
	r := request(calls)
	r.Target = calls
	b := w.createFor("a", r)
	pass(2 * time.Second)
	require.Equal(t, calls, w.batchOf("a", b.ID).Counts.InFlight())
	d = &hungAgents{Directory: w.dir, until: make(chan struct{})}
	w.cfg.Store, w.cfg.Directory = whole, d
	stopSecond := runEngine(w.newEngine())
	cut.cut()
	t.Cleanup(func() {
		close(d.until)
		cut.heal()
		pass(time.Minute)
		require.NoError(t, stopFirst())
		require.NoError(t, stopSecond())
	})
	return w, d, b.ID
}

// Who talks in a call that is taken over is not waited for: what became of it is known all the same.
func TestADirectoryThatHangsCostsNoCallThatIsTakenOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const calls = 3
		w, _, id := takenOver(t, calls)
		pass(10 * time.Minute)
		require.Equal(t, calls, w.batchOf("a", id).Counts.Completed)
	})
}

// Calls that are taken over ask for their agent no more than all others do.
func TestATakeoverAsksTheDirectoryOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, d, _ := takenOver(t, 30)
		pass(20 * time.Second)
		require.Equal(t, 1, d.asked())
	})
}

// hungAdoption is a store in which calls cannot be taken over from some moment on, while all else works.
type hungAdoption struct {
	store.Store

	hangs *atomic.Bool
}

func (s hungAdoption) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	if s.hangs.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Store.Adopt(ctx, node, limit)
}

// Nobody has died, and who looks whether somebody has gets no answer. Nodes pass a carrier on to each other all the same.
func TestSharesChangeWhileAdoptionsHang(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{Channels: 4})
		w.dir.set(func(d *directory) { d.number.AnyRegion = true })
		for i := range 400 {
			w.script(i, 1, fake.Behaviour{Talk: 10 * time.Second})
		}
		hangs := &atomic.Bool{}
		w.cfg.Store = hungAdoption{w.cfg.Store, hangs}
		w.joinFor(w.dir, "US")
		w.joinFor(w.dir, "EU")
		pass(20 * time.Second)
		r := request(100)
		r.Target = 10
		b := w.createIn("US", r)
		pass(10 * time.Minute)
		require.True(t, w.batchOf("a", b.ID).Counts.Over(), "the other node has nothing of the carrier")
		hangs.Store(true)
		pass(10 * time.Minute)
		r = request(300)
		r.Recipients, r.Target = numbers(100, 300), 4
		w.createIn("US", r)
		pass(time.Minute)
		r = request(20)
		r.Target = 4
		b = w.createIn("EU", r)
		pass(15 * time.Minute)
		require.True(t, w.batchOf("a", b.ID).Counts.Over())
	})
}
