package batch_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

func TestNewNamesEveryBadField(t *testing.T) {
	_, err := batch.New(batch.Config{
		Dialers: map[string]dialer.Dialer{"none": nil}, Regions: []string{"US", "MARS"},
		PollInterval: -1, Lease: -1, Grace: -1, StoreTimeout: -1, DirectoryTTL: -1, DrainTimeout: -2,
		MaxMetadata: store.MaxMetadata + 1, MaxStep: -1,
	})
	for _, field := range []string{
		"Store: required", "Directory: required", `Dialers: carrier "none"`, `Regions: "MARS"`, "PollInterval", "Lease",
		"Grace", "StoreTimeout", "DirectoryTTL", "DrainTimeout", "MaxMetadata", "MaxStep",
	} {
		require.ErrorContains(t, err, "batch: Config."+field)
	}
	require.NotContains(t, err.Error(), `"US":`)
}

func TestAnEngineWithoutDialersDoesEverythingButRun(t *testing.T) {
	w := newWorld(t, dialer.Limits{}, func(c *batch.Config) { c.Dialers = nil })
	require.ErrorContains(t, w.engine.Run(t.Context()), "Config.Dialers")
	b := w.create(request(2))
	got, err := w.engine.Cancel(t.Context(), org, b.ID)
	require.NoError(t, err)
	require.Equal(t, 2, got.Counts.Cancelled)
}

func TestAnEngineRunsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.run()
		pass(time.Second)
		require.ErrorIs(t, w.engine.Run(t.Context()), batch.ErrRunning)
		require.NoError(t, w.stop())
		require.ErrorIs(t, w.engine.Run(t.Context()), batch.ErrRunning)
	})
}

func TestRunLeavesNoNodeBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, w.engine.Run(ctx))
		nodes, err := w.cfg.Store.Nodes(t.Context())
		require.NoError(t, err)
		require.Empty(t, nodes, "it was over before it began")

		w.restart()
		pass(time.Second)
		nodes, err = w.cfg.Store.Nodes(t.Context())
		require.NoError(t, err)
		require.Len(t, nodes, 1)
		require.NoError(t, w.stop())
		nodes, err = w.cfg.Store.Nodes(t.Context())
		require.NoError(t, err)
		require.Empty(t, nodes)
	})
}
