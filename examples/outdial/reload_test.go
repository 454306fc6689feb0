package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
)

// TestReload sends SIGHUP to the real program.
func TestReload(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a program")
	}
	for name, test := range map[string]func(*testing.T){
		"a limit":                        reloadLimit,
		"a carrier with calls in flight": reloadCarrier,
		"a broken file":                  reloadBroken,
		"a key":                          reloadKey,
		"no file":                        reloadNoFile,
		"another kind of carrier":        reloadKind,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// child is outdial serve as a process of its own.
type child struct {
	*served

	w       *world
	process *os.Process
	reloads int // answered so far
}

func (w *world) child(args ...string) *child {
	w.t.Helper()
	return w.childWith(append(args, "--config", w.path("config.yaml"))...)
}

func (w *world) childWith(args ...string) *child {
	w.t.Helper()
	return w.starts(exec.Command(program(w.t), append([]string{"serve", "--listen", "127.0.0.1:0", "--db", w.path("test.db")}, args...)...))
}

// starts has it run by a command of its own.
func (w *world) starts(command *exec.Cmd) *child {
	w.t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	s := &served{
		t: w.t, key: testKey, client: &http.Client{Transport: transport}, signals: make(chan os.Signal, 2),
		out: &listener{}, done: make(chan struct{}),
	}
	urls := make(chan string, 1)
	s.errOut = &listener{seen: func(said string) {
		if m := listening.FindStringSubmatch(said); m != nil {
			urls <- m[1] + m[2]
		}
	}}
	command.Stdout, command.Stderr = s.out, s.errOut
	require.NoError(w.t, command.Start())
	go func() {
		defer close(s.done)
		if command.Wait() != nil {
			s.code = command.ProcessState.ExitCode()
		}
	}()
	w.t.Cleanup(func() {
		_ = command.Process.Kill()
		s.end()
		transport.CloseIdleConnections()
	})
	select {
	case s.url = <-urls:
	case <-s.done:
		require.FailNow(w.t, "it does not start", s.errOut)
	}
	return &child{served: s, w: w, process: command.Process}
}

// answered are the lines of the log that end a reload.
var answered = regexp.MustCompile(`msg="(the configuration (was|cannot be)|there is no configuration).*`)

// reload sends the signal and returns what the log says to it.
func (c *child) reload() string {
	c.t.Helper()
	require.NoError(c.t, c.process.Signal(syscall.SIGHUP))
	var line string
	c.eventually(func() bool {
		lines := answered.FindAllString(c.errOut.String(), -1)
		if len(lines) <= c.reloads {
			return false
		}
		line = lines[c.reloads]
		return true
	})
	c.reloads++
	return line
}

// edit replaces something in the configuration.
func (c *child) edit(pairs ...string) {
	c.t.Helper()
	text, err := os.ReadFile(c.w.path("config.yaml"))
	require.NoError(c.t, err)
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(c.t, string(text), pairs[i])
	}
	c.w.write("config.yaml", strings.NewReplacer(pairs...).Replace(string(text)))
}

// terminate ends it as an operator would.
func (c *child) terminate() {
	c.t.Helper()
	require.NoError(c.t, c.process.Signal(syscall.SIGTERM))
	r := c.end()
	require.Zero(c.t, r.code, r.errOut)
}

func reloadLimit(t *testing.T) {
	w := newWorld(t, "fake://?answer=1&ring=0&talk=1h&books=BOOKS")
	c := w.child("--drain", "0s")
	c.ready()
	c.edit("limit: 8", "limit: 2")
	require.Contains(t, c.reload(), `changed="organisations replaced: demo"`)
	c.create(3)
	c.create(3)
	c.eventually(func() bool { return w.books().Live(fake.Scope{}) == 2 })
	c.edit("limit: 2", "limit: 3")
	c.reload()
	third := c.create(3)
	c.eventually(func() bool { return w.books().Live(fake.Scope{}) == 3 })
	require.Equal(t, 3, w.books().MostAtOnce(fake.Scope{}))
	c.edit("limit: 3", "limit: 1")
	c.reload()
	require.Equal(t, 3, w.books().Live(fake.Scope{}), "what is in progress goes on")
	require.Equal(t, 3, c.counts(third)["queued"]+c.counts(third)["started"]+c.counts(third)["dispatched"])
	c.terminate()
	require.Equal(t, 3, w.books().Placed(fake.Scope{}))
}

func reloadCarrier(t *testing.T) {
	w := newWorld(t, "fake://first?answer=1&ring=0&talk=4s&books=BOOKS")
	c := w.child()
	c.ready()
	id := c.create(24)
	c.eventually(func() bool { return w.books().Live(fake.Scope{}) == 4 })
	second := w.path("second.jsonl")
	c.edit("fake://first", "fake://second", "talk=4s", "talk=0", w.path("books.jsonl"), second)
	require.Contains(t, c.reload(), `changed="carriers replaced: imitation"`)
	c.over(id)
	c.terminate()
	first := w.books()
	later, err := fake.ReadBooks(second)
	require.NoError(t, err)
	require.GreaterOrEqual(t, first.Placed(fake.Scope{}), 4)
	require.Positive(t, later.Placed(fake.Scope{}))
	require.Equal(t, 24, first.Placed(fake.Scope{})+later.Placed(fake.Scope{}))
	require.Empty(t, first.DoublePlaced())
	require.Zero(t, first.Live(fake.Scope{}))
	doc, _ := w.json("export", id)
	for _, r := range doc["recipients"].([]any) {
		recipient := r.(map[string]any)
		require.Equal(t, "completed", recipient["status"])
		require.Contains(t, []string{"client_hangup", "agent_hangup"}, recipient["end_reason"], "no call was cut off")
	}
}

func reloadBroken(t *testing.T) {
	w := newWorld(t, "fake://?answer=1&ring=0&talk=0&books=BOOKS")
	c := w.child()
	c.ready()
	c.edit("limit: 8", "limit: none", "region: EU", "regoin: EU")
	require.Contains(t, c.reload(), `was not taken, and what it said before goes on to hold" mistakes=2`)
	require.Contains(t, c.errOut.String(), `msg="a mistake in the configuration" file=`+w.path("config.yaml")+
		` line=2 column=43 path=organisations.demo.concurrency_limit mistake="expected a whole number of at least 1"`)
	require.Contains(t, c.errOut.String(), `path=organisations.demo.regoin`)
	c.over(c.create(5))
	require.Equal(t, 5, w.books().Placed(fake.Scope{}))

	require.NoError(t, os.Remove(w.path("config.yaml")))
	require.Contains(t, c.reload(), "cannot be read again")
	c.over(c.create(5))
	c.terminate()
	require.Equal(t, 10, w.books().Placed(fake.Scope{}))
}

func reloadKey(t *testing.T) {
	const other = "od_otherotherotherotherother"
	w := newWorld(t, "fake://?books=BOOKS")
	c := w.child()
	c.ready()
	asks := func(key string) int {
		c.key = key
		status, _ := c.ask(http.MethodGet, "/agents/calls/batches", "")
		return status
	}
	require.Equal(t, http.StatusUnauthorized, asks(other))
	c.edit(`["`+hashOf(testKey)+`"]`, fmt.Sprintf("[%q, %q]", hashOf(testKey), hashOf(other)))
	require.Contains(t, c.reload(), `changed="API keys added: 1"`)
	require.Equal(t, http.StatusOK, asks(testKey), "both hold while they are being exchanged")
	require.Equal(t, http.StatusOK, asks(other))
	c.edit(fmt.Sprintf("%q, ", hashOf(testKey)), "")
	require.Contains(t, c.reload(), `changed="API keys removed: 1"`)
	require.Equal(t, http.StatusUnauthorized, asks(testKey))
	require.Equal(t, http.StatusOK, asks(other))
	c.edit(fmt.Sprintf("[%q]", hashOf(other)), "[]")
	c.reload()
	require.Equal(t, http.StatusUnauthorized, asks(other))
	require.Contains(t, c.errOut.String(), "nobody can use the server")
	c.terminate()
	require.NotContains(t, c.errOut.String(), "sha256")
}

func reloadNoFile(t *testing.T) {
	w := newWorld(t, "fake://?books=BOOKS")
	c := w.childWith()
	require.Contains(t, c.reload(), "there is no configuration file that could be read again")
	c.terminate()
}

// reloadKind has calls show what the carrier is now, and nothing between be refused.
func reloadKind(t *testing.T) {
	w := newWorld(t, "fake://?answer=1&ring=0&talk=0&books=BOOKS")
	c := w.child()
	c.ready()
	id := c.create(1)
	c.over(id)
	account := func() string {
		_, text := c.ask(http.MethodGet, "/agents/calls?batch_id="+id, "")
		m := regexp.MustCompile(`"telephony_account_type":"(\w+)"`).FindStringSubmatch(text)
		if m == nil {
			return ""
		}
		return m[1]
	}
	require.Empty(t, account())
	text, err := os.ReadFile(w.path("config.yaml"))
	require.NoError(t, err)
	w.write("config.yaml", regexp.MustCompile(`fake://[^"]*`).ReplaceAllString(string(text), "sip://127.0.0.1:5060?keepalive=0"))
	c.reload()
	require.Equal(t, "sip_trunk", account())
	c.terminate()
}

// TestReloadsAndRequestsAtOnce has no request fail while the configuration is read again and again.
func TestReloadsAndRequestsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fake://?answer=1&ring=0&talk=5ms&books=BOOKS")
	s := w.serve().ready()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 100 {
			text, err := os.ReadFile(w.path("config.yaml"))
			if err != nil {
				t.Error(err)
				return
			}
			next := regexp.MustCompile(`talk=\dms`).ReplaceAllString(string(text), fmt.Sprintf("talk=%dms", i%3+1))
			if os.WriteFile(w.path("next.yaml"), []byte(next), 0o600) != nil || os.Rename(w.path("next.yaml"), w.path("config.yaml")) != nil {
				t.Error("the file cannot be written")
				return
			}
			s.hangups <- syscall.SIGHUP
		}
	}()
	ids := []string{}
	for range 8 {
		ids = append(ids, s.create(20))
	}
	select {
	case <-done:
	case <-time.After(patience):
		require.FailNow(t, "the reloads do not end")
	}
	for _, id := range ids {
		s.over(id)
		require.Equal(t, 20, s.counts(id)["completed"])
	}
	require.Zero(t, s.stop().code)
	require.Empty(t, w.books().DoublePlaced())
	require.Equal(t, 160, w.books().Placed(fake.Scope{}))
}
