package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// EmptyFile is the path of a file of the test's own that has the schema and nothing else. It is a copy of one that was
// made for all, since the migrations take longer than most tests do.
func EmptyFile(tb testing.TB) string {
	tb.Helper()
	made, err := emptyFile()
	require.NoError(tb, err)
	path := filepath.Join(tb.TempDir(), "calls.db")
	require.NoError(tb, os.WriteFile(path, made, 0o600))
	return path
}

// emptyFile is what such a file has in it, its log included, which is copied into it when it is closed.
var emptyFile = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "outdial")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "calls.db")
	s, err := Open(context.Background(), Config{Path: path})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})
