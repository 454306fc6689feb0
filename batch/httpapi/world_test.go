package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/httpapi"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// office is a Directory in which every organisation knows the agents agent and other, and the
// number number.
type office struct {
	mu    sync.Mutex
	usage bool // exceeded
	limit int
}

func (o *office) Organisation(context.Context, string) (batch.Organisation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return batch.Organisation{ConcurrencyLimit: o.limit, UsageExceeded: o.usage}, nil
}

func (*office) Agent(_ context.Context, _, id string) (dialer.Agent, error) {
	if id != "agent" && id != "other" {
		return dialer.Agent{}, batch.ErrNotFound
	}
	return dialer.Agent{ID: id}, nil
}

func (*office) Number(_ context.Context, _, id string) (batch.Number, error) {
	if id != "number" {
		return batch.Number{}, batch.ErrNotFound
	}
	return batch.Number{E164: "+442079460000", Carriers: []string{"fake"}, AnyRegion: true}, nil
}

func (o *office) set(change func(*office)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(o)
}

// world is a handler over an engine and a fake carrier. A key is the name of an organisation.
type world struct {
	tb      testing.TB
	dir     *office
	carrier *fake.Carrier
	engine  *batch.Engine
	handler http.Handler
	stop    func() error // the engine
}

const org = "acme"

// newWorld makes a world over a store, nil for one in memory. Nothing is dialled yet.
func newWorld(tb testing.TB, st store.Store) *world {
	tb.Helper()
	if st == nil {
		st = memory.New()
	}
	carrier, err := fake.New(fake.Config{Shares: fake.Shares{Answer: 1}})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, carrier.Close()) })
	w := &world{tb: tb, carrier: carrier, dir: &office{limit: 10}}
	w.engine, err = batch.New(batch.Config{
		Store: st, Directory: w.dir, Dialers: map[string]dialer.Dialer{"fake": carrier.WithoutResume()},
	})
	require.NoError(tb, err)
	w.handler, err = httpapi.New(httpapi.Config{
		Engine: w.engine, AccountTypes: map[string]string{"fake": "sip_trunk"},
		Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(r *http.Request) (string, error) {
			name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok {
				return "", httpapi.ErrUnauthenticated
			}
			return name, nil
		},
	})
	require.NoError(tb, err)
	return w
}

// run dials until stop or the end of the test.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.engine.Run(ctx) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	w.tb.Cleanup(func() { require.NoError(w.tb, w.stop()) })
}

// answer is what a request was answered with.
type answer struct {
	status int
	header http.Header
	body   string
	cut    bool // the connection was ended in the middle
}

// ask sends a request of an organisation, with headers in pairs.
func (w *world) ask(org, method, path, body string, headers ...string) (a answer) {
	w.tb.Helper()
	r := httptest.NewRequestWithContext(w.tb.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+org)
	r.Header.Set("Cartesia-Version", "2026-03-01")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil {
			require.Equal(w.tb, http.ErrAbortHandler, v)
			a.cut = true
		}
		a.status, a.header, a.body = rec.Code, rec.Header(), rec.Body.String()
	}()
	w.handler.ServeHTTP(rec, r)
	return a
}

func (w *world) get(path string) answer { w.tb.Helper(); return w.ask(org, http.MethodGet, path, "") }

func (w *world) post(path, body string, headers ...string) answer {
	w.tb.Helper()
	return w.ask(org, http.MethodPost, path, body, headers...)
}

// is checks the status and returns the body as JSON.
func (a answer) is(tb testing.TB, status int) object {
	tb.Helper()
	require.Equal(tb, status, a.status, a.body)
	require.False(tb, a.cut)
	require.Equal(tb, "application/json", a.header.Get("Content-Type"))
	var o object
	require.NoError(tb, json.Unmarshal([]byte(a.body), &o), a.body)
	return o
}

// object is a JSON object.
type object map[string]any

func (o object) text(key string) string {
	s, _ := o[key].(string)
	return s
}

func (o object) number(key string) int {
	n, _ := o[key].(float64)
	return int(n)
}

func (o object) object(key string) object {
	m, _ := o[key].(map[string]any)
	return m
}

func (o object) list(key string) []object {
	l, _ := o[key].([]any)
	out := make([]object, len(l))
	for i, x := range l {
		out[i] = x.(map[string]any)
	}
	return out
}

// paths are the paths of what is wrong.
func (o object) paths() []string {
	var paths []string
	for _, e := range o.list("errors") {
		paths = append(paths, e.text("path"))
	}
	return paths
}

const batchesPath = "/agents/calls/batches"

func number(i int) string { return fmt.Sprintf("+1202555%04d", i) }

// requestOf is the body of a request for n recipients, with more members if need be.
func requestOf(n int, more string) string {
	var b strings.Builder
	b.WriteString(`{"name":"test","agent_id":"agent","from_number_id":"number",` + more + `"recipients":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"to_number":%q}`, number(i))
	}
	return b.String() + "]}"
}

// create creates a batch and returns its id.
func (w *world) create(n int, more string) string {
	w.tb.Helper()
	return w.post(batchesPath, requestOf(n, more)).is(w.tb, http.StatusCreated).text("id")
}

// awaitOver waits until nothing of a batch is left to do.
func (w *world) awaitOver(id string) {
	w.tb.Helper()
	ctx, cancel := context.WithTimeout(w.tb.Context(), time.Minute)
	defer cancel()
	for c, err := range w.engine.Watch(ctx, org, id, 0) {
		require.NoError(w.tb, err)
		if c.Batch != nil && c.Batch.Counts.Over() {
			return
		}
	}
	w.tb.Fatal("the batch does not come to its end")
}

func (w *world) script(i int, b ...fake.Behaviour) { w.carrier.Script(dialer.Phone(number(i)), b...) }

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// pass lets time pass in a bubble, where it costs none.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // a bubble's clock, not the machine's

var errBroken = errors.New("the disk is full")
