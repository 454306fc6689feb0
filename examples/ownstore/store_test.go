package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Harness{
		Open: func(t *testing.T) store.Store {
			return open(t, filepath.Join(t.TempDir(), "journal.jsonl"))
		},
		Reopen: func(t *testing.T, s store.Store) store.Store {
			old := s.(*Store)
			require.NoError(t, old.Close())
			return open(t, old.journal.Name())
		},
	}.Test(t)
}

func TestNobodyIsCalledTwice(t *testing.T) { require.NoError(t, run(t.Context())) }

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	s := open(t, path)
	_, err := Open(t.Context(), path)
	require.ErrorIs(t, err, store.ErrOwned)
	require.NoError(t, s.Close())
	open(t, path)
}

func TestTornLastLineGoes(t *testing.T) {
	path := journalWithABatch(t)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, cut := range []int{1, 2, len(whole) / 4} {
		require.NoError(t, os.WriteFile(path, append(whole, whole[:cut]...), 0o600))
		s := open(t, path)
		found, err := s.Batches(t.Context(), store.BatchQuery{Org: org})
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.NoError(t, s.Close())
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, whole, left)
	}
}

func TestDamagedJournalIsRefused(t *testing.T) {
	path := journalWithABatch(t)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, line := range []string{"{\n", "{}\n", "\n", `{"later": 1}` + "\n", `{"adopt": {"node": "n", "calls": [{}]}}` + "\n"} {
		require.NoError(t, os.WriteFile(path, append(whole, line...), 0o600))
		_, err = Open(t.Context(), path)
		require.ErrorContains(t, err, "line 2")
	}
}

func TestNothingIsReadOrWrittenAfterTheDiskFailed(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "journal.jsonl"))
	require.NoError(t, s.journal.Close())
	_, err := s.CreateBatch(t.Context(), store.Batch{Org: org, ID: "acb_1"}, nil)
	require.ErrorContains(t, err, "the journal cannot be written")
	_, err = s.Batch(t.Context(), org, "acb_1")
	require.ErrorContains(t, err, "the journal cannot be written")
}

func journalWithABatch(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	s := open(t, path)
	_, err := s.CreateBatch(t.Context(), store.Batch{Org: org, ID: "acb_1"}, []store.NewRecipient{{To: "+442079460000"}})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return path
}

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}
