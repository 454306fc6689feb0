package sqlite

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
)

func openTest(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: EmptyFile(t)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// bench is a writer whose groups the test starts itself, so that who is in one is no accident.
type bench struct {
	*writer

	t *testing.T
}

func newBench(t *testing.T) *bench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "calls.db")
	conn, err := connect(t.Context(), writerDSN(path))
	require.NoError(t, err)
	_, err = prepare(t.Context(), conn)
	require.NoError(t, err)
	w := &writer{
		dsn: writerDSN(path), conn: conn, path: path, openLog: openLog,
		jobs: make(chan *job, 16), lead: make(chan *job, 16), log: slog.New(slog.DiscardHandler),
		checkpoints: newCheckpointer(path, Config{}),
	}
	t.Cleanup(func() {
		if w.conn != nil {
			require.NoError(t, w.conn.Close())
		}
	})
	return &bench{writer: w, t: t}
}

func (b *bench) add(ctx context.Context, run func(ctx context.Context, c *connection) error) *job {
	j := &job{ctx: ctx, run: run, answer: make(chan error, 1)}
	b.jobs <- j
	return j
}

func (b *bench) insert(name string) *job {
	return b.add(b.t.Context(), func(ctx context.Context, c *connection) error {
		_, err := makeOrg(ctx, c, name)
		return err
	})
}

func (b *bench) run() {
	for len(b.jobs) > 0 {
		b.group(<-b.jobs)
	}
}

// names are the organisations that are in the file, read by another connection.
func (b *bench) names() []string {
	b.t.Helper()
	c, err := connect(b.t.Context(), b.dsn)
	require.NoError(b.t, err)
	rows, err := c.query(b.t.Context(), "SELECT id FROM organisations ORDER BY id")
	names, err := collect(rows, err, func(scan func(...any) error) (name string, err error) {
		err = scan(&name)
		return name, err
	})
	require.NoError(b.t, err)
	require.NoError(b.t, c.Close())
	return names
}

var errMine = errors.New("mine")

func TestGroupIsOneTransaction(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.insert("a")
	b.add(t.Context(), func(context.Context, *connection) error {
		require.Empty(t, b.names(), "the first waits for the commit of all") //nolint:contextcheck // a reader of its own
		return nil
	})
	last := b.insert("b")
	b.run()
	require.NoError(t, <-first.answer)
	require.NoError(t, <-last.answer)
	require.Equal(t, []string{"a", "b"}, b.names())
}

func TestErrorOfOneLeavesTheOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.insert("a")
	bad := b.add(t.Context(), func(ctx context.Context, c *connection) error {
		_, err := makeOrg(ctx, c, "half")
		return errors.Join(err, errMine)
	})
	last := b.insert("b")
	b.run()
	require.NoError(t, <-first.answer)
	require.ErrorIs(t, <-bad.answer, errMine)
	require.NoError(t, <-last.answer)
	require.Equal(t, []string{"a", "b"}, b.names())
}

// The first of a group has no savepoint: what it did is undone with the transaction.
func TestErrorOfTheFirstLeavesTheOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var bad []*job
	for _, name := range []string{"half", "half again"} {
		bad = append(bad, b.add(t.Context(), func(ctx context.Context, c *connection) error {
			_, err := makeOrg(ctx, c, name)
			return errors.Join(err, errMine)
		}))
	}
	first := b.insert("a")
	bad = append(bad, b.add(t.Context(), func(ctx context.Context, c *connection) error {
		_, err := makeOrg(ctx, c, "third half")
		return errors.Join(err, errMine)
	}))
	last := b.insert("b")
	b.run()
	for _, j := range bad {
		require.ErrorIs(t, <-j.answer, errMine)
	}
	require.NoError(t, <-first.answer)
	require.NoError(t, <-last.answer)
	require.Equal(t, []string{"a", "b"}, b.names())
}

func TestGroupOfWhatFailsLeavesNoTransactionOpen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	bad := b.add(t.Context(), func(ctx context.Context, c *connection) error {
		_, err := makeOrg(ctx, c, "half")
		return errors.Join(err, errMine)
	})
	b.run()
	require.ErrorIs(t, <-bad.answer, errMine)
	other, err := connect(t.Context(), lockDSN(b.path))
	require.NoError(t, err)
	require.NoError(t, other.script(t.Context(), "BEGIN IMMEDIATE"), "another process may write")
	require.NoError(t, other.Close())
	require.Empty(t, b.names())
}

func TestPanicOfOneLeavesTheOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.insert("a")
	bad := b.add(t.Context(), func(ctx context.Context, c *connection) error {
		_, err := c.query(ctx, "SELECT key FROM organisations") // open while it panics
		require.NoError(t, err)
		panic("boom")
	})
	last := b.insert("b")
	b.run()
	require.NoError(t, <-first.answer)
	require.ErrorIs(t, <-bad.answer, errPanic)
	require.NoError(t, <-last.answer)
	require.Equal(t, []string{"a", "b"}, b.names())
}

// A failed statement can undo the whole transaction, with what others wrote in it.
func TestLostTransactionIsDoneAgainForTheOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.insert("a")
	bad := b.add(t.Context(), func(ctx context.Context, c *connection) error {
		_, err := c.exec(ctx, "ROLLBACK")
		return errors.Join(err, errMine)
	})
	settled := []error{}
	last := b.insert("b")
	last.settled = func(err error) { settled = append(settled, err) }
	b.run()
	require.NoError(t, <-first.answer)
	require.ErrorIs(t, <-bad.answer, errMine)
	require.NoError(t, <-last.answer)
	require.Equal(t, []error{nil}, settled)
	require.Equal(t, []string{"a", "b"}, b.names())
}

func TestFailedCommitFailsAllAndTheNextOnesGoOn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, text := range []string{
		"CREATE TABLE parents (id INTEGER PRIMARY KEY)",
		"CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
		"PRAGMA foreign_keys = ON",
	} {
		require.NoError(t, b.conn.script(t.Context(), text))
	}
	first := b.insert("a")
	bad := b.add(t.Context(), func(ctx context.Context, c *connection) error {
		_, err := c.exec(ctx, "INSERT INTO children VALUES (1)") // which only the commit refuses
		return err
	})
	b.run()
	require.ErrorContains(t, <-first.answer, "commit")
	require.ErrorContains(t, <-bad.answer, "commit")
	require.Empty(t, b.names())
	next := b.insert("c")
	b.run()
	require.NoError(t, <-next.answer)
	require.Equal(t, []string{"c"}, b.names())
}

func TestWhoHasGoneIsNotBegunWith(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	gone := b.add(ctx, func(context.Context, *connection) error {
		t.Error("was run")
		return nil
	})
	other := b.insert("a")
	cancel()
	b.run()
	require.ErrorIs(t, <-gone.answer, context.Canceled)
	require.NoError(t, <-other.answer)
}

func TestWhoLeavesIsAnsweredAtOnceAndTheWriteIsWhole(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	inside, leave := make(chan struct{}), make(chan struct{})
	answer := make(chan error, 1)
	go func() {
		_, err := write(ctx, s.writer, func(ctx context.Context, c *connection) (*org, error) {
			close(inside)
			<-leave
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return makeOrg(ctx, c, "a")
		})
		answer <- err
	}()
	<-inside
	cancel()
	require.ErrorIs(t, <-answer, context.Canceled, "although the write is still under way")
	close(leave)
	_, err := s.CreateBatch(t.Context(), store.Batch{Org: "b", ID: "acb_1"}, nil)
	require.NoError(t, err)
	var n int
	_, err = s.readers.find(t.Context(), "SELECT count(*) FROM organisations", nil, []any{&n})
	require.NoError(t, err)
	require.Equal(t, 2, n)
}
