package sqlite_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

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
	return f.open(t, sqlite.EmptyFile(t))
}

func (f *files) reopen(t *testing.T, s store.Store) store.Store {
	t.Helper()
	require.NoError(t, s.(*sqlite.Store).Close())
	f.mu.Lock()
	path := f.paths[s]
	f.mu.Unlock()
	return f.open(t, path)
}

// later has all leases run out earlier, by the clock of the file and of the store.
func (f *files) later(t *testing.T, s store.Store, by time.Duration) {
	t.Helper()
	f.mu.Lock()
	path := f.paths[s]
	f.mu.Unlock()
	run(t, path, fmt.Sprintf("PRAGMA busy_timeout = 5000; UPDATE nodes SET expires_at = expires_at - %d", by.Microseconds()))
}

func TestConformance(t *testing.T) {
	t.Parallel()
	f := &files{paths: map[store.Store]string{}}
	storetest.Harness{Open: f.fresh, OneNode: true, Reopen: f.reopen, Later: f.later}.Test(t)
}
