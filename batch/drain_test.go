package batch_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

// lateStore takes its time for every step.
type lateStore struct {
	store.Store

	step atomic.Int64 // ns
}

func (s *lateStore) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	pass(time.Duration(s.step.Load()))
	return s.Store.Advance(ctx, step)
}

// What was claimed by a step that was on its way when the engine was told to stop rings nowhere, and is queued again by
// the time that Run has returned.
func TestNoCallBeginsOnceTheEngineStops(t *testing.T) {
	for _, wait := range []time.Duration{batch.NoDrain, 2 * time.Second, time.Minute} {
		for _, resumes := range []bool{false, true} {
			t.Run(fmt.Sprint(wait, resumes), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					slow := &lateStore{}
					w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
						slow.Store = c.Store
						c.Store, c.DrainTimeout = slow, wait
					})
					if resumes {
						w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer()}
						w.engine = w.newEngine()
					}
					w.script(0, 10, fake.Behaviour{Ring: 5 * time.Second, Talk: time.Minute})
					w.run()
					pass(time.Minute)
					slow.step.Store(int64(5 * time.Second))
					b := w.create(request(10))
					pass(3 * time.Second)
					require.NoError(t, w.stop())
					require.Zero(t, w.judge().MostAtOnce(fake.Scope{}))
					require.Equal(t, 10, w.batch(b.ID).Counts.Queued)
					require.NotEmpty(t, w.calls(b.ID), "the step was written")
				})
			})
		}
	}
}

// So it is with an attempt that a carrier has refused and that is on its way to the next one.
func TestNoAttemptMovesOnOnceTheEngineStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		slow := &lateStore{Store: w.cfg.Store}
		w.cfg.Store, w.cfg.DirectoryTTL = slow, time.Minute
		w.engine = w.newEngine()
		first.refusing(errForeign)
		w.run()
		pass(time.Minute)
		slow.step.Store(int64(5 * time.Second))
		b := w.create(request(3))
		pass(8 * time.Second) // the step that claims is written, and the one that moves is on its way
		require.Len(t, first.calls(), 3)
		require.NoError(t, w.stop())
		require.Empty(t, second.calls())
		require.Equal(t, 3, w.batch(b.ID).Counts.Queued)
	})
}
