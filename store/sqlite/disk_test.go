package sqlite_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
)

// In a mount namespace of its own:
//
//	go test -c -o /tmp/sqlite.test ./store/sqlite
//	unshare -m sh -c 'mount -t tmpfs -o size=4m none /mnt && /tmp/sqlite.test -test.run SmallDisk -small-disk /mnt'
var smallDisk = flag.String("small-disk", "", "a directory on an empty filesystem of 4 MB, for the test that fills it")

// A disk that is really full, in the write-ahead log and in the file.
func TestSmallDiskFillsUpAndIsUsedAgain(t *testing.T) {
	t.Parallel()
	if *smallDisk == "" {
		t.Skip("-small-disk DIR is missing: a folder on a file system of about 4 MB, such as a tmpfs")
	}
	ballast := filepath.Join(*smallDisk, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 2<<20), 0o600))
	path := filepath.Join(*smallDisk, "calls.db")
	s, src := openFile(t, path), newSource()
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: node}, time.Hour))

	var made []store.Batch
	var err error
	for err == nil {
		var b store.Batch
		if b, err = s.CreateBatch(t.Context(), src.batch("org_1"), people(200, true)); err == nil {
			made = append(made, b)
		}
	}
	require.Condition(t, func() bool {
		return strings.Contains(err.Error(), "full") || strings.Contains(err.Error(), "I/O")
	}, err.Error())
	t.Logf("after %d batches: %v", len(made), err)
	for range 5 { // it stays full, and every write says so
		_, err = s.CreateBatch(t.Context(), src.batch("org_1"), people(5000, true))
		require.Error(t, err)
	}
	require.ElementsMatch(t, made, batchesOf(t, s), "what was acknowledged is there, what failed is not")

	require.NoError(t, os.Remove(ballast))
	b, err := s.CreateBatch(t.Context(), src.batch("org_1"), people(200, true))
	require.NoError(t, err)
	out, err := s.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: node, Now: src.now, Limit: 100, Claims: []store.Claim{src.claim(b, 100)},
	})
	require.NoError(t, err, "the node kept its lease")
	require.Len(t, out.Claimed, 100)
	require.Len(t, batchesOf(t, s), len(made)+1)
	checkIntegrity(t, path)
}

func batchesOf(t *testing.T, s *sqlite.Store) []store.Batch {
	t.Helper()
	got, err := s.Batches(t.Context(), store.BatchQuery{Org: "org_1"})
	require.NoError(t, err, "reading needs no room")
	return got
}
