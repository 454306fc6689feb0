package sqlite_test

import (
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
)

func openFile(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func openNew(t *testing.T) *sqlite.Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "calls.db"))
}

func TestKilledDiallerFreesTheFileAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.db")
	c := startChild(t, path, "child")
	c.ready()
	s := openFile(t, path)
	err := s.Heartbeat(t.Context(), store.Node{ID: node}, time.Hour)
	require.ErrorIs(t, err, store.ErrOwned)
	require.ErrorContains(t, err, path+"-owner")
	nodes, err := s.Nodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, "child", nodes[0].ID, "another process sees who dials")

	c.kill()
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: node}, time.Hour))
	nodes, err = s.Nodes(t.Context())
	require.NoError(t, err)
	nodes = slices.DeleteFunc(nodes, func(n store.Node) bool { return n.Lapsed }) // it may have left a call behind
	require.Len(t, nodes, 1, "the lease of the killed node has ended with its lock")
	require.Equal(t, node, nodes[0].ID)
}

// A process without a dialler creates, and cancels while the other one dials at full speed.
func TestAnotherProcessChangesWhileOneDials(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.db")
	c := startChild(t, path, "child")
	c.ready()
	done := make(chan struct{})
	go func() { // else the child would wait for somebody to read
		defer close(done)
		_, _ = io.Copy(io.Discard, c.out)
	}()
	s, src := openFile(t, path), newSource()
	for range 10 {
		b, err := s.CreateBatch(t.Context(), src.batch("org_0"), people(100, false))
		require.NoError(t, err)
		b, err = s.Change(t.Context(), "org_0", b.ID, store.Change{Action: store.ActionCancel, At: src.now})
		require.NoError(t, err)
		require.Equal(t, fsm.Counts{Cancelled: 100}, b.Counts)
	}
	require.NoError(t, c.cmd.Process.Kill())
	<-done
	_ = c.cmd.Wait() // says that it was killed
}
