package fake_test

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

func TestBooksFileSaysTheSame(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "books")
	c := newCarrier(t, fake.Config{Books: true, BooksFile: path, Trunk: "trunk-eu"})
	for i := range 20 {
		_ = dial(t.Context(), c.Dialer(), callTo(numberOf(i)))
	}
	c.Mark("cancelled")
	read, err := fake.ReadBooks(path)
	require.NoError(t, err)
	kept := c.Books()
	require.Len(t, read.Entries, len(kept.Entries))
	for i, e := range kept.Entries {
		require.True(t, e.At.Equal(read.Entries[i].At))
		e.At = read.Entries[i].At // without its monotonic reading
		require.Equal(t, e, read.Entries[i])
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(text), string(numberOf(3)[1:]), "the callee's number")
}

func TestRingIsInTheFileBeforeItIsReported(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "books")
	c := newCarrier(t, fake.Config{BooksFile: path})
	c.Script(ada, fake.Behaviour{})
	_, err := c.Dialer().Dial(t.Context(), callTo(ada), func(dialer.Progress) {
		books, err := fake.ReadBooks(path)
		require.NoError(t, err)
		require.Equal(t, 1, books.Rings(fake.Scope{}))
	})
	require.NoError(t, err)
}

func TestCarriersShareAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "books")
	var all sync.WaitGroup
	const carriers, calls = 4, 200
	for range carriers {
		c := newCarrier(t, fake.Config{BooksFile: path, Shares: fake.Shares{Answer: 1}})
		all.Go(func() {
			for i := range calls {
				_ = dial(t.Context(), c.Dialer(), callTo(numberOf(i)))
			}
		})
	}
	all.Wait()
	books, err := fake.ReadBooks(path)
	require.NoError(t, err)
	require.Equal(t, carriers*calls, books.Rings(fake.Scope{}))
	require.Zero(t, books.Torn)
	require.LessOrEqual(t, books.MostAtOnce(fake.Scope{}), carriers)
}

func TestReadBooksToleratesTornLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "books")
	whole := `{"event":"placed","at":"2026-11-24T12:00:00Z","call":"a"}` + "\n"
	require.NoError(t, os.WriteFile(path, []byte(whole+`{"event":"rang","at":"2026-`), 0o600))
	books, err := fake.ReadBooks(path)
	require.NoError(t, err)
	require.Equal(t, 1, books.Torn)
	require.Equal(t, []fake.Event{fake.Placed}, events(books))

	c := newCarrier(t, fake.Config{BooksFile: path}) // the next process begins a line of its own
	c.Mark("restarted")
	books, err = fake.ReadBooks(path)
	require.NoError(t, err)
	require.Equal(t, 1, books.Torn)
	require.Equal(t, []fake.Event{fake.Placed, fake.Marked}, events(books))
}

func TestReadBooksRefusesWhatAreNoBooks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "books")
	require.NoError(t, os.WriteFile(path, []byte("{\"event\":\"placed\"}\nhello\n"), 0o600))
	_, err := fake.ReadBooks(path)
	require.ErrorContains(t, err, "line 2")
	_, err = fake.ReadBooks(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestBooksFileThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	_, err := fake.New(fake.Config{BooksFile: filepath.Join(t.TempDir(), "no", "such", "directory")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// /dev/full takes no byte: what cannot be written down must not be placed.
func TestNothingIsPlacedThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("this system has no " + full)
	}
	c, err := fake.New(fake.Config{BooksFile: full})
	require.NoError(t, err)
	r := dial(t.Context(), c.Dialer(), callTo(ada))
	require.ErrorIs(t, r.err, dialer.ErrNotPlaced)
	require.Empty(t, r.stages)
	require.Zero(t, c.Live())
	require.ErrorContains(t, c.Close(), "writing the books")
}

const killedEnv = "FAKE_BOOKS_OF_THE_KILLED"

// TestKilled is run in a process of its own by TestBooksSurviveKill.
//
//nolint:paralleltest // it is alone in its process
func TestKilled(t *testing.T) {
	path, ok := os.LookupEnv(killedEnv)
	if !ok {
		t.Skip("for TestBooksSurviveKill only")
	}
	c, err := fake.New(fake.Config{BooksFile: path})
	require.NoError(t, err)
	c.Script(ada, fake.Behaviour{Talk: fake.Forever})
	_, _ = c.Dialer().Dial(t.Context(), callTo(ada), func(p dialer.Progress) {
		if p.Stage == dialer.Connected {
			_, _ = os.Stdout.WriteString("\nconnected\n")
		}
	})
}

func TestBooksSurviveKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "books")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), killedEnv+"="+path)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(output)
	for lines.Scan() && !bytes.Equal(lines.Bytes(), []byte("connected")) { //nolint:revive // reads up to the sign
	}
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait(), "it was killed")

	books, err := fake.ReadBooks(path)
	require.NoError(t, err)
	require.Equal(t, []fake.Event{fake.Placed, fake.Rang}, events(books))
	require.Equal(t, 1, books.Live(fake.Scope{}))
	require.Zero(t, books.WithoutProcess(cmd.Process.Pid, time.Now()).Live(fake.Scope{}))

	c := newCarrier(t, fake.Config{BooksFile: path})
	_, err = asResumer(t, c.Dialer()).Resume(t.Context(), callTo(ada), ignore)
	require.ErrorIs(t, err, dialer.ErrUnknownCall, "its calls died with the process")
}
