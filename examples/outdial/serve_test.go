package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
)

func TestServeDialsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	s := w.serve().ready()
	id := s.create(40)
	s.over(id)
	require.Equal(t, 40, w.books().Dials(fake.Scope{}))
	r := s.stop()
	require.Zero(t, r.code, r.errOut)
	require.Empty(t, r.out)
	require.NotContains(t, r.errOut, "7700900", "no log has whole numbers")
	require.NotContains(t, r.errOut, testKey)
	require.Contains(t, w.run("show", id).out, "all done")
}

func TestServeDrainsAndGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	s := w.serve("--notice", "2s").ready()
	id := s.create(20)
	s.eventually(func() bool { return s.counts(id)["started"] > 0 })
	s.signals <- syscall.SIGTERM
	s.eventually(func() bool {
		status, text := s.ask(http.MethodGet, "/readyz", "")
		// An answer is kept for a second, in which the last calls may have ended.
		why := strings.Contains(text, "stopping") || strings.Contains(text, "does not run")
		return status == http.StatusServiceUnavailable && why
	})
	status, _ := s.ask(http.MethodGet, "/healthz", "")
	require.Equal(t, http.StatusOK, status)
	r := s.end()
	require.Zero(t, r.code, r.errOut)
	require.Zero(t, w.books().Live(fake.Scope{}), "calls in progress end first")
	require.Less(t, w.books().Placed(fake.Scope{}), 20)

	s = w.serve().ready()
	s.over(id)
	require.Zero(t, s.stop().code)
	require.Equal(t, 20, w.books().Placed(fake.Scope{}))
	require.Empty(t, w.books().DoublePlaced())
}

func TestServeHangsUpWhatLastsTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fake://?answer=1&ring=0&talk=1h&books=BOOKS")
	s := w.serve("--drain", "0s").ready()
	id := s.create(1)
	s.eventually(func() bool { return s.counts(id)["started"] > 0 })
	require.Zero(t, s.stop().code)
	require.Zero(t, w.books().Live(fake.Scope{}))
}

func TestSecondSignalEndsServeAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	s := w.serve().ready()
	id := s.create(4)
	s.eventually(func() bool { return s.counts(id)["started"] > 0 })
	s.signals <- syscall.SIGTERM
	s.signals <- syscall.SIGTERM
	require.Equal(t, exitNow, <-s.exits)
}

func TestListenersLeaveWhenServeStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	s := w.serve("--finish", "1m").ready()
	id := s.create(1)
	listen := func(path string) io.Closer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
		require.NoError(t, err)
		r.Header.Set("X-Api-Key", testKey)
		r.Header.Set("Cartesia-Version", "2026-03-01")
		answer, err := s.client.Do(r)
		require.NoError(t, err)
		_, err = bufio.NewReader(answer.Body).ReadString('\n')
		require.NoError(t, err)
		return answer.Body
	}
	defer listen("/agents/calls/events").Close()
	defer listen("/agents/calls/batches/" + id + "/events").Close()
	begun := time.Now()
	require.Zero(t, s.stop().code)
	require.Less(t, time.Since(begun), 30*time.Second, "far below --finish")
}

func TestRequestsThatDoNotEndAreCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	s := w.serve("--finish", "50ms").ready()
	u, err := url.Parse(s.url)
	require.NoError(t, err)
	conn, err := net.Dial("tcp", u.Host)
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /agents/calls/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+testKey+
		"\r\nCartesia-Version: 2026-03-01\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"+
		"Expect: 100-continue\r\n\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue", "the body is being waited for")
	r := s.stop()
	require.Zero(t, r.code)
	require.Contains(t, r.errOut, "requests that took too long were cut off")
}

func TestServeWithoutAConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	start := func() *served {
		return w.serveWith(http.DefaultTransport.(*http.Transport).Clone(), "--db", w.path("test.db"))
	}
	s := start()
	require.Regexp(t, `^OUTDIAL_KEY=od_\w{32}\n$`, s.out.String())
	s.key = strings.TrimSpace(strings.TrimPrefix(s.out.String(), keyLine))
	s.ready()
	status, _ := s.ask(http.MethodGet, "/agents/calls/batches", "")
	require.Equal(t, http.StatusOK, status)
	s.key = "od_another"
	status, _ = s.ask(http.MethodGet, "/agents/calls/batches", "")
	require.Equal(t, http.StatusUnauthorized, status)
	first := s.stop()
	require.NotContains(t, first.errOut, "od_")
	info, err := os.Stat(w.path("test.db-key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.Equal(t, first.out, start().stop().out, "the key survives a restart")

	require.NoError(t, os.Chmod(w.path("test.db-key"), 0o640))
	r := start().end()
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errOut, "others may read the API key in "+w.path("test.db-key"))
	for _, text := range []string{"", "hello", "od_short\n", "od_onekeyonekeyonekey\nod_otherkeyotherkeyother\n"} {
		require.NoError(t, os.Remove(w.path("test.db-key")))
		w.write("test.db-key", text)
		r = start().end()
		require.Equal(t, exitUsage, r.code)
		require.Contains(t, r.errOut, "holds no API key")
	}
}

func TestServeThatCannotBegin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	r := w.run("serve", "--listen", taken.Addr().String())
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.errOut, "it cannot listen at "+taken.Addr().String())
	require.NoFileExists(t, w.path("test.db"))

	for want, args := range map[string][]string{
		"--tls-cert and --tls-key go together":              {"--tls-cert", "x"},
		"no such file":                                      {"--tls-cert", w.path("x"), "--tls-key", w.path("y")},
		"--rate, --burst and --max-body":                    {"--rate=-1"},
		"RateLimit":                                         {"--rate", "1e9"},
		"expected at least 0s":                              {"--finish=-1s"},
		`--log must be one of "text","json" but got "loud"`: {"--log", "loud"},
	} {
		r := w.run(append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
		require.Equal(t, exitUsage, r.code, r.errOut)
		require.Contains(t, r.errOut, want)
	}
	w.write("config.yaml", "organisations: {a: {concurrency_limit: 1}}\ncarriers: {c: 'fake://'}\n")
	r = w.run("serve", "--listen", "127.0.0.1:0")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errOut, "nobody could use the server")
}

func TestServeNeedsTheDatabaseForItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	s := w.serve().ready()
	r := w.serve().end()
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.errOut, "the database "+w.path("test.db")+" is in use: another outdial serve or run dials from it")
	require.Zero(t, s.stop().code)

	second := make(chan result, 1)
	first := w.runWatched(once(talking, func() {
		go func() { second <- w.serve().end() }()
	}), "run", w.recipients("people.csv", 8))
	require.Zero(t, first.code)
	require.Contains(t, (<-second).errOut, "is in use")
}

func TestServeLogsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	s := w.serve("--log", "json").ready()
	s.create(1)
	for line := range strings.Lines(s.stop().errOut) {
		require.Regexp(t, `^\{"time":".*\}\n$`, line)
	}
}

func TestServeLimitsRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fast)
	s := w.serve("--rate", "0.001", "--burst", "2", "--max-body", "100").ready()
	status, _ := s.ask(http.MethodPost, "/agents/calls/batches", `{"name": "`+strings.Repeat("x", 100)+`"}`)
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	s.ask(http.MethodGet, "/agents/calls/batches", "")
	status, _ = s.ask(http.MethodGet, "/agents/calls/batches", "")
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Zero(t, s.stop().code)
}

func TestKey(t *testing.T) {
	w := newWorld(t, fast)
	r := w.run("key", "--organisation", "demo")
	require.Zero(t, r.code)
	require.Regexp(t, `^OUTDIAL_KEY=od_\w{32}\napi_keys: \["sha256:[0-9a-f]{64}"\]\n$`, r.out)
	require.Contains(t, r.errOut, "under the organisation demo")
	require.NotEqual(t, r.out, w.run("key").out)
	first, second, _ := strings.Cut(strings.TrimSpace(r.out), "\n")
	config, err := os.ReadFile(w.path("config.yaml"))
	require.NoError(t, err)
	w.write("config.yaml", strings.Replace(string(config), `api_keys: ["`+hashOf(testKey)+`"]`, second, 1))
	s := w.serve()
	s.key = strings.TrimPrefix(first, keyLine)
	status, _ := s.ready().ask(http.MethodGet, "/agents/calls/batches", "")
	require.Equal(t, http.StatusOK, status)
	doc, _ := w.json("key")
	require.Equal(t, hashOf(doc["key"].(map[string]any)["key"].(string)), doc["key"].(map[string]any)["sha256"])
}

func TestTheKeyIsNotShown(t *testing.T) {
	t.Setenv("OUTDIAL_KEY", "od_hunter2")
	t.Setenv("OUTDIAL_SERVER", "http://127.0.0.1:1")
	w := newWorld(t, fast)
	for _, args := range [][]string{{"help"}, {"help", "run"}, {"ls", "--help"}, {"ls", "--absent"}, {"ls"}, {"show", "last", "--json"}} {
		r := w.exec(nil, args...)
		require.NotContains(t, r.out+r.errOut, "hunter2", args)
	}
	require.Contains(t, w.exec(nil, "help").out, "$OUTDIAL_KEY")
}

func TestAccountTypes(t *testing.T) {
	require.Equal(t, map[string]string{"a": "sip_trunk", "b": "sip_trunk", "c": "twilio"},
		accountTypes(map[string]string{"a": "sip", "b": "sips", "c": "twilio", "d": "fake"}))
}
