package batch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

// slowToTell is a store that takes its time to tell what calls somebody has, and says what was true when it was asked.
// It fails once to write.
type slowToTell struct {
	store.Store

	told   atomic.Int64
	failed atomic.Bool
}

func (s *slowToTell) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	calls, err := s.Store.Calls(ctx, q)
	if q.Owner != "" && !q.HangUp && s.failed.Load() {
		s.told.Add(int64(len(calls)))
		pass(3 * time.Second)
	}
	return calls, err
}

func (s *slowToTell) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	if len(step.Events) > 0 && !s.failed.Swap(true) {
		return store.Advanced{}, errInjected
	}
	return s.Store.Advance(ctx, step)
}

// resumptions counts how often somebody asks what became of a call.
type resumptions struct {
	dialer.Resumer

	n atomic.Int64
}

func (r *resumptions) Resume(ctx context.Context, c dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	r.n.Add(1)
	return r.Resumer.Resume(ctx, c, report)
}

// A node that looks for calls which it does not know it has finds no other ones: neither those that it knows, nor
// those that end meanwhile.
func TestCallsThatEndMeanwhileAreNotTakenOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		resumer, ok := w.carrier.Dialer().(dialer.Resumer)
		require.True(t, ok)
		r := &resumptions{Resumer: resumer}
		s := &slowToTell{Store: w.cfg.Store}
		w.cfg.Dialers, w.cfg.Store = map[string]dialer.Dialer{"fake": r}, s
		w.engine = w.newEngine()
		w.script(0, 300, fake.Behaviour{Talk: 1300 * time.Millisecond})
		w.run()
		b := w.create(request(300))
		require.Equal(t, 300, w.awaitOver(b.ID, time.Hour).Counts.Completed)
		require.Greater(t, s.told.Load(), int64(5), "calls were under way when it looked")
		require.Zero(t, r.n.Load())
		w.judge()
	})
}
