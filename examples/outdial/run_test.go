package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/csvfile"
	"github.com/outdial/outdial/dialer/fake"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file, with everything hidden that differs from run to run.
func golden(t *testing.T, name, text string) {
	t.Helper()
	for pattern, mark := range map[string]string{
		`(acb|acr|call)_[0-9A-Za-z]{22}`:                           "${1}_…",
		`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`:                  "TIME",
		`\d{4}-\d\d-\d\d \d\d:\d\d`:                                "TIME",
		`\d+ [A-Z][a-z]+ \d{4}( at)? [\d:]+ UTC`:                   "TIME",
		`first call [\d:]+`:                                        "first call TIME",
		regexp.QuoteMeta(filepath.ToSlash(os.TempDir())) + `/\S*/`: "DIR/",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, mark)
	}
	file := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	file := w.recipients("people.csv", 40)
	r := w.run("run", file, "--out", w.path("results.csv"))
	require.Zero(t, r.code, r.errOut)
	golden(t, "run", r.out)
	require.Contains(t, r.errOut, "Dialling 40 recipients in batch acb_")
	require.Contains(t, r.errOut, "40 of 40 done")
	require.LessOrEqual(t, w.books().MostAtOnce(fake.Scope{}), 4)
	results, err := os.ReadFile(w.path("results.csv"))
	require.NoError(t, err)
	golden(t, "results", string(results))
	requireSameRecipients(t, file, w.path("results.csv"))
}

func requireSameRecipients(t *testing.T, a, b string) {
	t.Helper()
	var files [2]csvfile.File
	for i, path := range []string{a, b} {
		f, err := os.Open(path)
		require.NoError(t, err)
		files[i], err = csvfile.Read(f, csvfile.Options{})
		require.NoError(t, err)
		require.NoError(t, f.Close())
		for j := range files[i].Recipients {
			files[i].Recipients[j].Line = 0
		}
	}
	require.Equal(t, files[0], files[1])
}

func TestRunAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	file := w.recipients("people.csv", 10)
	first := w.run("run", file)
	require.Zero(t, first.code)

	second := w.run("run", file, "--out", w.path("results.csv"))
	require.Zero(t, second.code)
	require.Equal(t, first.out, second.out)
	require.Contains(t, second.errOut, "--again")
	require.Equal(t, 10, w.books().Dials(fake.Scope{}))

	require.Zero(t, w.run("run", w.path("results.csv")).code, "its own results are the same recipients")
	require.Equal(t, 10, w.books().Dials(fake.Scope{}))

	require.Zero(t, w.run("run", file, "--again").code)
	require.Equal(t, 20, w.books().Dials(fake.Scope{}))
	require.Zero(t, w.run("run", file).code)
	require.Equal(t, 20, w.books().Dials(fake.Scope{}))
}

func TestInterruptedRunGoesOn(t *testing.T) {
	t.Parallel()
	for _, again := range [][]string{nil, {"--again"}} {
		w := newWorld(t, slow)
		args := append([]string{"run", w.recipients("people.csv", 20)}, again...)
		r := w.runWatched(w.interrupt(talking), args...)
		require.Equal(t, exitInterrupted, r.code, r.errOut)
		require.Contains(t, r.errOut, "Stopping: no new calls.")
		require.Contains(t, r.errOut, "The same command goes on with them.")
		require.Zero(t, w.books().Live(fake.Scope{}), "calls in progress end first")

		r = w.run(args...)
		require.Zero(t, r.code, r.errOut)
		require.Regexp(t, `Going on with batch acb_\w+ \(\d+ of 20 done\)`, r.errOut)
		require.Equal(t, 20, w.books().Placed(fake.Scope{}))
		require.Empty(t, w.books().DoublePlaced())
	}
}

func TestInterruptedBeforeTheFirstCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	file := w.recipients("people.csv", 4)
	r := w.runWatched(w.interrupt("Dialling"), "run", file)
	require.Equal(t, exitInterrupted, r.code, r.errOut)
	r = w.run("run", file)
	require.Zero(t, r.code, r.errOut)
	require.Equal(t, 4, w.books().Placed(fake.Scope{}))
}

func TestSecondInterruptStopsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	first, second := w.interrupt(talking), w.interrupt("Stopping")
	w.runWatched(func(said string) { first(said); second(said) }, "run", w.recipients("people.csv", 20))
	require.Equal(t, exitNow, <-w.exits)
}

func TestFileWithProblems(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	file := w.write("bad.csv", "to_number,name\n4155550123,Ada\n0033199001234,Ben\n+442079460001,Cy\n")
	r := w.run("run", file)
	require.Equal(t, exitUsage, r.code)
	golden(t, "problems", r.errOut)
	require.NoFileExists(t, w.path("test.db"))

	doc, r := w.json("run", file)
	require.Equal(t, exitUsage, r.code)
	require.Len(t, doc["error"].(map[string]any)["problems"], 2)

	r = w.run("run", file, "--skip-bad")
	require.Zero(t, r.code)
	require.Contains(t, r.errOut, "line 3: to_number: it begins with 00")
	require.Equal(t, 1, w.books().Dials(fake.Scope{}))
}

func TestManyProblemsAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	file := w.write("bad.csv", "to_number\n"+strings.Repeat("1\n", 73))
	require.Contains(t, w.run("run", file).errOut, "and 23 more; --json lists them all")
	doc, _ := w.json("run", file)
	require.Len(t, doc["error"].(map[string]any)["problems"], 73)
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	file := w.write("twice.csv", "to_number\n+447700900100\n+447700900101\n+44 7700 900100\n")
	require.Contains(t, w.run("run", file, "--dry-run").errOut, "repeat a number of an earlier row: 1.")
	require.Zero(t, w.run("run", file, "--dedupe").code)
	require.Equal(t, 2, w.books().Dials(fake.Scope{}))
	require.Zero(t, w.run("run", file).code)
	require.Equal(t, 5, w.books().Dials(fake.Scope{}))
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fake://?cps=2")
	file := w.recipients("people.csv", 30)
	before, err := os.ReadDir(w.dir)
	require.NoError(t, err)
	r := w.run("run", file, "--dry-run", "--out", w.path("out.csv"))
	require.Zero(t, r.code)
	golden(t, "dry-run", r.out)
	doc, _ := w.json("run", file, "--dry-run")
	require.InDelta(t, 15, doc["plan"].(map[string]any)["least_seconds"], 0.001)
	after, err := os.ReadDir(w.dir)
	require.NoError(t, err)
	require.Len(t, after, len(before))
}

func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	file := w.recipients("people.csv", 1)
	for want, args := range map[string][]string{
		`no agent "x"; the only one is greeter`:         {"run", file, "--agent", "x"},
		`no number "x"; the only one is london`:         {"run", file, "--from", "x"},
		`no organisation "x"; the only one is demo`:     {"run", file, "--org", "x"},
		"--target: expected at most":                    {"run", file, "--target", "9"},
		"--ring-timeout: expected":                      {"run", file, "--ring-timeout", "1s"},
		"--scheduled-at: expected a time in the future": {"run", file, "--scheduled-at", "2020-01-01T00:00:00Z"},
		"--region: expected one of":                     {"run", file, "--region", "MOON", "--dry-run"},
		"there is no directory":                         {"run", file, "--out", w.path("absent/x.csv")},
		"this is the file that is read":                 {"run", file, "--out", file},
		"--out writes CSV":                              {"export", "last", "--out", w.path("x.csv"), "--json"},
		"would both write to the standard output":       {"run", file, "--out", "-", "--json"},
		"cannot be read":                                {"run", w.path("absent.csv")},
		`"outdial help run" explains`:                   {"run", file, "--absent"},
		`"outdial help" lists the commands`:             {"absent"},
	} {
		r := w.run(args...)
		require.Equal(t, exitUsage, r.code, "%v: %s", args, r.errOut)
		require.Contains(t, r.errOut+r.out, want)
	}
	require.Contains(t, w.run("ls").out+w.run("ls").errOut, "There is no batch")
	require.Zero(t, w.books().Dials(fake.Scope{}))
}

func TestSeveralAgentsAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	w.write("config.yaml", "organisations: {a: {concurrency_limit: 1}}\nagents: {x: {}, y: {}}\n"+
		"carriers: {c: 'fake://'}\nnumbers: {n: {e164: '+442079460000', carriers: [c]}}\n")
	r := w.run("run", w.recipients("people.csv", 1))
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errOut, "which agent? Say it with --agent; there are the agents x, y")
}

func TestOtherOpenBatchesAreNotDialled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	r := w.runWatched(w.interrupt(talking), "run", w.recipients("a.csv", 20))
	require.Equal(t, exitInterrupted, r.code)
	before := w.books().Dials(fake.Scope{})

	other := w.write("b.csv", "to_number\n+442079460001\n")
	r = w.run("run", other)
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errOut, "other batches of the database are open")
	require.Equal(t, before, w.books().Dials(fake.Scope{}))
	require.Zero(t, w.run("pause", "last").code)
	require.Zero(t, w.run("run", other).code)
	require.Equal(t, before+1, w.books().Dials(fake.Scope{}))
}

func TestStandardStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	r := w.run("run", w.recipients("people.csv", 3), "--out", "-", "--plain")
	require.Zero(t, r.code)
	require.True(t, strings.HasPrefix(r.out, "to_number,status,"), r.out)
	require.Contains(t, r.out, "\n+447700900100,")
	require.Contains(t, r.errOut, "all done")
}

func TestHelp(t *testing.T) {
	w := newWorld(t, fast)
	require.Equal(t, w.run("help").out, w.run("--help").out)
	require.Contains(t, w.run("help").out, "Exit codes: 0 done;")
	require.Contains(t, w.run("help", "run").out, "--dedupe")
	require.Equal(t, w.run("help", "run").out, w.run("run", "--help").out)
}
