package sqlite_test

import (
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/sqlite"
)

// go test ./store/sqlite -run Killed -kills 1000 -timeout 30m.
var kills = flag.Int("kills", 30, "how often the crash test kills a dialling process")

// Nothing that was acknowledged is lost when the process is killed, wherever it was; what
// was not acknowledged is whole or not there.
func TestNothingAcknowledgedIsLostWhenKilled(t *testing.T) {
	t.Parallel()
	const generations = 5 // of processes on one file, of which each check reads all
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2)) // moments to kill at
	total := 0
	for i := range *kills {
		path := filepath.Join(dir, fmt.Sprintf("calls_%d.db", i/generations))
		c := startChild(t, path, fmt.Sprintf("child_%d", i))
		c.ready() // it got the lock that its killed predecessor held
		var said []string
		for range random.IntN(200) {
			line, err := c.line()
			require.NoError(t, err)
			said = append(said, line)
		}
		said = append(said, c.kill()...)
		total += len(said)
		checkAcknowledged(t, path, said)
	}
	require.Positive(t, total)
	t.Logf("%d kills, %d acknowledgements, none lost", *kills, total)
}

func checkAcknowledged(t *testing.T, path string, said []string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	require.NoError(t, err)
	got := written(t, s)
	for _, line := range said {
		what, id, _ := strings.Cut(line, " ")
		switch what {
		case "B":
			require.Contains(t, got.batches, id)
			require.Equal(t, childBatch, got.batches[id].Counts.Scheduled())
		case "C":
			require.Contains(t, got.calls, id)
		case "E":
			require.Equal(t, fsm.Completed, got.calls[id].Status)
		default:
			require.Fail(t, line)
		}
	}
	got.consistent(t)
	require.NoError(t, s.Close())
	checkIntegrity(t, path)
}

func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	var verdict string
	require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
	require.Equal(t, "ok", verdict)
	require.NoError(t, db.Close())
}

// content is all that the organisations of the children have.
type content struct {
	batches map[string]store.Batch
	calls   map[string]store.Call
}

func written(t *testing.T, s *sqlite.Store) content {
	t.Helper()
	c := content{batches: map[string]store.Batch{}, calls: map[string]store.Call{}}
	for org := range childOrgs {
		name := fmt.Sprintf("org_%d", org)
		batches, err := s.Batches(t.Context(), store.BatchQuery{Org: name})
		require.NoError(t, err)
		for _, b := range batches {
			c.batches[b.ID] = b
		}
		calls, err := s.Calls(t.Context(), store.CallQuery{Org: name})
		require.NoError(t, err)
		for _, call := range calls {
			c.calls[call.ID] = call
		}
	}
	return c
}

// consistent compares the counters of each batch with its calls, of which each recipient
// has at most one here.
func (c content) consistent(t *testing.T) {
	t.Helper()
	counts := map[string]fsm.Counts{}
	people := map[string]bool{}
	for _, call := range c.calls {
		n := counts[call.BatchID]
		n.Add(call.Status, 1)
		counts[call.BatchID] = n
		require.False(t, people[call.RecipientID()], "two calls of one recipient")
		people[call.RecipientID()] = true
	}
	for id, b := range c.batches {
		n := counts[id]
		n.Queued = childBatch - n.Scheduled()
		require.Equal(t, n, b.Counts)
	}
}

// The lock file is SQLite's and empty, so a crash leaves nothing in it to repair.
func TestKilledProcessLeavesAnAdoptableCall(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.db")
	c := startChild(t, path, "child")
	c.ready()
	claimed := ""
	for claimed == "" {
		line, err := c.line()
		require.NoError(t, err)
		claimed, _ = strings.CutPrefix(line, "C ")
		if claimed == line {
			claimed = ""
		}
	}
	c.kill()
	s := openFile(t, path)
	require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: node}, time.Hour))
	var adopted []store.Claimed
	for {
		some, err := s.Adopt(t.Context(), node, 5)
		require.NoError(t, err)
		if len(some) == 0 {
			break
		}
		adopted = append(adopted, some...)
	}
	inFlight := 0
	for _, call := range written(t, s).calls {
		if call.Status.InFlight() {
			inFlight++
			require.Equal(t, node, call.Owner)
		}
	}
	require.Len(t, adopted, inFlight)
	require.True(t, slices.IsSortedFunc(adopted, func(a, b store.Claimed) int {
		return a.Call.DispatchedAt.Compare(b.Call.DispatchedAt)
	}))
}
