package main

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
	"github.com/outdial/outdial/store"
)

// balancer stands before several processes, under the one address that a carrier knows.
type balancer struct {
	t      *testing.T
	server *httptest.Server
	choose atomic.Pointer[func(*http.Request) string] // the URL of the process that gets a request
}

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	b := &balancer{t: t}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			to, err := url.Parse((*b.choose.Load())(r.In))
			if err == nil {
				r.SetURL(to)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	b.server = httptest.NewServer(proxy)
	t.Cleanup(func() {
		b.server.Close()
		transport.CloseIdleConnections()
	})
	return b
}

func (b *balancer) address() string { return strings.TrimPrefix(b.server.URL, "http://") }

func (b *balancer) sendsTo(choose func(*http.Request) string) { b.choose.Store(&choose) }

// openStore opens the database beside those who dial.
func openStore(t *testing.T, address string) *nodeStore {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	s, err := database{url: u}.open(t.Context(), quietLogger())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

var referred = regexp.MustCompile(`/call\.([\w-]+)\.([\w-]+)/\w+$`)

// wrong sends what is about a call to a process that does not have it.
type wrong struct {
	t     *testing.T
	store *nodeStore
	nodes []string // URLs

	mu    sync.Mutex
	count map[string]int // requests, by the last element of their path
}

func (w *wrong) choose(r *http.Request) string {
	m := referred.FindStringSubmatch(r.URL.Path)
	if m == nil {
		w.t.Errorf("a request does not say of which call it is: %s", r.URL.Path)
		return ""
	}
	org, _ := base64.RawURLEncoding.DecodeString(m[1])
	id, _ := base64.RawURLEncoding.DecodeString(m[2])
	call, err := w.store.Call(r.Context(), string(org), string(id))
	if err != nil {
		return w.nodes[0] // the stand-in is being closed
	}
	nodes, err := w.store.reached(r.Context())
	if err != nil {
		return w.nodes[0]
	}
	for _, n := range nodes {
		if n.ID == call.Owner {
			w.mu.Lock()
			w.count[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]]++
			w.mu.Unlock()
			if n.url == w.nodes[0] {
				return w.nodes[1]
			}
		}
	}
	return w.nodes[0]
}

// TestWhatACarrierSendsToTheWrongProcess has two share a batch, and everything that Twilio sends reach the one that
// has not the call: callbacks, and the audio of every call.
func TestWhatACarrierSendsToTheWrongProcess(t *testing.T) {
	address := newPostgres(t)
	w, b, a := newWorld(t, fast), newBalancer(t), newStudio(t)
	carrier := newTwilio(t, b.address(), 2*time.Second) // or they hang up before their audio has come
	w.write("config.yaml", swapConfig(a.url(), carrier.url()))
	one, two := w.serveOver(address, "--lease", "5s").ready(), w.serveOver(address, "--lease", "5s").ready()
	out := &wrong{t: t, store: openStore(t, address), nodes: []string{one.url, two.url}, count: map[string]int{}}
	b.sendsTo(out.choose)
	one.eventually(func() bool { // each has its share of the carrier
		nodes, err := out.store.Nodes(t.Context())
		return err == nil && len(nodes) == 2 && nodes[0].Shares[0] > 0 && nodes[1].Shares[0] > 0
	})
	const each = 15 // more than the carrier has channels for, so that one alone does not take all
	id := one.createFrom(w.callees("people.csv", each, agentEnds, calleeEnds, isBusy, fails))
	two.over(id)

	owners := map[string]int{}
	calls, err := out.store.Calls(t.Context(), store.CallQuery{Org: "demo", BatchID: id})
	require.NoError(t, err)
	require.Len(t, calls, 4*each)
	ends := map[dialer.EndReason]int{}
	for _, c := range calls {
		owners[c.Owner]++
		ends[c.EndReason]++
		if c.EndReason != dialer.DialNoAnswer {
			require.NotEmpty(t, c.Details["sip_code"], "its callbacks have come: %v", c.Details)
		}
	}
	require.Equal(t, map[dialer.EndReason]int{
		dialer.AgentHangup: each, dialer.ClientHangup: each, dialer.DialBusy: each, dialer.DialFailed: each,
	}, ends)
	require.Len(t, owners, 2, "both have dialled")
	require.Len(t, a.calls(), 2*each, "the agent has had each call that was answered")
	require.Zero(t, carrier.live())
	for number, times := range carrier.placed() {
		require.Equal(t, 1, times, number)
	}
	for _, s := range []*served{one, two} {
		r := s.stop()
		require.Zero(t, r.code, r.errOut)
		require.NotContains(t, r.errOut, "could not be passed on")
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	require.Equal(t, 2*each, out.count["stream"])
	require.GreaterOrEqual(t, out.count["status"], 4*each*2)
}

// TestTheProcessThatHasTheCallsIsKilled has everything that Twilio sends reach another one, which takes the calls
// over.
func TestTheProcessThatHasTheCallsIsKilled(t *testing.T) {
	address := newPostgres(t)
	w, b, a := newWorld(t, fast), newBalancer(t), newStudio(t)
	carrier := newTwilio(t, b.address(), time.Second)
	for n := range 6 { // they are answered when their process is gone, and before anybody has taken them over
		carrier.carrier.Script(callee(calleeEnds, n), twiliotest.Behaviour{Ring: 3 * time.Second, Talk: 5 * time.Second})
	}
	w.write("config.yaml", swapConfig(a.url(), carrier.url()))
	binary := w.path("outdial.exe")
	said, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(said))
	doomed := exec.Command(binary, "serve", "--listen", freeAddress(t), "--config", w.path("config.yaml"),
		"--store", address, "--lease", "2s")
	require.NoError(t, doomed.Start())
	t.Cleanup(func() { _ = doomed.Process.Kill() })
	st := openStore(t, address)
	require.Eventually(t, func() bool {
		nodes, err := st.Nodes(t.Context())
		return err == nil && len(nodes) == 1
	}, 30*time.Second, 10*time.Millisecond)

	other := w.serveOver(address, "--lease", "2s") // its part of the carrier comes after a while
	b.sendsTo(func(*http.Request) string { return other.url })
	id := other.createFrom(w.callees("people.csv", 6, calleeEnds))
	other.eventually(func() bool { return carrier.live() == 6 })
	calls, err := st.Calls(t.Context(), store.CallQuery{Org: "demo", BatchID: id})
	require.NoError(t, err)
	require.NoError(t, doomed.Process.Kill())
	require.Error(t, doomed.Wait(), "it was killed")
	other.over(id)
	require.Equal(t, 6, other.counts(id)["completed"])
	require.Zero(t, carrier.live())
	for number, times := range carrier.placed() {
		require.Equal(t, 1, times, number)
	}
	require.Len(t, a.calls(), 6, "each has talked to the agent: the streams waited for the takeover")
	taken := 0
	for _, before := range calls {
		now, err := st.Call(t.Context(), "demo", before.ID)
		require.NoError(t, err)
		require.Equal(t, dialer.ClientHangup, now.EndReason)
		if now.Owner != before.Owner {
			taken++
		}
	}
	require.Positive(t, taken, "the other one has taken over")
	require.Zero(t, other.stop().code)
}

// TestACallThatTurnsUpAfterARestart is of an attempt that has ended before: what has rung nobody yet is not to.
func TestACallThatTurnsUpAfterARestart(t *testing.T) {
	w, b, a := newWorld(t, fast), newBalancer(t), newStudio(t)
	carrier := newTwilio(t, b.address(), time.Minute)
	carrier.carrier.Script(callee(calleeEnds, 0), twiliotest.Behaviour{
		Ring: twiliotest.Forever, Create: []twiliotest.Fault{{Reset: true, Late: 15 * time.Second}},
	})
	w.write("config.yaml", swapConfig(a.url(), carrier.url()))
	s := w.serve().ready()
	b.sendsTo(func(*http.Request) string { return s.url })
	id := s.createFrom(w.callees("people.csv", 1, calleeEnds))
	s.eventually(func() bool { return s.counts(id)["dispatched"] == 1 })
	_, text := s.ask(http.MethodGet, "/agents/calls?agent_id=greeter", "")
	call := regexp.MustCompile(`"(call_\w+)"`).FindStringSubmatch(text)
	require.NotNil(t, call, text)
	status, text := s.ask(http.MethodPost, "/agents/calls/"+call[1]+"/cancel", "")
	require.Equal(t, http.StatusOK, status, text)
	s.over(id)
	require.Zero(t, s.stop().code)
	require.Empty(t, carrier.placed(), "it has not turned up yet")

	again := w.serve().ready()
	b.sendsTo(func(*http.Request) string { return again.url })
	again.eventually(func() bool { return len(carrier.placed()) == 1 && carrier.live() == 0 })
	require.Equal(t, "canceled", carrier.carrier.Books()[0].Status)
	require.Zero(t, again.stop().code)
}
