package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/dialer/fake"
)

func TestMain(m *testing.M) {
	// Those who develop this may well have them set.
	for _, name := range []string{"OUTDIAL_SERVER", "OUTDIAL_KEY", "OUTDIAL_STORE"} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	registerKinds()
	goleak.VerifyTestMain(suite{m})
}

// fast is a carrier on which a call takes no time; slow one on which it takes a quarter of a second.
const (
	fast = "fake://?answer=0.5&no_answer=0.2&busy=0.1&failed=0.1&refused=0.1&ring=0&talk=0&seed=4&books=BOOKS"
	slow = "fake://?answer=1&ring=0&talk=250ms&books=BOOKS"
)

// testKey is the API key of the configuration that a world has.
const testKey = "od_testtesttesttesttesttest"

func hashOf(key string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(key))) }

// world is a directory with a configuration, in which outdial is called as one would from a shell.
type world struct {
	t       *testing.T
	dir     string
	signals chan os.Signal
	exits   chan int
}

func newWorld(t *testing.T, carrier string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), signals: make(chan os.Signal, 2), exits: make(chan int, 1)}
	carrier = strings.Replace(carrier, "BOOKS", w.path("books.jsonl"), 1)
	w.write("config.yaml", `
organisations: {demo: {concurrency_limit: 8, region: EU, api_keys: ["`+hashOf(testKey)+`"]}}
agents: {greeter: {}}
carriers: {imitation: {url: "`+carrier+`", guard: off}}
numbers: {london: {e164: "+442079460000", carriers: [imitation], any_region: true}}
`)
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) string {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(w.path(name), []byte(text), 0o600))
	return w.path(name)
}

// recipients writes a file of that many.
func (w *world) recipients(name string, n int) string {
	w.t.Helper()
	var b strings.Builder
	b.WriteString("to_number,name\n")
	for i := range n {
		fmt.Fprintf(&b, "+4477009001%02d,person %d\n", i, i)
	}
	return w.write(name, b.String())
}

// result is what a command wrote.
type result struct {
	code        int
	out, errOut string
}

func (w *world) run(args ...string) result { return w.runWatched(nil, args...) }

// runWatched lets seen look at each piece that the command says.
func (w *world) runWatched(seen func(said string), args ...string) result {
	w.t.Helper()
	return w.exec(seen, append(args, "--config", w.path("config.yaml"), "--db", w.path("test.db"))...)
}

// exec runs a command with the arguments as they are.
func (w *world) exec(seen func(said string), args ...string) result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	var out bytes.Buffer
	said := &listener{seen: seen}
	e := quietEnv()
	e.stdout, e.stderr = &out, said
	e.signals = func() (<-chan os.Signal, func()) { return w.signals, func() {} }
	e.exit = func(code int) { w.exits <- code }
	code := run(ctx, args, e)
	require.NoError(w.t, ctx.Err(), "%v took too long", args)
	return result{code: code, out: out.String(), errOut: said.String()}
}

// json runs a command with --json and reads what it wrote.
func (w *world) json(args ...string) (map[string]any, result) {
	w.t.Helper()
	r := w.run(append(args, "--json")...)
	var doc map[string]any
	require.NoError(w.t, json.Unmarshal([]byte(r.out), &doc), r.out)
	return doc, r
}

func (w *world) books() fake.Books {
	w.t.Helper()
	books, err := fake.ReadBooks(w.path("books.jsonl"))
	require.NoError(w.t, err)
	return books
}

// talking is what is said when the first call was answered.
const talking = "[1-9][0-9]* talking"

// interrupt is for runWatched: it sends a signal as soon as something like this is said.
func (w *world) interrupt(when string) func(string) {
	return once(when, func() { w.signals <- syscall.SIGTERM })
}

// once does something as soon as something like this is said.
func once(when string, do func()) func(string) {
	pattern, do := regexp.MustCompile(when), sync.OnceFunc(do)
	return func(said string) {
		if pattern.MatchString(said) {
			do()
		}
	}
}

// listener keeps what is written. It is safe for concurrent use.
type listener struct {
	mu   sync.Mutex
	text strings.Builder
	seen func(string)
}

func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if l.seen != nil {
		l.seen(string(p))
	}
	return len(p), nil
}

func (l *listener) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
