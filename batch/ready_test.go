package batch_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store/storetest"
)

// ready is what a probe would be told.
func (w *world) ready() string {
	if err := w.engine.Ready(w.t.Context()); err != nil {
		return err.Error()
	}
	return ""
}

func TestReadySaysWhyNot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		away := errors.New("no route to host")
		var broken atomic.Value
		broken.Store("")
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
			c.Store = storetest.NewFaults(c.Store, func(at storetest.Point) storetest.Fault {
				if at.Method == broken.Load() {
					return storetest.Fault{Err: away}
				}
				return storetest.Fault{}
			})
		})
		require.Contains(t, w.ready(), "does not run")
		w.script(0, 20, fake.Behaviour{Talk: time.Hour})
		w.run()
		w.create(request(20))
		pass(time.Second)
		require.Empty(t, w.ready())
		for method, want := range map[string]string{
			"Nodes": "the store does not answer", "Heartbeat": "could not be renewed", "Advance": "refuses what happened",
		} {
			broken.Store(method)
			w.create(request(1))
			pass(time.Minute)
			require.Contains(t, w.ready(), want)
			broken.Store("")
			pass(time.Minute)
			require.Empty(t, w.ready(), method)
		}
	})
}

func TestADrainingEngineIsNotReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 5, fake.Behaviour{Talk: 10 * time.Second})
		e := w.newEngine()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		_, err := e.Create(t.Context(), org, request(5))
		require.NoError(t, err)
		pass(time.Second)
		require.NoError(t, e.Ready(t.Context()))
		stop()
		pass(time.Second)
		require.ErrorContains(t, e.Ready(t.Context()), "stopping")
		require.NoError(t, <-done)
		require.ErrorContains(t, e.Ready(t.Context()), "does not run")
	})
}
