package twilio_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

type wsConn = websocket.Conn

// untilMedia is an agent that has heard something.
func untilMedia(ctx context.Context, conn *websocket.Conn) bool {
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			return false
		}
		if strings.Contains(string(message), `"media"`) {
			return true
		}
	}
}

func TestHowAnAgentEndsACall(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		does   func(context.Context, *websocket.Conn)
		ends   dialer.EndReason
		reason string
	}{
		{name: "hangs up", ends: dialer.AgentHangup, does: func(ctx context.Context, c *websocket.Conn) {
			untilMedia(ctx, c)
			_ = c.Close(websocket.StatusNormalClosure, "")
		}},
		{name: "goes away", ends: dialer.AgentHangup, does: func(ctx context.Context, c *websocket.Conn) {
			untilMedia(ctx, c)
			_ = c.Close(websocket.StatusGoingAway, "")
		}},
		{name: "is lost", ends: dialer.ClientDisconnected, does: func(ctx context.Context, c *websocket.Conn) {
			untilMedia(ctx, c)
			_ = c.CloseNow()
		}},
		{name: "fails", ends: dialer.Error, reason: "status 1011", does: func(ctx context.Context, c *websocket.Conn) {
			untilMedia(ctx, c)
			_ = c.Close(websocket.StatusInternalError, "")
		}},
		{name: "says what it may not", ends: dialer.Error, reason: `"transfer"`, does: func(ctx context.Context, c *websocket.Conn) {
			_ = c.Write(ctx, websocket.MessageText, []byte(`{"event":"transfer"}`))
			untilMedia(ctx, c)
			_, _, _ = c.Read(ctx)
		}},
		{name: "sends bytes", ends: dialer.Error, reason: "expected media, mark or clear", does: func(ctx context.Context, c *websocket.Conn) {
			_ = c.Write(ctx, websocket.MessageBinary, []byte(`{"event":"media"}`))
			for untilMedia(ctx, c) {
			}
		}},
		{name: "says too much", ends: dialer.Error, reason: "more than", does: func(ctx context.Context, c *websocket.Conn) {
			_ = c.Write(ctx, websocket.MessageText, []byte(`{"event":"media","media":{"payload":"`+strings.Repeat("A", 2<<20)+`"}}`))
			for untilMedia(ctx, c) {
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.agent.does(test.does)
			r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever})
			got := r.dial(t, r.call("call", ada))
			require.NoError(t, got.err)
			require.Equal(t, test.ends, got.outcome.Reason, got.outcome.Message)
			require.Contains(t, got.outcome.Message, test.reason)
			r.noneLive(t)
		})
	}
}

func TestAnAgentThatDoesNotAnswerIsLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *twilio.Config) { c.Agent.PingEvery = 100 * time.Millisecond })
	r.agent.does(func(ctx context.Context, _ *websocket.Conn) { <-ctx.Done() })
	r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever})
	require.Equal(t, dialer.ClientDisconnected, r.dial(t, r.call("call", ada)).outcome.Reason)
	r.noneLive(t)
}

func TestAnAgentThatCannotBeReached(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever})
	call := r.call("call", ada)
	call.Agent.URL = "ws" + r.api.URL[len("http"):] // no WebSocket is there
	got := r.dial(t, call)
	require.NoError(t, got.err)
	require.Equal(t, dialer.Error, got.outcome.Reason)
	require.Contains(t, got.outcome.Message, "status 401")
	r.noneLive(t)
}

// TestAnAgentThatIsDownCostsOneRecipient has an agent that is away for a while. Nobody else is to answer to silence.
func TestAnAgentThatIsDownCostsOneRecipient(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Default(twiliotest.Behaviour{Talk: 200 * time.Millisecond})
	r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever})
	var isUp atomic.Bool
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !isUp.Load() {
			panic(http.ErrAbortHandler)
		}
		r.agent.server.Config.Handler.ServeHTTP(w, req)
	}))
	t.Cleanup(door.Close)
	call := func(id string, to dialer.Phone) dialer.Call {
		c := r.call(id, to)
		c.Agent.URL = "ws" + strings.TrimPrefix(door.URL, "http")
		return c
	}
	require.Equal(t, string(dialer.Error), r.dial(t, call("first", ada)).end())
	for n := range 10 {
		got := r.dial(t, call(callIDOf(4, n), numberOf(4, n)))
		require.Equal(t, isUnavailable, got.end(), "%v", got.err)
		require.ErrorContains(t, got.err, "connecting to the agent")
		var busy *dialer.UnavailableError
		require.ErrorAs(t, got.err, &busy)
		require.True(t, busy.AgentOnly, "other agents' calls go on")
	}
	require.Equal(t, 1, r.twilio.Placed())
	isUp.Store(true)
	for n := range 3 {
		require.Equal(t, answered, r.dial(t, call(callIDOf(5, n), numberOf(4, n))).end())
	}
}

func TestWhatAnAgentSaidIsPlayedBeforeItHangsUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.agent.does(func(ctx context.Context, c *websocket.Conn) {
		untilMedia(ctx, c)
		for range 50 {
			_ = c.Write(ctx, websocket.MessageText, []byte(`{"event":"media","streamSid":"MZ","media":{"payload":"//8="}}`))
		}
		_ = c.Close(websocket.StatusNormalClosure, "")
	})
	r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever})
	got := r.dial(t, r.call("call", ada))
	require.Equal(t, dialer.AgentHangup, got.outcome.Reason)
	require.Equal(t, 50, r.twilio.Heard()["media"])
	require.Equal(t, 1, r.twilio.Heard()["mark"], "the last one, which tells that all was played")
}

func TestWhatAnAgentSees(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *twilio.Config) {
		c.Agent.Token = "the agent's token"
		c.Agent.Header = func(call dialer.Call) http.Header { return http.Header{"x-call": {call.ID}} }
	})
	r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: 300 * time.Millisecond})
	call := r.call(`call "1" <&>`, ada)
	call.Metadata = json.RawMessage(`{"name":"Ada \"A\" <&>","n":1,"call":"not this"}`)
	got := r.dial(t, call)
	require.Equal(t, dialer.ClientHangup, got.outcome.Reason, got.outcome.Message)
	require.Equal(t, "Bearer the agent's token", r.agent.asked().Get("Authorization"))
	require.Equal(t, call.ID, r.agent.asked().Get("X-Call"))
	require.Eventually(t, func() bool { return strings.Contains(strings.Join(r.agent.messages(), ""), `"stop"`) }, soon, tick)
	said := r.agent.messages()
	require.Contains(t, said[0], `"connected"`)
	var start struct {
		Start struct {
			CallSid          string
			CustomParameters map[string]string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(said[1]), &start))
	require.Equal(t, got.outcome.Ref, start.Start.CallSid)
	require.Equal(t, dialer.Parameters(call), start.Start.CustomParameters, "and no token of ours")
	require.NotContains(t, strings.Join(said, ""), "outdial-token")
}

func FuzzDocument(f *testing.F) {
	f.Add("ac_1", "org", `{"a":"b"}`)
	f.Add(`"/><Dial>+1</Dial>`, "]]>\x00\xff", `{"<":"&amp;\u0001"}`)
	d, err := twilio.New(twilio.Config{AccountSID: account, AuthToken: token, PublicURL: "https://calls.example.com/twilio?"[:32]})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, d.Close()) })
	f.Fuzz(func(t *testing.T, id, org, metadata string) {
		call := dialer.Call{ID: id, Org: org, Metadata: json.RawMessage(metadata), Agent: dialer.Agent{URL: "wss://agent.example/x"}}
		document, err := d.Document(call)
		if err != nil {
			return // too long
		}
		var read struct {
			XMLName xml.Name `xml:"Response"`
			Connect []struct {
				Stream []struct {
					URL       string `xml:"url,attr"`
					Parameter []struct {
						Name  string `xml:"name,attr"`
						Value string `xml:"value,attr"`
					}
				}
			}
		}
		require.NoError(t, xml.Unmarshal([]byte(document), &read))
		require.LessOrEqual(t, len([]rune(document)), 4000)
		require.Len(t, read.Connect, 1)
		require.Len(t, read.Connect[0].Stream, 1)
		stream := read.Connect[0].Stream[0]
		require.Equal(t, "wss://calls.example.com/twilio"+twilio.ReferencePath(call)+"/stream", stream.URL)
		require.Len(t, stream.Parameter, len(twilio.ParametersOf(call))+1)
		require.Equal(t, strings.Count(document, "<"), 5+1+len(stream.Parameter), "nothing but what we wrote")
	})
}

func FuzzStart(f *testing.F) {
	f.Add(`{"event":"start","start":{"callSid":"CA1","streamSid":"MZ1","customParameters":{"call":"x","outdial-token":"t","a":"b"}}}`)
	f.Add(`{"start":null}`)
	f.Add(`{"start":{"customParameters":[]}}`)
	f.Fuzz(func(t *testing.T, message string) {
		start, _, _, err := twilio.Rewritten([]byte(message))
		if err != nil {
			return
		}
		require.True(t, json.Valid(start))
		again, _, token, err := twilio.Rewritten(start)
		require.NoError(t, err)
		require.Empty(t, token, "it is not for the agent")
		require.JSONEq(t, string(start), string(again))
	})
}

// connectStream does what Twilio would, and returns how it was closed.
func (r *rig) connectStream(t *testing.T, signature string, parameters map[string]string, sid string) (websocket.StatusCode, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, r.streamURL(), &websocket.DialOptions{ //nolint:bodyclose // there is no need to
		HTTPHeader: http.Header{"X-Twilio-Signature": {signature}},
	})
	if err != nil {
		return 0, response.StatusCode
	}
	defer conn.CloseNow() //nolint:errcheck // it is gone
	start, err := json.Marshal(map[string]any{"event": "start", "start": map[string]any{
		"callSid": sid, "streamSid": "MZ1", "customParameters": parameters,
	}})
	require.NoError(t, err)
	_ = conn.Write(ctx, websocket.MessageText, []byte(`{"event":"connected"}`))
	_ = conn.Write(ctx, websocket.MessageText, start)
	_, _, err = conn.Read(ctx)
	return websocket.CloseStatus(err), response.StatusCode
}

// signedFor is the header of a stream to an address.
func signedFor(address string) http.Header {
	return http.Header{"X-Twilio-Signature": {twiliotest.Sign(token, address, nil)}}
}

func (r *rig) streamURL() string { return "ws" + r.config.PublicURL[len("http"):] + "/stream" }

func TestStreamsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever})
	u := begin(t, r.Dial, r.call("call", ada))
	sid := u.reach(dialer.Connected)
	require.Eventually(t, func() bool { return len(r.agent.messages()) > 0 }, soon, tick)
	good := twiliotest.Sign(token, r.streamURL(), nil)
	ours := map[string]string{"call": "call", "outdial-token": twilio.Token(token, "call", "")}

	_, status := r.connectStream(t, "", ours, sid)
	require.Equal(t, http.StatusForbidden, status)
	_, status = r.connectStream(t, twiliotest.Sign("another", r.streamURL(), nil), ours, sid)
	require.Equal(t, http.StatusForbidden, status)
	for name, parameters := range map[string]map[string]string{
		"no parameters":       nil,
		"no token":            {"call": "call"},
		"another's token":     {"call": "call", "outdial-token": twilio.Token(token, "another", "")},
		"an unknown call":     {"call": "x", "outdial-token": twilio.Token(token, "x", "")},
		"it has its stream":   ours,
		"an old key's token":  {"call": "call", "outdial-token": twilio.Token("old", "call", "")},
		"a token that is cut": {"call": "call", "outdial-token": twilio.Token(token, "call", "")[1:]},
	} {
		code, _ := r.connectStream(t, good, parameters, sid)
		require.Equal(t, websocket.StatusPolicyViolation, code, name)
	}
	require.Equal(t, 1, r.twilio.Live(), "the call goes on")
	u.cancel(nil)
	require.Equal(t, dialer.APICancelled, u.over().outcome.Reason)
	code, _ := r.connectStream(t, good, ours, sid)
	require.Equal(t, websocket.StatusPolicyViolation, code, "it is over")
}
