package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
)

func TestOneStoreOfAProcessDials(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.db")
	link := filepath.Join(t.TempDir(), "link.db")
	first := openFile(t, path)
	require.NoError(t, os.Symlink(path, link))
	second := openFile(t, link) // the same file under another name
	require.NoError(t, first.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Hour))
	err := second.Heartbeat(t.Context(), store.Node{ID: "b"}, time.Hour)
	require.ErrorIs(t, err, store.ErrOwned)
	require.ErrorContains(t, err, path+"-owner")
	require.NoError(t, first.Heartbeat(t.Context(), store.Node{ID: "a"}, 0), "gives it up")
	require.NoError(t, second.Heartbeat(t.Context(), store.Node{ID: "b"}, time.Hour))
	require.ErrorIs(t, first.Heartbeat(t.Context(), store.Node{ID: "c"}, time.Hour), store.ErrOwned)
	require.NoError(t, second.Close())
	require.NoError(t, first.Heartbeat(t.Context(), store.Node{ID: "c"}, time.Hour), "closing frees it too")
	nodes, err := first.Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	require.Equal(t, "c", nodes[0].ID)
}

// A lease is in the file: it does not end when the store is closed.
func TestLeaseOutlivesTheStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.db")
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: node}, time.Hour))
	require.NoError(t, s.Close())

	s = openFile(t, path)
	src := newSource()
	b, err := s.CreateBatch(t.Context(), src.batch("org_1"), people(1, false))
	require.NoError(t, err)
	out, err := s.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: node, Now: src.now, Limit: 1, Claims: []store.Claim{src.claim(b, 1)},
	})
	require.NoError(t, err)
	require.Len(t, out.Claimed, 1)
	other := openFile(t, path)
	require.ErrorIs(t, other.Heartbeat(t.Context(), store.Node{ID: "b"}, time.Hour), store.ErrOwned)
	_, err = other.Advance(t.Context(), store.Step{Org: "org_1", Owner: "b", Now: src.now})
	require.ErrorIs(t, err, store.ErrNotOwner)
}
