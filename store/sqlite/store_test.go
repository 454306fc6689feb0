package sqlite_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
	"github.com/outdial/outdial/store/storetest"
)

// files remembers which file a store has open.
type files struct {
	mu    sync.Mutex
	paths map[store.Store]string
}

func (f *files) open(t *testing.T, path string) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paths[s] = path
	return s
}

func (f *files) fresh(t *testing.T) store.Store {
	t.Helper()
	return f.open(t, filepath.Join(t.TempDir(), "calls.db"))
}

func (f *files) reopen(t *testing.T, s store.Store) store.Store {
	t.Helper()
	require.NoError(t, s.(*sqlite.Store).Close())
	f.mu.Lock()
	path := f.paths[s]
	f.mu.Unlock()
	return f.open(t, path)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	f := &files{paths: map[store.Store]string{}}
	storetest.Harness{Open: f.fresh, OneNode: true, Reopen: f.reopen}.Test(t)
}
