package remote

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret  = "od_hunter2hunter2hunter2"
	batchID = "acb_0CEFYPHZ99EHBbX66jSpbE"
)

// script is a server that answers each request with the next of its answers, the last one for ever.
type script struct {
	client *Client

	mu       sync.Mutex
	requests []*http.Request
	answers  []http.HandlerFunc
}

func newScript(t *testing.T, cfg Config, answers ...http.HandlerFunc) *script {
	t.Helper()
	s := &script{answers: answers}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	cfg.URL, cfg.Key = srv.URL, secret
	var err error
	s.client, err = New(cfg)
	require.NoError(t, err)
	s.client.pause = time.Millisecond
	t.Cleanup(func() { require.NoError(t, s.client.Close()) })
	return s
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	s.mu.Unlock()
	answer(w, r)
}

// seen returns the requests so far.
func (s *script) seen() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

func say(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// hangUp ends the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// busy puts a request off.
func busy(after string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", after)
		say(http.StatusTooManyRequests, `{"error_code": "rate_limited", "message": "Later."}`)(w, r)
	}
}

const aBatch = `{"id": "` + batchID + `", "name": "n", "agent_id": "a", "from_number_id": "f", "region": "EU",
	"target_concurrency_limit": 4, "weight": 1, "ringing_timeout_seconds": 60, "max_call_duration_minutes": 480,
	"status": "in_progress", "retry_count": 2, "created_at": "2026-06-15T16:00:00Z",
	"last_updated_at": "2026-06-15T16:00:01.25Z", "paused_at": "2026-06-15T17:00:00Z", "later": {"x": [1]},
	"counts": {"queued": 1, "dispatched": 2, "started": 3, "completed": 4, "failed": 5, "cancelled": 0}}`

func day(hour, minute, second, nano int) time.Time {
	return time.Date(2026, 6, 15, hour, minute, second, nano, time.UTC)
}
