package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long anything may take that is to happen. A test that passes does not wait for it.
const patience = 2 * time.Minute

// served is outdial serve, running.
type served struct {
	t       *testing.T
	url     string
	key     string
	client  *http.Client
	signals chan os.Signal
	hangups chan os.Signal
	exits   chan int
	out     *listener
	errOut  *listener
	done    chan struct{}
	code    int // once done is closed
}

var listening = regexp.MustCompile(`"?listening"? .*url=(\S+)|"msg":"listening","url":"([^"]+)"`)

// serve starts it on a free port, with the world's configuration and database.
func (w *world) serve(args ...string) *served {
	w.t.Helper()
	return w.serveWith(http.DefaultTransport.(*http.Transport).Clone(),
		append(args, "--config", w.path("config.yaml"), "--db", w.path("test.db"))...)
}

func (w *world) serveWith(transport *http.Transport, args ...string) *served {
	w.t.Helper()
	s := &served{
		t: w.t, key: testKey, client: &http.Client{Transport: transport}, signals: make(chan os.Signal, 2),
		hangups: make(chan os.Signal), exits: make(chan int, 1),
		out: &listener{}, done: make(chan struct{}),
	}
	urls := make(chan string, 1)
	s.errOut = &listener{seen: func(said string) {
		if m := listening.FindStringSubmatch(said); m != nil {
			urls <- m[1] + m[2]
		}
	}}
	e := quietEnv()
	e.stdout, e.stderr = s.out, s.errOut
	e.signals = func() (<-chan os.Signal, func()) { return s.signals, func() {} }
	e.hangups = func() (<-chan os.Signal, func()) { return s.hangups, func() {} }
	e.exit = func(code int) { s.exits <- code }
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(s.done)
		s.code = run(ctx, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...), e)
	}()
	w.t.Cleanup(func() {
		cancel()
		s.end()
		if transport != nil {
			transport.CloseIdleConnections()
		}
	})
	select {
	case s.url = <-urls:
	case <-s.done:
	}
	return s
}

// end waits for it to end.
func (s *served) end() result {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		require.FailNow(s.t, "outdial serve does not end", s.errOut.String())
	}
	return result{code: s.code, out: s.out.String(), errOut: s.errOut.String()}
}

// stop sends a signal and waits.
func (s *served) stop() result {
	s.t.Helper()
	s.signals <- syscall.SIGTERM
	return s.end()
}

// ask sends a request and returns the answer.
func (s *served) ask(method, path, body string) (status int, text string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Authorization", "Bearer "+s.key)
	r.Header.Set("Cartesia-Version", "2026-03-01")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := s.client.Do(r)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	whole, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	return answer.StatusCode, string(whole)
}

// ready waits until /readyz says so.
func (s *served) ready() *served {
	s.t.Helper()
	s.eventually(func() bool {
		status, _ := s.ask(http.MethodGet, "/readyz", "")
		return status == http.StatusOK
	})
	return s
}

func (s *served) eventually(is func() bool) {
	s.t.Helper()
	require.Eventually(s.t, is, patience, 10*time.Millisecond, "%s", s.errOut)
}

// create posts a batch of that many and returns its id.
func (s *served) create(n int) string {
	s.t.Helper()
	type recipient struct {
		To string `json:"to_number"`
	}
	request := struct {
		Name       string      `json:"name"`
		AgentID    string      `json:"agent_id"`
		NumberID   string      `json:"from_number_id"`
		Recipients []recipient `json:"recipients"`
	}{Name: "asked for", AgentID: "greeter", NumberID: "london"}
	for i := range n {
		request.Recipients = append(request.Recipients, recipient{To: "+4477009001" + string(rune('0'+i/10)) + string(rune('0'+i%10))})
	}
	var body bytes.Buffer
	require.NoError(s.t, json.NewEncoder(&body).Encode(request))
	status, text := s.ask(http.MethodPost, "/agents/calls/batches", body.String())
	require.Equal(s.t, http.StatusCreated, status, text)
	var b struct {
		ID string `json:"id"`
	}
	require.NoError(s.t, json.Unmarshal([]byte(text), &b))
	return b.ID
}

// counts reads how the recipients of a batch stand.
func (s *served) counts(id string) map[string]int {
	s.t.Helper()
	_, text := s.ask(http.MethodGet, "/agents/calls/batches/"+id, "")
	var b struct {
		Counts map[string]int `json:"counts"`
	}
	require.NoError(s.t, json.Unmarshal([]byte(text), &b), text)
	return b.Counts
}

// over waits until a batch is.
func (s *served) over(id string) {
	s.t.Helper()
	s.eventually(func() bool {
		n := s.counts(id)
		return n["queued"]+n["dispatched"]+n["started"] == 0
	})
}

// createFrom posts a file of recipients, with more of a query (name=value), and returns the batch's id.
func (s *served) createFrom(file string, query ...string) string {
	s.t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(s.t, err)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost,
		s.url+"/agents/calls/batches?"+strings.Join(append(query, "name=people&agent_id=greeter&from_number_id=london"), "&"),
		bytes.NewReader(text))
	require.NoError(s.t, err)
	r.Header.Set("Authorization", "Bearer "+s.key)
	r.Header.Set("Cartesia-Version", "2026-03-01")
	r.Header.Set("Content-Type", "text/csv")
	answer, err := s.client.Do(r)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	var b struct {
		ID string `json:"id"`
	}
	require.Equal(s.t, http.StatusCreated, answer.StatusCode)
	require.NoError(s.t, json.NewDecoder(answer.Body).Decode(&b))
	return b.ID
}
