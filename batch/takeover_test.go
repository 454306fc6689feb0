package batch_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
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
