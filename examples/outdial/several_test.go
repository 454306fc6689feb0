package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
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

// callOf is the call that a request of the carrier is about.
func callOf(r *http.Request) (org, id string, err error) {
	m := referred.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return "", "", fmt.Errorf("a request does not say of which call it is: %s", r.URL.Path)
	}
	names, err := base64.RawURLEncoding.DecodeString(m[1])
	if err != nil {
		return "", "", err
	}
	ids, err := base64.RawURLEncoding.DecodeString(m[2])
	return string(names), string(ids), err
}

// wrong sends what is about a call to a process that does not have it.
type wrong struct {
	t     *testing.T
	store *nodeStore
	nodes []string // URLs

	mu    sync.Mutex
	count map[string]int // requests, by the last element of their path
}

func (w *wrong) choose(r *http.Request) string {
	org, id, err := callOf(r)
	if err != nil {
		w.t.Error(err)
		return ""
	}
	call, err := w.store.Call(r.Context(), org, id)
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
	one, two := w.serveOver(address).ready(), w.serveOver(address).ready()
	out := &wrong{t: t, store: openStore(t, address), nodes: []string{one.url, two.url}, count: map[string]int{}}
	b.sendsTo(out.choose)

	// Who dials which call is left to the two, and on a busy machine one of them may be ahead with every call of a
	// batch. So there is another batch, created at the other one, until both have dialled.
	const each, most = 15, 6
	calls := out.shared([]*served{one, two}, most, func(round int, s *served) string {
		// With a target of all channels, of which each has its share, so that one alone cannot fill it.
		return s.createFrom(w.calleesFrom(round*each, "people.csv", each, agentEnds, calleeEnds, isBusy, fails),
			"target_concurrency_limit=20")
	})
	rounds := len(calls) / (4 * each)
	require.Len(t, calls, rounds*4*each)
	ends := map[dialer.EndReason]int{}
	for _, c := range calls {
		ends[c.EndReason]++
		if c.EndReason != dialer.DialNoAnswer {
			require.NotEmpty(t, c.Details["sip_code"], "its callbacks have come: %v", c.Details)
		}
	}
	all := rounds * each
	require.Equal(t, map[dialer.EndReason]int{
		dialer.AgentHangup: all, dialer.ClientHangup: all, dialer.DialBusy: all, dialer.DialFailed: all,
	}, ends)
	require.Len(t, a.calls(), 2*all, "the agent has had each call that was answered")
	require.Zero(t, carrier.live())
	require.Len(t, carrier.placed(), 4*all)
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
	require.Equal(t, 2*all, out.count["stream"])
	require.GreaterOrEqual(t, out.count["status"], 4*all*2)
}

// shared has one batch after the other dialled, each created at another process, until each has dialled, and
// returns their calls. Before each, all have their share of the carrier.
func (w *wrong) shared(nodes []*served, most int, create func(round int, at *served) string) []store.Call {
	w.t.Helper()
	owners := map[string]bool{}
	var all []store.Call
	for round := 0; len(owners) < len(nodes); round++ {
		require.Less(w.t, round, most, "only %v have dialled", owners)
		at := nodes[round%len(nodes)]
		at.eventually(func() bool {
			known, err := w.store.Nodes(w.t.Context())
			return err == nil && len(known) == len(nodes) &&
				!slices.ContainsFunc(known, func(n store.Node) bool { return n.Shares[0] == 0 })
		})
		id := create(round, at)
		at.over(id)
		calls, err := w.store.Calls(w.t.Context(), store.CallQuery{Org: "demo", BatchID: id})
		require.NoError(w.t, err)
		for _, c := range calls {
			owners[c.Owner] = true
		}
		all = append(all, calls...)
	}
	return all
}

// TestTheProcessThatHasTheCallsIsKilled has everything that Twilio sends reach another one, which takes the calls
// over. They are answered when their process is gone, and before anybody has taken them over.
func TestTheProcessThatHasTheCallsIsKilled(t *testing.T) {
	t.Parallel()
	address := newPostgres(t)
	w, b, a := newWorld(t, fast), newBalancer(t), newStudio(t)
	carrier := newTwilio(t, b.address(), time.Second)
	const each, most = 6, 6
	for n := range each * most {
		carrier.carrier.Script(callee(calleeEnds, n), twiliotest.Behaviour{Ring: 3 * time.Second, Talk: 15 * time.Second})
	}
	w.write("config.yaml", swapConfig(a.url(), carrier.url()))
	doomed := w.starts(exec.Command(program(t), "serve", "--listen", "127.0.0.1:0", "--config", w.path("config.yaml"),
		"--store", address, "--lease", "3s"))
	doomed.ready()
	st := openStore(t, address)
	nodes, err := st.Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	isDoomed := func(c store.Call) bool { return c.Owner == nodes[0].ID }

	other := w.serveOver(address, "--lease", "3s") // its part of the carrier comes after a while
	killed := make(chan struct{})
	release := sync.OnceFunc(func() { close(killed) })
	defer release()
	b.sendsTo(func(r *http.Request) string {
		org, id, err := callOf(r)
		if err != nil || !strings.HasSuffix(r.URL.Path, "/stream") {
			return other.url
		}
		if c, err := st.Call(r.Context(), org, id); err == nil && isDoomed(c) {
			<-killed // one that was answered too soon for a busy machine
		}
		return other.url
	})
	// Who dials is left to the two. Where the other one has taken every call, there is another batch.
	var id string
	var calls []store.Call
	rounds := 0
	for ; !slices.ContainsFunc(calls, isDoomed); rounds++ {
		require.Less(t, rounds, most, "the process that is to be killed has dialled nobody")
		if id != "" {
			other.over(id)
		}
		id = doomed.createFrom(w.calleesFrom(rounds*each, "people.csv", each, calleeEnds))
		other.eventually(func() bool { return carrier.live() == each })
		calls, err = st.Calls(t.Context(), store.CallQuery{Org: "demo", BatchID: id})
		require.NoError(t, err)
	}
	require.NoError(t, doomed.process.Kill())
	require.NotZero(t, doomed.end().code, "it was killed")
	release()
	other.over(id)
	require.Equal(t, each, other.counts(id)["completed"])
	require.Zero(t, carrier.live())
	require.Len(t, carrier.placed(), rounds*each)
	for number, times := range carrier.placed() {
		require.Equal(t, 1, times, number)
	}
	require.Len(t, a.calls(), rounds*each, "each has talked to the agent: the streams waited for the takeover")
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
	t.Parallel()
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
