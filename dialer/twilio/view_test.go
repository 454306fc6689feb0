package twilio_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/bridge"
	"github.com/outdial/outdial/dialer/sip/media"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

// view is what an agent sees of a call.
type view struct {
	Path   string
	Header http.Header
	First  map[string]any // the first message of each event
	Order  []string       // in which the events came first
}

// viewer is an agent that says something, sets a mark, and looks.
type viewer struct {
	url string

	mu   sync.Mutex
	seen view
	over chan struct{}
}

func newViewer(t *testing.T) *viewer {
	t.Helper()
	v := &viewer{over: make(chan struct{}), seen: view{First: map[string]any{}}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(v.over)
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow() //nolint:errcheck // it is gone
		v.mu.Lock()
		v.seen.Path, v.seen.Header = r.URL.String(), r.Header.Clone()
		v.mu.Unlock()
		v.look(context.WithoutCancel(r.Context()), conn)
	}))
	t.Cleanup(server.Close)
	v.url = "ws" + server.URL[len("http"):] + "/talk?agent=a%20b"
	return v
}

func (v *viewer) look(ctx context.Context, conn *websocket.Conn) {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return
		}
		var m map[string]any
		if json.Unmarshal(text, &m) != nil {
			return
		}
		event, _ := m["event"].(string)
		if event == "start" {
			for _, said := range []string{`{"event":"media","media":{"payload":"//8="}}`, `{"event":"mark","mark":{"name":"m"}}`} {
				if conn.Write(ctx, websocket.MessageText, []byte(said)) != nil {
					return
				}
			}
		}
		v.mu.Lock()
		if v.seen.First[event] == nil {
			v.seen.First[event] = without(m)
			v.seen.Order = append(v.seen.Order, event)
		}
		v.mu.Unlock()
	}
}

// without replaces what is documented to differ, or to be another one in each call.
func without(m map[string]any) map[string]any {
	for name, value := range m {
		switch inner, isMap := value.(map[string]any); {
		case isMap:
			m[name] = without(inner)
		case name == "callSid", name == "accountSid", name == "streamSid", // Twilio has its own
			name == "sequenceNumber", name == "chunk", name == "timestamp", name == "payload":
			m[name] = "a string"
			if _, ok := value.(string); !ok {
				m[name] = "no string"
			}
		}
	}
	return m
}

// saw waits for the end of the call.
func (v *viewer) saw(t *testing.T) view {
	t.Helper()
	select {
	case <-v.over:
	case <-time.After(soon):
		require.FailNow(t, "the agent's connection goes on")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	// Of the request, these are the WebSocket's own.
	v.seen.Header.Del("Sec-WebSocket-Key")
	return v.seen
}

// silentLeg is a SIP call on which nobody says anything and everything is heard at once.
type silentLeg struct{ call dialer.Call }

func (l silentLeg) Call() dialer.Call { return l.call }

func (silentLeg) ReadFrame(ctx context.Context) (media.Frame, error) {
	timer := time.NewTimer(media.FrameTime)
	defer timer.Stop()
	select {
	case <-timer.C:
		return media.Frame{}, nil
	case <-ctx.Done():
		return media.Frame{}, context.Cause(ctx)
	}
}

func (silentLeg) WriteFrame(context.Context, media.Frame) error { return nil }
func (silentLeg) Mark(played func())                            { played() }
func (silentLeg) Clear()                                        {}
func (silentLeg) SendDTMF(string) error                         { return nil }
func (silentLeg) DTMF() <-chan rune                             { return nil }

// TestAnAgentCannotTellTheCarrier has one agent look at a SIP call and at a Twilio call.
func TestAnAgentCannotTellTheCarrier(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	call := r.call("ac_1", ada)
	call.Metadata = json.RawMessage(`{"name":"Ada \"A\" <&>","n":1,"call":"not this","long":"` + strings.Repeat("x", 500) + `"}`)
	header := func(call dialer.Call) http.Header { return http.Header{"x-call": {call.ID}} }

	over := newViewer(t)
	call.Agent.URL = over.url
	conversation, err := bridge.WebSocket(bridge.Config{Token: "the agent's token", Header: header}).Ready(t.Context(), call)
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	timer := time.AfterFunc(time.Second/2, func() { cancel(media.HungUp()) })
	defer timer.Stop()
	require.ErrorIs(t, conversation.Talk(ctx, silentLeg{call}), media.HungUp())
	require.NoError(t, conversation.Close())
	sip := over.saw(t)

	over = newViewer(t)
	r.config.Agent = twilio.Agent{Token: "the agent's token", Header: header}
	d := r.open(t)
	r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: time.Second / 2})
	call.Agent.URL = over.url
	require.Equal(t, answered, begin(t, d.Dial, call).over().end())
	viaTwilio := over.saw(t)

	require.ElementsMatch(t, []string{"connected", "start", "media", "mark", "stop"}, sip.Order)
	require.ElementsMatch(t, sip.Order, viaTwilio.Order)
	require.Equal(t, sip.Order[:2], viaTwilio.Order[:2])
	require.Equal(t, "stop", viaTwilio.Order[4])
	require.Equal(t, "/talk?agent=a%20b", sip.Path)
	require.Equal(t, sip.Path, viaTwilio.Path)
	require.Equal(t, "Bearer the agent's token", sip.Header.Get("Authorization"))
	require.Equal(t, sip.Header, viaTwilio.Header)
	for event, message := range sip.First {
		require.Equal(t, message, viaTwilio.First[event], event)
	}
}
