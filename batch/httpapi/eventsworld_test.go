package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// tenants is a Directory in which every organisation has the same agent and number.
type tenants struct{ limit int }

func (d tenants) Organisation(context.Context, string) (batch.Organisation, error) {
	return batch.Organisation{ConcurrencyLimit: d.limit}, nil
}

func (tenants) Agent(_ context.Context, _, id string) (dialer.Agent, error) {
	return dialer.Agent{ID: id}, nil
}

func (tenants) Number(context.Context, string, string) (batch.Number, error) {
	return batch.Number{E164: "+442079460000", Carriers: []string{"fake"}}, nil
}

// broadcast is a server with an engine that dials over a fake carrier, and its organisations'
// names for keys.
type broadcast struct {
	tb      testing.TB
	engine  *batch.Engine
	api     *api
	server  *httptest.Server
	carrier *fake.Carrier
	limit   int
}

func newBroadcast(tb testing.TB, st store.Store, limit int, carrier fake.Config, change ...func(*Config)) *broadcast {
	tb.Helper()
	if st == nil {
		st = memory.New()
	}
	line, err := fake.New(carrier)
	require.NoError(tb, err)
	engine, err := batch.New(batch.Config{
		Store: st, Directory: tenants{limit}, Dialers: map[string]dialer.Dialer{"fake": line.Dialer()},
	})
	require.NoError(tb, err)
	cfg := Config{Engine: engine, Authenticate: func(r *http.Request) (string, error) {
		return r.Header.Get("X-Api-Key"), nil
	}}
	for _, c := range change {
		c(&cfg)
	}
	b := &broadcast{tb: tb, engine: engine, carrier: line, limit: limit, api: newAPI(cfg.withDefaults())}
	b.server = httptest.NewServer(b.api.handler())
	tb.Cleanup(func() {
		b.server.CloseClientConnections()
		b.server.Close()
		require.NoError(tb, line.Close())
	})
	return b
}

// dial runs the engine until the test ends.
func (b *broadcast) dial() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.engine.Run(ctx) }()
	b.tb.Cleanup(func() {
		stop()
		require.NoError(b.tb, <-done)
	})
}

func (b *broadcast) create(org string, n int) store.Batch {
	b.tb.Helper()
	r := batch.Request{Name: "news", AgentID: "greeter", NumberID: "main", Target: b.limit}
	for i := range n {
		r.Recipients = append(r.Recipients, batch.RecipientRequest{To: fmt.Sprintf("+1202555%04d", i)})
	}
	made, err := b.engine.Create(context.Background(), org, r)
	require.NoError(b.tb, err)
	return made
}

// over waits until nothing of a batch is left to do.
func (b *broadcast) over(org, id string) store.Batch {
	b.tb.Helper()
	for c, err := range b.engine.Watch(b.tb.Context(), org, id, 0) {
		require.NoError(b.tb, err)
		if c.Batch != nil && c.Batch.Counts.Over() {
			return *c.Batch
		}
	}
	b.tb.Fatal("the batch did not come to its end")
	return store.Batch{}
}

func (b *broadcast) request(org, path string, headers ...string) *http.Request {
	b.tb.Helper()
	r, err := http.NewRequestWithContext(b.tb.Context(), http.MethodGet, b.server.URL+path, http.NoBody)
	require.NoError(b.tb, err)
	r.Header.Set("X-Api-Key", org)
	r.Header.Set("Cartesia-Version", version202603)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// listener reads events as a browser would.
type listener struct {
	tb   testing.TB
	body *bufio.Reader
	resp *http.Response
}

type event struct {
	id, kind string
	data     shownEvent
}

// shownEvent is what the tests look at of either object.
type shownEvent struct {
	ID         string         `json:"id"`
	BatchID    string         `json:"batch_id"`
	Status     string         `json:"status"`
	Cursor     string         `json:"cursor"`
	Scheduled  int            `json:"total_calls_scheduled"`
	Dispatched int            `json:"total_calls_dispatched"`
	Finished   int            `json:"total_calls_finished"`
	Counts     map[string]int `json:"counts"`
	Metadata   any            `json:"metadata"`
	Waiting    any            `json:"waiting"`
}

func (b *broadcast) listen(org, path string, headers ...string) *listener {
	b.tb.Helper()
	resp, err := http.DefaultTransport.RoundTrip(b.request(org, path, headers...))
	require.NoError(b.tb, err)
	b.tb.Cleanup(func() { resp.Body.Close() })
	require.Equal(b.tb, http.StatusOK, resp.StatusCode)
	require.Equal(b.tb, "text/event-stream", resp.Header.Get("Content-Type"))
	require.Equal(b.tb, "no-store", resp.Header.Get("Cache-Control"))
	l := &listener{tb: b.tb, body: bufio.NewReader(resp.Body), resp: resp}
	line, err := l.body.ReadString('\n')
	require.NoError(b.tb, err)
	require.Equal(b.tb, "retry: 1000\n", line)
	return l
}

func (l *listener) close() { l.resp.Body.Close() }

// next is the next event. ok is false when the connection ends.
func (l *listener) next() (e event, ok bool) {
	l.tb.Helper()
	for {
		line, err := l.body.ReadString('\n')
		if err != nil {
			return event{}, false
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.kind = value
		case "data":
			require.NoError(l.tb, json.Unmarshal([]byte(value), &e.data), value)
		case "":
			if e.id != "" {
				return e, true
			}
		}
	}
}

// keepsComing says whether a condition comes true within a time that no machine needs.
func keepsComing(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	require.Eventually(tb, cond, time.Minute, 5*time.Millisecond, what)
}

// deaf opens a connection, asks for events and reads nothing of them.
func (b *broadcast) deaf(org, path string) net.Conn {
	b.tb.Helper()
	conn, err := net.Dial("tcp", b.server.Listener.Addr().String())
	require.NoError(b.tb, err)
	tcp, ok := conn.(*net.TCPConn)
	require.True(b.tb, ok)
	require.NoError(b.tb, tcp.SetReadBuffer(4096))
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nCartesia-Version: %s\r\n\r\n", path, org, version202603)
	require.NoError(b.tb, err)
	b.tb.Cleanup(func() { conn.Close() })
	return conn
}

func (b *broadcast) listening(t topic) int {
	b.api.feeds.mu.Lock()
	defer b.api.feeds.mu.Unlock()
	if f := b.api.feeds.open[t]; f != nil {
		return f.listeners
	}
	return 0
}

// readsOf counts what is read of the engine for listeners.
func (b *broadcast) readsOf() *atomic.Int64 {
	var n atomic.Int64
	read := b.api.feeds.read
	b.api.feeds.read = func(ctx context.Context, t topic, after int64) ([]batch.Change, error) {
		n.Add(1)
		return read(ctx, t, after)
	}
	return &n
}
