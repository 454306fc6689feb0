package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/csvfile"
	"github.com/outdial/outdial/dialer/fake"
)

// stopped is a world with one batch that was interrupted.
func stopped(t *testing.T) (w *world, file, id string) {
	t.Helper()
	w = newWorld(t, slow)
	file = w.recipients("people.csv", 20)
	require.Equal(t, exitInterrupted, w.runWatched(w.interrupt(talking), "run", file).code)
	doc, _ := w.json("show", "last")
	id, ok := doc["batch"].(map[string]any)["id"].(string)
	require.True(t, ok)
	return w, file, id
}

func TestBatchesAreListedAndShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	require.Zero(t, w.run("run", w.recipients("people.csv", 40)).code)
	golden(t, "ls", w.run("ls").out)
	golden(t, "show", w.run("show", "last").out)
	golden(t, "show-json", w.run("show", "last", "--json").out)
	require.Empty(t, w.run("ls", "--open").out)
}

func TestBatchIsFoundByItsBeginning(t *testing.T) {
	t.Parallel()
	w, _, id := stopped(t)
	for _, name := range []string{id, id[:10], strings.TrimPrefix(id, "acb_"), "last"} {
		require.Zero(t, w.run("show", name).code, name)
	}
	r := w.run("show", "acb_x")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errOut, "there is no batch")
	require.Zero(t, w.run("run", w.write("b.csv", "to_number\n+442079460001\n"), "--with-others").code)
	require.Contains(t, w.run("show", "acb_").errOut, "2 batches begin with")
}

func TestPauseTargetAndResume(t *testing.T) {
	t.Parallel()
	w, file, _ := stopped(t)
	require.Contains(t, w.run("show", "last").out, "nothing dials from this database at the moment")
	require.Contains(t, w.run("pause", "last").out, "is paused with")
	require.Contains(t, w.run("show", "last").out, "The next recipient waits: the batch is paused.")
	require.Contains(t, w.run("target", "last", "8").out, "at most 8 calls")
	require.Equal(t, exitUsage, w.run("target", "last", "9").code)
	doc, _ := w.json("resume", "last")
	require.InDelta(t, 8, doc["batch"].(map[string]any)["target_concurrency_limit"], 0)
	r := w.run("run", file, "--target", "2")
	require.Zero(t, r.code)
	require.Contains(t, r.errOut, "It now has at most 2 calls in progress at once.")
}

func TestCancelFromASecondTerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	file := w.recipients("people.csv", 40)
	cancelled := make(chan result, 1)
	r := w.runWatched(once(talking, func() {
		go func() { cancelled <- w.run("cancel", "last") }()
	}), "run", file)
	require.Contains(t, (<-cancelled).out, "is cancelled")
	require.Equal(t, exitCancelled, r.code, r.errOut)
	require.Less(t, w.books().Dials(fake.Scope{}), 40)

	require.Contains(t, w.run("cancel", "last").out, "nothing has changed")
	require.NotZero(t, w.run("retry", "last").code, "a cancelled batch cannot be retried")
	require.Equal(t, exitCancelled, w.run("run", file).code)
}

func TestRetry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	file := w.recipients("people.csv", 40)
	require.Zero(t, w.run("run", file).code)
	r := w.run("retry", "last")
	require.Regexp(t, `Queued again in batch \w+: \d+ recipients\.`, r.out)
	r = w.run("run", file)
	require.Zero(t, r.code)
	require.Contains(t, r.errOut, "Going on with batch")
	require.Empty(t, w.books().DoubleRings())
	doc, _ := w.json("show", "last")
	require.InDelta(t, 1, doc["batch"].(map[string]any)["retry_count"], 0)
}

func TestWhy(t *testing.T) {
	t.Parallel()
	w, _, _ := stopped(t)
	doc, _ := w.json("export", "last")
	recipients, ok := doc["recipients"].([]any)
	require.True(t, ok)
	first, last := recipients[0].(map[string]any), recipients[19].(map[string]any)
	require.Contains(t, w.run("why", first["id"].(string)).out, "does not wait, it is completed: the person called hung up")
	out := w.run("why", last["id"].(string)).out
	require.Contains(t, out, "The recipient waits: nothing dials")
	require.Contains(t, out, "Before it, the batch calls")
	waiting, _ := w.json("why", last["id"].(string))
	require.Equal(t, "not_running", waiting["waiting"].(map[string]any)["reason"])
	require.Equal(t, exitUsage, w.run("why", "acr_x").code)
}

func TestNumbersAreWholeInResultsOnly(t *testing.T) {
	t.Parallel()
	w, file, id := stopped(t)
	const number = "7700900100"
	require.Contains(t, w.run("export", id).out, number)
	for _, args := range [][]string{{"ls"}, {"show", id}, {"show", id, "--json"}, {"pause", id}, {"run", file, "--dry-run"}} {
		r := w.run(args...)
		require.NotContains(t, r.out+r.errOut, number, args)
	}
}

func TestExportCanBeReadBack(t *testing.T) {
	t.Parallel()
	w, file, _ := stopped(t)
	require.Zero(t, w.run("export", "last", "--out", w.path("out.csv")).code)
	requireSameRecipients(t, file, w.path("out.csv"))
	f, err := csvfile.Read(strings.NewReader(w.run("export", "last").out), csvfile.Options{})
	require.NoError(t, err)
	require.Len(t, f.Recipients, 20)
}

func TestSecondProcessWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	a, b := w.recipients("a.csv", 24), w.write("b.csv", "to_number\n+442079460001\n")
	second := make(chan result, 1)
	r := w.runWatched(once(talking, func() {
		go func() { second <- w.run("run", b, "--with-others") }()
	}), "run", a)
	require.Zero(t, r.code, r.errOut)
	other := <-second
	require.Zero(t, other.code, other.errOut)
	require.Empty(t, w.books().DoublePlaced())
}

func TestCommandsNeedADatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	for _, args := range [][]string{{"ls"}, {"show", "last"}, {"cancel", "last"}, {"export", "last"}} {
		r := w.run(args...)
		require.Equal(t, exitUsage, r.code)
		require.Contains(t, r.errOut, "there is no database")
	}
	require.NoFileExists(t, w.path("test.db"))
}
