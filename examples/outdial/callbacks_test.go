package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

// calledBack is an imitation that has a Handler, as carriers have that call back. Its URLs are those of fake,
// and the host names it.
type calledBack struct {
	dialer.Resumer
	dialer.Limiter
	io.Closer

	name string
}

// openCalledBack opens a carrier kind of these tests, which the program has not.
func openCalledBack(u *url.URL) (dialer.Dialer, error) {
	d, err := dialer.Open("fake" + strings.TrimPrefix(u.String(), u.Scheme))
	if err != nil {
		return nil, err
	}
	return calledBack{Resumer: d.(dialer.Resumer), Limiter: d.(dialer.Limiter), Closer: d.(io.Closer), name: u.Hostname()}, nil
}

// Handler says what it sees of a request, and echoes what comes over a WebSocket.
func (c calledBack) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/stream") {
			body, _ := io.ReadAll(r.Body)
			io.WriteString(w, c.name+" "+r.URL.EscapedPath()+" "+r.URL.RawQuery+" "+string(body))
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		ctx := context.WithoutCancel(r.Context())
		for {
			kind, message, err := conn.Read(ctx)
			if err != nil || conn.Write(ctx, kind, message) != nil {
				return
			}
		}
	})
}

func TestCallbacksFindTheirCarrier(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	dialers := map[string]dialer.Dialer{
		"one": calledBack{name: "first"}, "a/b c": calledBack{name: "second"}, "silent": struct{ dialer.Dialer }{},
	}
	h := callbacks(func(name string) []dialer.Dialer {
		mu.Lock()
		defer mu.Unlock()
		if name == "changed" {
			return []dialer.Dialer{dialers["silent"], dialers["one"]}
		}
		return []dialer.Dialer{dialers[name]}
	})
	for path, want := range map[string]string{
		"/carriers/one/status?call=x&y=%20": "first /status call=x&y=%20 body",
		"/carriers/one/":                    "first /  body",
		"/carriers/changed/status":          "first /status  body",
		"/carriers/one/a//b/../c%2Fd":       "first /a//b/../c%2Fd  body",
		"/carriers/a%2Fb%20c/status":        "second /status  body",
		"/carriers/one":                     "",
		"/carriers/":                        "",
		"/carriers//status":                 "",
		"/carriers/two/status":              "",
		"/carriers/a/b%20c/status":          "",
		"/carriers/silent/status":           "",
		"/carrierstwo/one/status":           "",
		"/x/carriers/one/status":            "",
	} {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, path, strings.NewReader("body")))
		if want == "" {
			require.Equal(t, http.StatusNotFound, answer.Code, path)
			continue
		}
		require.Equal(t, want, answer.Body.String(), path)
	}
	mu.Lock()
	dialers["one"] = calledBack{name: "third"}
	mu.Unlock()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/carriers/one/status", http.NoBody))
	require.Equal(t, "third /status  ", answer.Body.String(), "the next request is for the new one")
}

// stream opens one, and proves that it works.
func stream(t *testing.T, address string) *websocket.Conn {
	t.Helper()
	conn, answer, err := websocket.Dial(t.Context(), address+"/stream", nil)
	require.NoError(t, err)
	t.Cleanup(func() { conn.CloseNow() })
	if answer.Body != nil {
		answer.Body.Close()
	}
	requireEcho(t, conn)
	return conn
}

func requireEcho(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte("hello")))
	_, message, err := conn.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello", string(message))
}

func TestServeAnswersCarriersUntilTheLastCallIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "called-back://first?answer=1&ring=0&talk=1h&books=BOOKS")
	s := w.serve("--drain", "40s", "--finish", "1s").ready()
	s.create(1)
	s.eventually(func() bool { return w.books().Live(fake.Scope{}) == 1 })
	conn := stream(t, s.url+"/carriers/imitation")

	s.signals <- syscall.SIGTERM
	s.eventually(func() bool { return strings.Contains(s.errOut.String(), "stopping") })
	status, _ := s.ask(http.MethodPost, "/carriers/imitation/status", "a=b")
	require.Equal(t, http.StatusOK, status, "a call is in progress")
	stream(t, s.url+"/carriers/imitation")
	requireEcho(t, conn)
	require.Equal(t, 1, w.books().Live(fake.Scope{}))
	_, text := s.ask(http.MethodGet, "/agents/calls?agent_id=greeter", "")
	call := regexp.MustCompile(`"(call_\w+)"`).FindStringSubmatch(text)
	require.NotNil(t, call, text)
	status, text = s.ask(http.MethodPost, "/agents/calls/"+call[1]+"/cancel", "")
	require.Equal(t, http.StatusOK, status, text)
	require.Zero(t, s.end().code)
	require.Zero(t, w.books().Live(fake.Scope{}))
}

func TestCarriersNeedNoKeyAndHaveNoRate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "called-back://first?books=BOOKS")
	s := w.serve("--rate", "0.001", "--burst", "1").ready()
	s.key = ""
	for range 5 {
		status, text := s.ask(http.MethodPost, "/carriers/imitation/status?call=1", "a=b")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "first /status call=1 a=b", text)
	}
	status, _ := s.ask(http.MethodGet, "/carriers/another/status", "")
	require.Equal(t, http.StatusNotFound, status)
	require.Zero(t, s.stop().code)
}

func TestRunAnswersCarriers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "called-back://first?answer=1&ring=0&talk=250ms&books=BOOKS")
	file := w.recipients("people.csv", 8)
	address := regexp.MustCompile(`Carriers are answered at (http://\S+)/NAME/\.`)
	asked := make(chan string, 1)
	r := w.runWatched(func(said string) {
		if m := address.FindStringSubmatch(said); m != nil {
			go func() {
				answer, err := http.Post(m[1]+"/imitation/status", "text/plain", strings.NewReader("x"))
				if err != nil {
					asked <- err.Error()
					return
				}
				defer answer.Body.Close()
				body, _ := io.ReadAll(answer.Body)
				http.DefaultClient.CloseIdleConnections()
				asked <- string(body)
			}()
		}
	}, "run", file, "--listen", "127.0.0.1:0")
	require.Zero(t, r.code, r.errOut)
	require.Equal(t, "first /status  x", <-asked)
	require.Equal(t, 8, w.books().Placed(fake.Scope{}))
}

func TestRunSaysThatACarrierHasToReachIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "called-back://first?books=BOOKS")
	file := w.recipients("people.csv", 1)
	for _, args := range [][]string{{"run", file}, {"run", file, "--dry-run"}} {
		r := w.run(args...)
		require.Equal(t, exitUsage, r.code)
		require.Contains(t, r.errOut, "the carrier imitation has to reach this process over HTTP")
		require.Contains(t, r.errOut, "--listen")
		require.Contains(t, r.errOut, "/carriers/imitation/")
	}
	require.Zero(t, w.run("run", file, "--dry-run", "--listen", "127.0.0.1:0").code)
	require.NoFileExists(t, w.path("test.db"))

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	r := w.run("run", file, "--listen", taken.Addr().String())
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.errOut, "it cannot listen at "+taken.Addr().String())
	require.NoFileExists(t, w.path("test.db"))
	require.Zero(t, w.books().Dials(fake.Scope{}))
}
