package sqlite_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
)

func run(t *testing.T, path string, texts ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	for _, text := range texts {
		_, err = db.ExecContext(t.Context(), text)
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())
}

func TestNewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.db")
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	run(t, path, "PRAGMA user_version = 99")
	_, err = sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.ErrorIs(t, err, store.ErrNewerSchema)
	require.ErrorContains(t, err, "schema 99, this version knows up to 7")
	require.ErrorContains(t, err, path)
}

func TestForeignFilesAreRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text, table, marked := filepath.Join(dir, "text"), filepath.Join(dir, "table"), filepath.Join(dir, "marked")
	require.NoError(t, os.WriteFile(text, bytes.Repeat([]byte("no database "), 1000), 0o600))
	run(t, table, "CREATE TABLE contacts (name TEXT)")
	run(t, marked, "PRAGMA application_id = 7")
	for path, want := range map[string]string{
		text: "is no SQLite database", table: "another program", marked: "another program",
	} {
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = sqlite.Open(t.Context(), sqlite.Config{Path: path})
		require.ErrorContains(t, err, want)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(before, after), "%s was changed", path)
	}
}

func TestPathsThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"": "no path", "a\x00b": "NUL", filepath.Join(t.TempDir(), "none", "calls.db"): "unable to open",
	} {
		_, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
		require.ErrorContains(t, err, want)
	}
}

func TestOddPathsAreFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"a b.db", "what?.db", "50%.db", "%41.db", "#1.db", "a&_pragma=synchronous(OFF).db", "+x=y;z.db",
		"café ☎.db", ":memory:", "file:x.db", `back\slash.db`, "'quoted\".db",
	} {
		path := filepath.Join(t.TempDir(), name)
		s := openFile(t, path)
		require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: node}, 1<<40))
		for _, file := range []string{path, path + "-wal", path + "-owner"} {
			require.FileExists(t, file)
		}
	}
}

// Everybody who opens a new file at once gets it, with its schema, once.
func TestNewFileIsOpenedByManyAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.db")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			_, err = s.CreateBatch(t.Context(), store.Batch{Org: "org_1", ID: fmt.Sprint(i)}, people(3, true))
			if err != nil {
				t.Errorf("create: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	all.Wait()
	got, err := openFile(t, path).Batches(t.Context(), store.BatchQuery{Org: "org_1"})
	require.NoError(t, err)
	require.Len(t, got, 8)
	checkIntegrity(t, path)
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
}

func TestTextsKeepEveryByte(t *testing.T) {
	t.Parallel()
	s, src := openNew(t), newSource()
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: node, Regions: []string{"\xff\x00"}}, 1<<40))
	for _, odd := range []string{"\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "\xf4\x90\x80\x80", "ok"} {
		in := src.batch("org\xff\x00" + odd)
		in.Name, in.AgentID, in.NumberID, in.Region, in.Key, in.Fingerprint = odd, odd, odd, odd, odd, odd
		b, err := s.CreateBatch(t.Context(), in, people(1, false))
		require.NoError(t, err)
		got, err := s.Batch(t.Context(), in.Org, in.ID)
		require.NoError(t, err)
		require.Equal(t, b, got)
		again := src.batch(in.Org)
		again.Key = odd
		same, err := s.CreateBatch(t.Context(), again, people(1, false))
		require.NoError(t, err)
		require.Equal(t, b.ID, same.ID)

		claim := src.claim(b, 1)
		claim.Carrier = odd
		out, err := s.Advance(t.Context(), store.Step{
			Org: in.Org, Owner: node, Now: src.now, Limit: 9, Claims: []store.Claim{claim},
		})
		require.NoError(t, err)
		e := ended(out.Claimed, src.now)
		e[0].Ref, e[0].Error, e[0].Details = odd, odd, map[string]string{odd: odd, "": odd}
		_, err = s.Advance(t.Context(), store.Step{Org: in.Org, Owner: node, Now: src.now, Limit: 9, Events: e})
		require.NoError(t, err)
		call, err := s.Call(t.Context(), in.Org, claim.CallIDs[0])
		require.NoError(t, err)
		require.Equal(t, []string{odd, odd, odd}, []string{call.Ref, call.Error, call.Carrier})
		require.Equal(t, e[0].Details, call.Details)
	}
}
