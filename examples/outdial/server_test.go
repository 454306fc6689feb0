package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/csvfile"
	"github.com/outdial/outdial/dialer/fake"
)

// remote runs a command at the server.
func (w *world) remote(s *served, args ...string) result {
	w.t.Helper()
	return w.remoteWatched(s, nil, args...)
}

func (w *world) remoteWatched(s *served, seen func(string), args ...string) result {
	w.t.Helper()
	if args[0] == "run" {
		args = append(args, "--agent", "greeter", "--from", "london")
	}
	return w.exec(seen, append(args, "--server", s.url, "--key", testKey)...)
}

// requireSame runs a command in the database and at the server, and compares.
func (w *world) requireSame(s *served, args ...string) result {
	w.t.Helper()
	local, remote := w.run(args...), w.remote(s, args...)
	require.Equal(w.t, local.code, remote.code, "%v: %s", args, remote.errOut)
	require.Equal(w.t, withoutUntold(local.out), withoutUntold(remote.out), args)
	return remote
}

// withoutUntold takes out the two members that a server does not tell.
func withoutUntold(out string) string {
	var kept strings.Builder
	for line := range strings.Lines(out) {
		if !strings.Contains(line, `"organisation": `) && !strings.Contains(line, `"failed_before_a_call": `) {
			kept.WriteString(line)
		}
	}
	return regexp.MustCompile(`,(\n *})`).ReplaceAllString(kept.String(), "$1")
}

func TestCommandsAreTheSameAtAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	require.Zero(t, w.run("run", w.recipients("people.csv", 40)).code)
	require.Zero(t, w.run("run", w.write("b.csv", "to_number,n\n+442079460001,\"a \"\"b\"\" <é>\"\n")).code)
	s := w.serve().ready()
	doc, _ := w.json("ls")
	first := doc["batches"].([]any)[1].(map[string]any)["id"].(string)
	doc, _ = w.json("export", first)
	recipient := doc["recipients"].([]any)[7].(map[string]any)["id"].(string)
	for _, args := range [][]string{
		{"ls"},
		{"ls", "--limit", "1"},
		{"ls", "--open"},
		{"show", "last"},
		{"show", first},
		{"show", first[:20]},
		{"export", first},
		{"export", first, "--plain"},
		{"export", "last"},
		{"why", recipient},
		{"cancel", first},
		{"pause", first},
		{"resume", first},
		{"target", first, "3"},
	} {
		r := w.requireSame(s, args...)
		require.Zero(t, r.code, args)
		w.requireSame(s, append(args, "--json")...)
	}
	for _, args := range [][]string{
		{"show", "acb_x"}, {"show", "acb_"}, {"show", "acb_0123456789012345678901"}, {"why", "acr_x"}, {"why", "acr_0123456789012345678901"},
		{"target", first, "9"}, {"target", first, "0"}, {"export", "acb_x"}, {"export", first, "--out", w.path("absent/x")},
	} {
		r := w.requireSame(s, args...)
		require.Equal(t, exitUsage, r.code, args)
	}
	require.Zero(t, s.stop().code)
}

// TestWaitingIsTheSameAtAServer compares what is said of recipients that wait, for one reason that
// does not depend on who asks.
func TestWaitingIsTheSameAtAServer(t *testing.T) {
	t.Parallel()
	w, file, id := stopped(t)
	require.Zero(t, w.run("pause", id).code)
	s := w.serve().ready()
	doc, _ := w.json("export", id)
	last := doc["recipients"].([]any)[19].(map[string]any)["id"].(string)
	for _, args := range [][]string{{"show", id}, {"show", id, "--json"}, {"why", last}, {"why", last, "--json"}, {"ls", "--open"}} {
		r := w.requireSame(s, args...)
		require.Contains(t, r.out, "paused")
	}
	require.Contains(t, w.remote(s, "resume", id).out, "goes on, with")
	s.over(id)
	require.Contains(t, w.remoteWatched(s, nil, "run", file).errOut, "has called these recipients already")
	require.Equal(t, 20, w.books().Placed(fake.Scope{}))
	require.Zero(t, s.stop().code)
}

func TestRunAtAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	s := w.serve().ready()
	file := w.recipients("people.csv", 40)
	r := w.remote(s, "run", file, "--out", w.path("results.csv"))
	require.Zero(t, r.code, r.errOut)
	golden(t, "run", r.out)
	require.Contains(t, r.errOut, "Dialling 40 recipients in batch acb_")
	require.Contains(t, r.errOut, "40 of 40 done")
	results, err := os.ReadFile(w.path("results.csv"))
	require.NoError(t, err)
	golden(t, "results", string(results))

	again := w.remote(s, "run", file, "--target", "2")
	require.Zero(t, again.code)
	require.Equal(t, r.out, again.out)
	require.Contains(t, again.errOut, "--again")
	require.Equal(t, 40, w.books().Dials(fake.Scope{}))

	require.Zero(t, w.remote(s, "run", file, "--again").code)
	require.Equal(t, 80, w.books().Dials(fake.Scope{}))
	require.Zero(t, w.remote(s, "run", file).code)
	require.Equal(t, 80, w.books().Dials(fake.Scope{}))

	r = w.remote(s, "retry", "last")
	require.Zero(t, r.code)
	require.Regexp(t, `^Queued again in batch \w+: \d+ recipients\.\n$`, r.out)
	require.Zero(t, s.stop().code)

	require.Zero(t, w.run("run", file).code, "a run in the database knows those at the server")
	require.Empty(t, w.books().DoubleRings())
	doc, _ := w.json("ls")
	require.Len(t, doc["batches"], 2)
}

func TestRunAtAServerFindsWhatWasRunInItsDatabase(t *testing.T) {
	t.Parallel()
	w, file, id := stopped(t)
	s := w.serve().ready()
	r := w.remote(s, "run", file, "--target", "8")
	require.Zero(t, r.code, r.errOut)
	require.Contains(t, r.errOut, "batch "+id)
	require.Equal(t, 20, w.books().Placed(fake.Scope{}))
	require.Zero(t, s.stop().code)
}

func TestInterruptedRunGoesOnAtTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	s := w.serve().ready()
	file := w.recipients("people.csv", 20)
	r := w.remoteWatched(s, w.interrupt(talking), "run", file)
	require.Equal(t, exitInterrupted, r.code, r.errOut)
	require.Contains(t, r.errOut, "goes on at the server")
	require.Contains(t, r.errOut, "The server goes on with them")
	r = w.remote(s, "run", file)
	require.Zero(t, r.code, r.errOut)
	require.Contains(t, r.errOut, "Going on with batch")
	require.Equal(t, 20, w.books().Placed(fake.Scope{}))
	require.Zero(t, s.stop().code)
}

func TestRunSeesAServerThatStartsAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	s := w.serve().ready()
	host := strings.TrimPrefix(s.url, "http://")
	restarted := make(chan *served, 1)
	r := w.remoteWatched(s, once(talking, func() {
		go func() {
			s.stop()
			restarted <- w.serve("--listen", host)
		}()
	}), "run", w.recipients("people.csv", 24))
	require.Zero(t, r.code, r.errOut)
	require.Contains(t, r.errOut, "Trying again.")
	require.Contains(t, r.errOut, "24 of 24 done")
	require.Equal(t, 24, w.books().Placed(fake.Scope{}))
	require.Zero(t, (<-restarted).stop().code)
}

func TestCancelledRunAtAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	s := w.serve().ready()
	file := w.recipients("people.csv", 40)
	cancelled := make(chan result, 1)
	r := w.remoteWatched(s, once(talking, func() {
		go func() { cancelled <- w.remote(s, "cancel", "last") }()
	}), "run", file)
	require.Contains(t, (<-cancelled).out, "is cancelled")
	require.Equal(t, exitCancelled, r.code, r.errOut)
	local, remote := w.run("retry", "last"), w.remote(s, "retry", "last")
	require.NotZero(t, local.code)
	require.Equal(t, local.code, remote.code)
	require.Contains(t, remote.errOut, "A cancelled batch cannot be retried")
	require.Zero(t, s.stop().code)
}

func TestOptionsThatCannotBeAtAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	s := w.serve().ready()
	file := w.recipients("people.csv", 1)
	for want, args := range map[string][]string{
		"--agent and --number are required":     {"run", file},
		"--dry-run checks a file":               {"run", file, "--dry-run"},
		"--db names a database":                 {"ls", "--db", w.path("test.db")},
		"--config is for this process":          {"ls", "--config", w.path("config.yaml")},
		"the key says which organisation it is": {"ls", "--org", "demo"},
		"--target: expected at most":            {"run", file, "--agent", "greeter", "--number", "london", "--target", "9"},
		"--ring-timeout: expected":              {"run", file, "--agent", "greeter", "--number", "london", "--ring-timeout", "1s"},
		"--region: expected":                    {"run", file, "--agent", "greeter", "--number", "london", "--region", "MOON"},
		"no such":                               {"run", file, "--agent", "nobody", "--number", "london"},
		"cannot be read":                        {"run", w.path("absent.csv"), "--agent", "greeter", "--number", "london"},
		"expected the URL of a server":          {"ls", "--server", "localhost"},
		"the server answered unauthenticated":   {"ls", "--key", "od_another"},
		"a server needs an API key":             {"ls", "--key", ""},
	} {
		flags := []string{"--server", s.url, "--key", testKey}
		r := w.exec(nil, append(append([]string{args[0]}, flags...), args[1:]...)...)
		require.Equal(t, exitUsage, r.code, "%v: %s", args, r.errOut)
		require.Contains(t, r.errOut, want)
	}
	require.Zero(t, w.books().Dials(fake.Scope{}))
	require.Zero(t, s.stop().code)
	r := w.remote(s, "ls")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.errOut, "the server "+s.url+" cannot be reached")
	r = w.remote(s, "ls", "--json")
	require.Contains(t, r.out, `"exit_code": 1`)
}

func TestServerComesFromTheEnvironment(t *testing.T) {
	w := newWorld(t, fast)
	s := w.serve().ready()
	t.Setenv("OUTDIAL_SERVER", s.url)
	t.Setenv("OUTDIAL_KEY", testKey)
	file := w.recipients("people.csv", 3)
	require.Zero(t, w.exec(nil, "run", file, "--agent", "greeter", "--number", "london").code)
	r := w.exec(nil, "export", "last")
	require.Zero(t, r.code)
	f, err := csvfile.Read(strings.NewReader(r.out), csvfile.Options{})
	require.NoError(t, err)
	require.Len(t, f.Recipients, 3)
	require.Equal(t, exitUsage, w.run("ls").code, "a database is named too")
	require.Zero(t, s.stop().code)
}

// TestALostAnswerCreatesNoSecondBatch puts a proxy before the server that loses every answer to
// whoever creates a batch.
func TestALostAnswerCreatesNoSecondBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	s := w.serve().ready()
	p := newLossyProxy(t, s.url)
	file := w.recipients("people.csv", 10)
	args := []string{"run", file, "--agent", "greeter", "--from", "london", "--server", p.url, "--key", testKey}
	r := w.exec(nil, args...)
	require.Equal(t, exitFailed, r.code, r.errOut)
	require.Contains(t, r.errOut, "cannot be reached")
	require.Contains(t, r.errOut, "the same command finds it")
	lost := p.posts.Load()
	require.GreaterOrEqual(t, lost, int64(4))
	r = w.exec(nil, args...)
	require.Zero(t, r.code, r.errOut)
	doc, _ := w.json("ls")
	require.Len(t, doc["batches"], 1)
	require.Equal(t, 10, w.books().Dials(fake.Scope{}))
	require.Equal(t, lost, p.posts.Load(), "it was found, not asked for again")
	require.Zero(t, s.stop().code)
}

func TestALostAnswerRetriesOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	s := w.serve().ready()
	require.Zero(t, w.remote(s, "run", w.recipients("people.csv", 40)).code)
	p := newLossyProxy(t, s.url)
	r := w.exec(nil, "retry", "last", "--server", p.url, "--key", testKey)
	require.Equal(t, exitFailed, r.code, r.errOut)
	require.GreaterOrEqual(t, p.posts.Load(), int64(4))
	doc, _ := w.json("show", "last")
	require.InDelta(t, 1, doc["batch"].(map[string]any)["retry_count"], 0)
	require.Zero(t, s.stop().code)
}

// TestTwoRunsAtOnceCreateOneBatch starts both before either can see the other's batch.
func TestTwoRunsAtOnceCreateOneBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	s := w.serve().ready()
	file := w.recipients("people.csv", 8)
	results := make(chan result, 2)
	for range 2 {
		go func() { results <- w.remote(s, "run", file) }()
	}
	for range 2 {
		r := <-results
		require.Zero(t, r.code, r.errOut)
	}
	doc, _ := w.json("ls")
	require.Len(t, doc["batches"], 1)
	require.Equal(t, 8, w.books().Placed(fake.Scope{}))
	require.Zero(t, s.stop().code)
}
