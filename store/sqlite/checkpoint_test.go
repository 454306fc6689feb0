package sqlite

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
)

const fewFrames = 40 // a log that is long for a test

// walState is how the log of the bench stands.
func (b *bench) walState() walState {
	b.t.Helper()
	c, err := connect(b.t.Context(), checkpointDSN(b.path))
	require.NoError(b.t, err)
	s, err := c.checkpoint(b.t.Context(), "NOOP")
	require.NoError(b.t, err)
	require.NoError(b.t, c.Close())
	return s
}

// grow commits until the log has that many pages that were not copied.
func (b *bench) grow(frames int) {
	b.t.Helper()
	for n := 0; b.walState().left() < frames; n++ {
		j := b.insert("org " + strconv.Itoa(b.walState().frames) + " " + strconv.Itoa(n))
		b.run()
		require.NoError(b.t, <-j.answer)
	}
}

// snapshot is a reader that stays, until leave.
func (b *bench) snapshot() (leave func()) {
	b.t.Helper()
	c, err := connect(b.t.Context(), readerDSN(b.path))
	require.NoError(b.t, err)
	require.NoError(b.t, c.script(b.t.Context(), "BEGIN"))
	_, err = c.find(b.t.Context(), "SELECT count(*) FROM organisations", nil, []any{new(int)})
	require.NoError(b.t, err)
	return func() { require.NoError(b.t, c.Close()) }
}

// newCopying has a checkpointer whose looks the test takes itself.
func newCopying(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.checkpoints.frames = fewFrames
	t.Cleanup(b.checkpoints.drop)
	_, err := b.conn.checkpoint(t.Context(), "TRUNCATE") // what the migrations wrote
	require.NoError(t, err)
	return b
}

func TestLogIsCopiedOnceItIsLong(t *testing.T) {
	t.Parallel()
	b := newCopying(t)
	b.grow(fewFrames / 2)
	require.NoError(t, b.checkpoints.look(t.Context()))
	require.Zero(t, b.walState().copied, "it is short")
	b.grow(fewFrames)
	require.NoError(t, b.checkpoints.look(t.Context()))
	long := b.walState()
	require.Zero(t, long.left())
	require.False(t, b.checkpoints.rest.Load(), "there is nothing left for the writer")
	b.grow(1)
	require.Less(t, b.walState().frames, long.frames, "the next write begins it anew")
}

func TestWriterCopiesTheLastOfTheLog(t *testing.T) {
	t.Parallel()
	b := newCopying(t)
	b.grow(fewFrames)
	leave := b.snapshot()
	b.grow(fewFrames + 5) // which the reader keeps from being copied
	require.NoError(t, b.checkpoints.look(t.Context()))
	require.Positive(t, b.walState().copied)
	require.Positive(t, b.walState().left())
	require.True(t, b.checkpoints.rest.Load())
	leave()
	j := b.insert("a")
	b.run()
	require.NoError(t, <-j.answer)
	require.Zero(t, b.walState().left())
	require.False(t, b.checkpoints.rest.Load(), "once")
}

func TestWriterDoesNotCopyMuch(t *testing.T) {
	t.Parallel()
	b := newCopying(t)
	leave := b.snapshot()
	defer leave()
	b.grow(restFrames + 1)
	require.NoError(t, b.checkpoints.look(t.Context()))
	require.False(t, b.checkpoints.rest.Load())
}

// Writes that come all the time neither make the log grow nor wait for its copies.
func TestLogIsBegunAnewWhileWritesGoOn(t *testing.T) {
	t.Parallel()
	const long = 400
	path := filepath.Join(t.TempDir(), "calls.db")
	s, err := Open(t.Context(), Config{Path: path, logFrames: long})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	c, err := connect(t.Context(), checkpointDSN(path))
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	writing, stop := context.WithTimeout(t.Context(), time.Minute)
	var writers sync.WaitGroup
	for i := range 4 { // so that there are commits beside each copy
		writers.Go(func() {
			people := make([]store.NewRecipient, 50)
			for n := range people {
				people[n] = store.NewRecipient{To: "+12025550100", Metadata: make([]byte, 500)}
			}
			for n := 0; writing.Err() == nil; n++ {
				_, _ = s.CreateBatch(writing, store.Batch{Org: "org_1", ID: fmt.Sprintf("acb_%d_%d", i, n)}, people)
			}
		})
	}
	defer writers.Wait()
	defer stop()
	last := walState{}
	for anew := 0; anew < 5; {
		state, err := c.checkpoint(writing, "NOOP")
		require.NoError(t, err)
		if state.frames < last.frames {
			anew++
		}
		last = state
		require.Less(t, state.frames, 20*long)
	}
}

func TestWriterOpensTheFileAgainAfterTheDiskFailedACopy(t *testing.T) {
	t.Parallel()
	b := newCopying(t)
	before := b.conn
	b.insert("a")
	b.run()
	require.Same(t, before, b.conn)
	b.settled = true
	b.checkpoints.failed.Store(true)
	j := b.insert("b")
	b.run()
	require.NoError(t, <-j.answer)
	require.NotSame(t, before, b.conn)
	require.False(t, b.checkpoints.failed.Load(), "once")
	require.Equal(t, []string{"a", "b"}, b.names())
}

// told is a log handler that tells what it is given.
type told chan string

func (told) Enabled(context.Context, slog.Level) bool { return true }
func (h told) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h told) WithGroup(string) slog.Handler          { return h }

func (h told) Handle(_ context.Context, r slog.Record) error {
	h <- r.Message
	return nil
}

func TestFailedCopyIsLoggedAndTriedAgain(t *testing.T) {
	t.Parallel()
	messages := make(told, 9)
	missing := filepath.Join(t.TempDir(), "none", "calls.db")
	k := newCheckpointer(missing, Config{Logger: slog.New(messages), logFrames: fewFrames})
	k.start()
	for range 2 {
		k.committed()
		require.Contains(t, <-messages, "could not be copied")
	}
	k.close()
}
