package twilio_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
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

// node is a process by itself, which Twilio does not reach but over others.
type node struct {
	*twilio.Dialer

	server *httptest.Server
	seen   atomic.Int64 // requests
}

// newNode serves a dialer under an address of its own.
func newNode(t *testing.T, d *twilio.Dialer) *node {
	t.Helper()
	n := &node{Dialer: d}
	n.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.seen.Add(1)
		d.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(n.server.Close)
	return n
}

// proxy takes requests to the node.
func (n *node) proxy(t *testing.T) http.Handler {
	t.Helper()
	u, err := url.Parse(n.server.URL)
	require.NoError(t, err)
	transport := &http.Transport{ResponseHeaderTimeout: soon}
	t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
}

// always is an owner that does not change.
func always(h http.Handler, err error) twilio.OwnerFunc {
	return func(context.Context, string, string) (http.Handler, error) { return h, err }
}

// mount puts another process in front, which finds the owners of calls as it is told.
func (r *rig) mount(t *testing.T, find twilio.OwnerFunc) *node {
	t.Helper()
	d := r.open(t)
	d.FindOwners(find)
	return &node{Dialer: d}
}

// onlyCallbacks has calls end by what is called back, and by nothing else.
func onlyCallbacks(c *twilio.Config) { c.Timing.PollAfter = time.Minute }

// TestWhatReachesTheWrongNodeIsPassedOn has every callback and stream arrive at a process that follows no call.
func TestWhatReachesTheWrongNodeIsPassedOn(t *testing.T) {
	t.Parallel()
	hangUp := func(ctx context.Context, c *wsConn) {
		untilMedia(ctx, c)
		_ = c.Close(websocket.StatusNormalClosure, "")
	}
	for _, test := range []struct {
		name  string
		goes  twiliotest.Behaviour
		agent func(context.Context, *wsConn)
		ends  dialer.EndReason
		seen  int64 // requests at the owner
	}{
		{name: "the callee hangs up", goes: twiliotest.Behaviour{Ring: brief, Talk: 500 * time.Millisecond}, ends: dialer.ClientHangup, seen: 6},
		{name: "the agent hangs up", goes: twiliotest.Behaviour{Ring: brief, Talk: twiliotest.Forever}, agent: hangUp, ends: dialer.AgentHangup, seen: 6},
		{name: "busy", goes: twiliotest.Behaviour{Ring: brief, End: "busy"}, ends: dialer.DialBusy, seen: 3},
		{name: "the stream breaks", goes: twiliotest.Behaviour{Talk: twiliotest.Forever, Stream: twiliotest.StreamFault{BreakAt: 100 * time.Millisecond}}, ends: dialer.ClientDisconnected, seen: 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *twilio.Config) {
				onlyCallbacks(c)
				c.Machines = twilio.Detect
			})
			if test.agent != nil {
				r.agent.does(test.agent)
			}
			r.twilio.Script(string(ada), test.goes)
			owner := newNode(t, r.Dialer)
			to := owner.proxy(t)
			r.mount(t, func(_ context.Context, org, id string) (http.Handler, error) {
				if org != "org" || id != "call" {
					return nil, dialer.ErrUnknownCall
				}
				return to, nil
			})
			got := begin(t, owner.Dial, r.call("call", ada)).over()
			require.NoError(t, got.err)
			require.Equal(t, test.ends, got.outcome.Reason, got.outcome.Message)
			r.noneLive(t)
			require.Eventually(t, func() bool { return owner.seen.Load() >= test.seen }, soon, tick)
		})
	}
}

// TestAnOwnerThatIsGoneIsLookedForAnew has a process die whose calls another one takes over, as its store says a
// moment later.
func TestAnOwnerThatIsGoneIsLookedForAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t, onlyCallbacks)
	r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: time.Second / 2, Talk: twiliotest.Forever})
	first := newNode(t, r.Dialer)
	call := r.call("call", ada)
	u := begin(t, first.Dial, call)
	call.Ref = u.reach(dialer.Ringing)
	dead := first.proxy(t)
	first.server.Close()

	second := newNode(t, r.make(t))
	alive := second.proxy(t)
	var asked atomic.Int64
	r.mount(t, func(context.Context, string, string) (http.Handler, error) {
		if asked.Add(1) < 4 {
			return dead, nil
		}
		return alive, nil
	})
	u.cancel(dialer.ErrDetached)
	require.ErrorIs(t, u.over().err, dialer.ErrDetached)
	v := begin(t, second.Resume, call)
	v.reach(dialer.Connected)
	require.Eventually(t, func() bool { return len(r.agent.messages()) > 3 }, soon, tick, "the agent is talked to over both")
	r.update(t, call.Ref, "completed")
	require.Equal(t, dialer.ClientHangup, v.over().outcome.Reason)
	require.GreaterOrEqual(t, asked.Load(), int64(4))
}

// TestARequestWaitsForATakeover has a stream come to a process that is about to take its call over.
func TestARequestWaitsForATakeover(t *testing.T) {
	t.Parallel()
	for name, isPassedOn := range map[string]bool{"from Twilio": false, "passed on": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, onlyCallbacks)
			r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: 200 * time.Millisecond, Talk: twiliotest.Forever})
			call := r.call("call", ada)
			u := begin(t, r.Dial, call)
			call.Ref = u.reach(dialer.Accepted)
			asked := make(chan struct{}, 100)
			waits := func(context.Context, string, string) (http.Handler, error) {
				asked <- struct{}{}
				return nil, nil //nolint:nilnil // as OwnerFunc has it
			}
			next := r.mount(t, waits)
			if isPassedOn {
				owner := newNode(t, next.Dialer)
				r.mount(t, always(owner.proxy(t), nil))
			}
			u.cancel(dialer.ErrDetached)
			require.ErrorIs(t, u.over().err, dialer.ErrDetached)
			require.Eventually(t, func() bool {
				e := r.twilio.Books()[0]
				return e.Answered && len(asked) > 3
			}, soon, tick)
			v := begin(t, next.Resume, call)
			v.reach(dialer.Connected)
			require.Eventually(t, func() bool { return len(r.agent.messages()) > 3 }, soon, tick, "it has its stream")
			v.cancel(nil)
			require.Equal(t, dialer.APICancelled, v.over().outcome.Reason)
			r.noneLive(t)
		})
	}
}

// TestWhatTurnsUpAfterARestartIsHungUp has a call turn up whose attempt has ended before its process was started
// anew, as only the host's store knows.
func TestWhatTurnsUpAfterARestartIsHungUp(t *testing.T) {
	t.Parallel()
	ended := always(nil, errors.Join(errors.New("it has ended"), dialer.ErrOver))
	for name, test := range map[string]struct {
		goes   twiliotest.Behaviour
		find   twilio.OwnerFunc
		status string // of the call in the end; empty: it goes on
	}{
		"it rings": {goes: twiliotest.Behaviour{Ring: twiliotest.Forever}, find: ended, status: "canceled"},
		"only the stream tells": {
			goes: twiliotest.Behaviour{Talk: twiliotest.Forever, All: lose}, find: ended, status: "completed",
		},
		"the callbacks tell too": {goes: twiliotest.Behaviour{Talk: twiliotest.Forever}, find: ended, status: "completed"},
		"nobody knows the call": {
			goes: twiliotest.Behaviour{Ring: twiliotest.Forever}, find: always(nil, dialer.ErrUnknownCall),
		},
		"the store cannot be asked": {
			goes: twiliotest.Behaviour{Ring: twiliotest.Forever}, find: always(nil, errors.New("no connection")),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *twilio.Config) { c.Timing.LookUp = 200 * time.Millisecond })
			test.goes.Create = []twiliotest.Fault{{Reset: true, Late: time.Second}}
			r.twilio.Script(string(ada), test.goes)
			require.Equal(t, isUnknown, r.dial(t, r.call("call", ada)).end())
			require.NoError(t, r.Close())
			var mu sync.Mutex
			var orgs []string
			r.mount(t, func(ctx context.Context, org, id string) (http.Handler, error) {
				mu.Lock()
				defer mu.Unlock()
				orgs = append(orgs, org+"/"+id)
				return test.find(ctx, org, id)
			})
			require.Eventually(t, func() bool { return r.twilio.Placed() == 1 }, soon, tick)
			if test.status == "" {
				require.Eventually(t, func() bool {
					mu.Lock()
					defer mu.Unlock()
					return len(orgs) >= 2
				}, soon, tick)
				require.Equal(t, 1, r.twilio.Live(), "it may be somebody else's")
				return
			}
			r.noneLive(t)
			require.Equal(t, test.status, r.twilio.Books()[0].Status)
			require.Empty(t, r.agent.messages(), "no agent was bothered")
			mu.Lock()
			defer mu.Unlock()
			require.Contains(t, orgs, "org/call")
		})
	}
}

// TestNothingIsPassedOnTwice has two processes of which each takes the other one for the owner.
func TestNothingIsPassedOnTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: 500 * time.Millisecond})
	one, two := newNode(t, r.make(t)), newNode(t, r.make(t))
	one.FindOwners(always(two.proxy(t), nil))
	two.FindOwners(always(one.proxy(t), nil))
	r.host.Store(one.Dialer) // by Twilio, and not over its server
	got := r.dial(t, r.call("call", ada))
	require.NoError(t, got.err)
	require.Zero(t, one.seen.Load(), "it would go round and round")
	require.Positive(t, two.seen.Load())
}

// TestATokenIsReplacedNodeByNode has Twilio sign by the old token still, when the process that it reaches has been told
// of the new one, and the one that follows the call has not.
func TestATokenIsReplacedNodeByNode(t *testing.T) {
	t.Parallel()
	r := newRig(t, onlyCallbacks)
	r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: brief, Talk: 500 * time.Millisecond})
	owner := newNode(t, r.Dialer)
	r.config.AuthToken, r.config.OldAuthTokens = "a new token", []string{token}
	r.mount(t, always(owner.proxy(t), nil))
	got := begin(t, owner.Dial, r.call("call", ada)).over()
	require.NoError(t, got.err)
	require.Equal(t, dialer.ClientHangup, got.outcome.Reason, got.outcome.Message)
	require.NotEmpty(t, r.agent.messages(), "the stream was passed on")
	require.Equal(t, "200", got.outcome.Details["sip_code"], "the callbacks were")
}

// TestTheMarkOfBeingPassedOn is made by who has the auth token only.
func TestTheMarkOfBeingPassedOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var marks []string
	r.FindOwners(always(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		marks = append(marks, req.Header.Get("Outdial-Passed-On"))
		w.WriteHeader(http.StatusNoContent)
	}), nil))
	path := twilio.ReferencePath(dialer.Call{Org: "org", ID: "x"}) + "/status?call=x"
	mark := func(values ...string) func(*http.Request) {
		return func(req *http.Request) { req.Header["Outdial-Passed-On"] = values }
	}
	post := func(path string, change func(*http.Request)) int {
		return r.callback(t, path, formKind, aForm.Encode(), change)
	}
	require.Equal(t, http.StatusNoContent, post(path, nil))
	require.NoError(t, r.Close()) // which waits for what is passed on
	require.Len(t, marks, 1)
	good := marks[0]
	other := twilio.ReferencePath(dialer.Call{Org: "another", ID: "x"}) + "/status?call=x"
	require.Equal(t, http.StatusMisdirectedRequest, post(path, mark(good)))
	require.Equal(t, http.StatusForbidden, post(path, mark("")))
	require.Equal(t, http.StatusForbidden, post(path, mark("x")))
	require.Equal(t, http.StatusForbidden, post(path, mark(good[1:])))
	require.Equal(t, http.StatusForbidden, post(path, mark(good, good)))
	require.Equal(t, http.StatusForbidden, post(other, mark(good)), "it is good for one request")
	require.Equal(t, http.StatusForbidden, post(path, func(req *http.Request) {
		mark(good)(req)
		req.Header.Set("X-Twilio-Signature", twiliotest.Sign("another", "x", nil))
	}))
	require.Equal(t, http.StatusBadRequest, post(strings.Replace(path, "call=x", "call=y", 1), nil), "another call's path")
	require.Len(t, marks, 1)
}

// TestCallbacksAreAnsweredBeforeTheyArePassedOn has another process that takes its time.
func TestCallbacksAreAnsweredBeforeTheyArePassedOn(t *testing.T) {
	t.Parallel()
	passing, answered := make(chan string, 1), make(chan struct{})
	r := newRig(t, func(c *twilio.Config) {
		c.Owner = always(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			select {
			case <-answered:
			case <-req.Context().Done():
			}
			body := new(strings.Builder)
			_ = req.Write(body)
			passing <- body.String()
		}), nil)
	})
	path := twilio.ReferencePath(dialer.Call{Org: "org", ID: "x"}) + "/status?call=x"
	require.Equal(t, http.StatusNoContent, r.callback(t, path, formKind, aForm.Encode(), nil))
	close(answered)
	require.Contains(t, <-passing, aForm.Encode(), "the whole request is passed on")
}

func FuzzReference(f *testing.F) {
	f.Add("org", "call_1", "/twilio", "/status")
	f.Add("a/b c.%2F", "", "", "/stream")
	f.Fuzz(func(t *testing.T, org, call, front, end string) {
		path := twilio.ReferencePath(dialer.Call{Org: org, ID: call})
		require.Regexp(t, `^(/call\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*)?$`, path)
		require.LessOrEqual(t, len(path), 201)
		if path != "" {
			last, o, c, ok := twilio.PathIn(&url.URL{Path: front + path + "/stream"})
			require.True(t, ok)
			require.Equal(t, []string{"/stream", org, call}, []string{last, o, c})
		}
		if _, o, c, ok := twilio.PathIn(&url.URL{Path: front + end}); ok && (o != "" || c != "") {
			require.Contains(t, front+end, twilio.ReferencePath(dialer.Call{Org: o, ID: c}))
		}
	})
}
