package twilio_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

const (
	account = "AC00000000000000000000000000000001"
	token   = "the auth token"
	from    = dialer.Phone("+442071838750")
	ada     = dialer.Phone("+14155550123")

	nowhere = "http://127.0.0.1:1" // where no other test can come to listen

	soon = 10 * slower * time.Second
	tick = 5 * time.Millisecond
)

// rig is a dialer, the stand-in that it calls over, and an agent.
type rig struct {
	*twilio.Dialer

	twilio *twiliotest.Twilio
	agent  *agent
	config twilio.Config
	api    *httptest.Server
	public *httptest.Server
	host   atomic.Pointer[twilio.Dialer] // whose Handler is mounted
	idle   int                           // connections to the API
}

// newRig makes one with times that suit a test. wrap sees every request to the API.
func newRig(tb testing.TB, change func(*twilio.Config), wrap ...func(http.Handler) http.Handler) *rig {
	tb.Helper()
	return newRigOver(tb, twiliotest.Config{}, change, wrap...)
}

// newRigOver says what the stand-in is like.
func newRigOver(tb testing.TB, c twiliotest.Config, change func(*twilio.Config), wrap ...func(http.Handler) http.Handler) *rig {
	tb.Helper()
	c.AccountSID, c.AuthToken = account, token
	r := &rig{twilio: twiliotest.New(c), agent: newAgent(tb), idle: max(c.Idle, 4)}
	var api http.Handler = r.twilio
	for _, w := range wrap {
		api = w(api)
	}
	r.api = httptest.NewServer(api)
	r.public = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.host.Load().Handler().ServeHTTP(w, req)
	}))
	r.config = twilio.Config{
		AccountSID: account, AuthToken: token,
		BaseURL: r.api.URL, PublicURL: r.public.URL + "/twilio", InsecureLoopback: true,
		Timing: twilio.Timing{
			Request: slower * slower * time.Second, Create: 2 * slower * time.Second,
			LookUp: slower * time.Second, LookUpEvery: 100 * time.Millisecond,
			Queue: 2 * slower * time.Second, PollAfter: 200 * time.Millisecond, PollEvery: 300 * time.Millisecond,
			Settle: 200 * time.Millisecond, HangUp: 5 * slower * time.Second, Reap: 10 * slower * time.Second,
		},
	}
	if change != nil {
		change(&r.config)
	}
	r.Dialer = r.open(tb)
	tb.Cleanup(func() {
		r.twilio.Close()
		r.public.Close()
		r.api.Close()
	})
	tb.Cleanup(func() { require.NoError(tb, r.Close()) })
	return r
}

// findsIt is for a call that is in the account's list, however long a busy machine takes to say so.
func findsIt(c *twilio.Config) { c.Timing.LookUp, c.Timing.HangUp = soon, soon }

// open makes a dialer as another process would, and mounts it.
func (r *rig) open(tb testing.TB) *twilio.Dialer {
	tb.Helper()
	d := r.make(tb)
	r.host.Store(d)
	return d
}

// make makes a dialer without mounting it.
func (r *rig) make(tb testing.TB) *twilio.Dialer {
	tb.Helper()
	transport := &http.Transport{MaxIdleConns: r.idle, MaxIdleConnsPerHost: r.idle}
	tb.Cleanup(transport.CloseIdleConnections)
	return r.makeOver(tb, transport)
}

func (r *rig) makeOver(tb testing.TB, transport http.RoundTripper) *twilio.Dialer {
	tb.Helper()
	config := r.config
	config.Transport = transport
	d, err := twilio.New(config)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, d.Close()) })
	return d
}

// openOver is open with a transport.
func (r *rig) openOver(tb testing.TB, transport http.RoundTripper) *twilio.Dialer {
	tb.Helper()
	d := r.makeOver(tb, transport)
	r.host.Store(d)
	return d
}

func (r *rig) call(id string, to dialer.Phone) dialer.Call {
	return dialer.Call{
		ID: id, Org: "org", Batch: "batch", Recipient: "recipient", Attempt: 1, From: from, To: to,
		Agent:       dialer.Agent{ID: "agent", URL: r.agent.url()},
		RingTimeout: 5 * time.Second, MaxDuration: time.Hour, PlacedAt: time.Now(),
	}
}

// agent is somebody who listens until the call ends.
type agent struct {
	server *httptest.Server

	mu     sync.Mutex
	behave func(context.Context, *websocket.Conn)
	header http.Header
	heard  [][]byte
}

func newAgent(tb testing.TB) *agent {
	tb.Helper()
	a := &agent{}
	var talks sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	a.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		talks.Add(1)
		defer talks.Done()
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow() //nolint:errcheck // it is gone
		a.mu.Lock()
		behave := a.behave
		a.header = r.Header.Clone()
		a.mu.Unlock()
		if behave == nil {
			behave = a.listen
		}
		behave(ctx, conn)
	}))
	tb.Cleanup(func() {
		cancel()
		talks.Wait()
		a.server.Close()
	})
	return a
}

func (a *agent) url() string { return "ws" + a.server.URL[len("http"):] + "/talk?agent=a" }

func (a *agent) does(behave func(context.Context, *websocket.Conn)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.behave = behave
}

func (a *agent) listen(ctx context.Context, conn *websocket.Conn) {
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			return
		}
		a.mu.Lock()
		if len(a.heard) < 1000 {
			a.heard = append(a.heard, message)
		}
		a.mu.Unlock()
	}
}

func (a *agent) asked() http.Header {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.header
}

func (a *agent) messages() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for _, m := range a.heard {
		all = append(all, string(m))
	}
	return all
}

// dialled is what came of a call.
type dialled struct {
	outcome dialer.Outcome
	err     error
	reports []dialer.Progress
}

type placeFunc func(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error)

func place(ctx context.Context, f placeFunc, call dialer.Call, told chan<- dialer.Progress) dialled {
	var r dialled
	r.outcome, r.err = f(ctx, call, func(p dialer.Progress) {
		r.reports = append(r.reports, p)
		if told != nil {
			told <- p
		}
	})
	return r
}

// underway is a call that goes on.
type underway struct {
	t      *testing.T
	told   chan dialer.Progress
	result chan dialled
	cancel context.CancelCauseFunc
}

func begin(t *testing.T, f placeFunc, call dialer.Call) *underway {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	u := &underway{t: t, told: make(chan dialer.Progress, 8), result: make(chan dialled, 1), cancel: cancel}
	t.Cleanup(func() { cancel(nil) })
	go func() { u.result <- place(ctx, f, call, u.told) }()
	return u
}

// reach waits until the call has come so far, and returns what it is called.
func (u *underway) reach(stage dialer.Stage) string {
	u.t.Helper()
	timeout := time.After(soon)
	for {
		select {
		case p := <-u.told:
			if p.Stage >= stage {
				return p.Ref
			}
		case r := <-u.result:
			u.t.Fatalf("the call ended before it was %v: %q, %v", stage, r.outcome.Reason, r.err)
		case <-timeout:
			u.t.Fatalf("the call is not %v", stage)
		}
	}
}

func (u *underway) over() dialled {
	u.t.Helper()
	select {
	case r := <-u.result:
		return r
	case <-time.After(3 * soon):
		u.t.Fatal("the call did not end")
		return dialled{}
	}
}

func (r *rig) dial(t *testing.T, call dialer.Call) dialled {
	t.Helper()
	return begin(t, r.Dial, call).over()
}

func (r *rig) noneLive(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return r.twilio.Live() == 0 }, soon, 10*tick)
}
