package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// The keys of the front's tests.
const (
	keyOfAcme  = "od_acme"
	keyOfAcme2 = "od_acme_2"
	keyOfOther = "od_other"
)

// logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newLogger(l *logbook) *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// lines returns the entries with a message.
func (l *logbook) lines(t *testing.T, msg string) (found []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		entry := map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		if entry["msg"] == msg {
			found = append(found, entry)
		}
	}
	return found
}

// frontOf makes the front before routes of the test's own.
func frontOf(t *testing.T, cfg Config, routes ...route) (http.Handler, *logbook) {
	t.Helper()
	book := admitting(t, &cfg)
	return newAPI(cfg.withDefaults()).front(routes), book
}

// admitting completes cfg with the keys and with the logbook.
func admitting(t *testing.T, cfg *Config) *logbook {
	t.Helper()
	if cfg.Authenticate == nil {
		keys, err := NewKeys(map[[sha256.Size]byte]string{
			HashKey(keyOfAcme): "acme", HashKey(keyOfAcme2): "acme", HashKey(keyOfOther): "other",
		})
		require.NoError(t, err)
		cfg.Authenticate = keys.Authenticate
	}
	book := &logbook{}
	cfg.Logger = newLogger(book)
	return book
}

// things is a route whose endpoints answer who asked for what.
func things() route {
	say := func(w http.ResponseWriter, r *request) error {
		_, err := fmt.Fprintf(w, "%s %s %s %s", r.org, r.version, r.Method, r.PathValue("thing"))
		return err
	}
	return route{pattern: "/agents/things/{thing}", methods: map[string]endpoint{
		http.MethodGet: say, http.MethodPost: say,
	}}
}

// doing is a route with one endpoint for GET and POST.
func doing(do endpoint) route {
	return route{pattern: "/agents/do", methods: map[string]endpoint{http.MethodGet: do, http.MethodPost: do}}
}

// ask makes a request that is in order but for what headers change: an empty value takes
// one away.
func ask(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set(headerAuthorization, "Bearer "+keyOfAcme)
	r.Header.Set(headerVersion, version202603)
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Del(headers[i]); headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// refused checks that an answer is an error as it should be, and returns its body.
func refused(t *testing.T, w *httptest.ResponseRecorder, status int, code Code) errorBody {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var b errorBody
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &b, json.RejectUnknownMembers(true)))
	require.Equal(t, code, b.ErrorCode)
	require.Equal(t, w.Header().Get(headerRequestID), b.RequestID)
	require.NotEmpty(t, b.Title)
	require.NotEmpty(t, b.Message)
	return b
}

// leaving makes the context of a client that has left.
func leaving(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
