package twilio_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

// half is an agent that stops in the middle of a message.
func half(ctx context.Context, c *wsConn) {
	w, err := c.Writer(ctx, websocket.MessageText)
	if err != nil {
		return
	}
	_, _ = w.Write([]byte(`{"event":"media","media":{"payload":"` + strings.Repeat("A", 10_000)))
	<-ctx.Done()
}

// TestAnAgentThatIsStuckKeepsNobody has agents that neither go on nor hang up.
func TestAnAgentThatIsStuckKeepsNobody(t *testing.T) {
	t.Parallel()
	for name, does := range map[string]func(context.Context, *wsConn){
		"in the middle of a message": half,
		"deaf":                       func(ctx context.Context, _ *wsConn) { <-ctx.Done() },
	} {
		t.Run(name+", and the callee hangs up", func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.agent.does(does)
			r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: time.Second})
			require.Equal(t, answered, r.dial(t, r.call("call", ada)).end())
			r.closes(t)
		})
		t.Run(name+", and is hung up", func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.agent.does(does)
			r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever})
			u := begin(t, r.Dial, r.call("call", ada))
			u.reach(dialer.Connected)
			require.Eventually(t, func() bool { return r.agent.asked() != nil }, soon, tick)
			u.cancel(dialer.HangUp(dialer.Inactivity))
			require.Equal(t, string(dialer.Inactivity), u.over().end())
			r.noneLive(t)
			r.closes(t)
		})
		t.Run(name+", and the dialer is closed", func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.agent.does(does)
			r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever})
			u := begin(t, r.Dial, r.call("call", ada))
			u.reach(dialer.Connected)
			require.Eventually(t, func() bool { return r.agent.asked() != nil }, soon, tick)
			r.closes(t)
			r.noneLive(t)
			u.over()
		})
	}
}

// closes wants no stream to outlive its dialer for long.
func (r *rig) closes(t *testing.T) {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(3 * slower * time.Second):
		require.FailNow(t, "a stream goes on")
	}
}

// TestSilenceIsSeenBeforeItsEnd is about a race: what ends a silent stream also ends the call, whose callback
// must not be faster than the reason.
func TestSilenceIsSeenBeforeItsEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *twilio.Config) { c.Agent.Inactivity = 100 * time.Millisecond })
	r.twilio.Default(twiliotest.Behaviour{Talk: twiliotest.Forever, Stream: twiliotest.StreamFault{MuteAt: time.Millisecond}})
	var all []*underway
	for n := range 40 {
		all = append(all, begin(t, r.Dial, r.call(callIDOf(3, n), numberOf(3, n))))
	}
	for _, u := range all {
		require.Equal(t, string(dialer.Inactivity), u.over().end())
	}
}

func TestAMessageThatIsTooLongEndsTheStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, r.streamURL(), &websocket.DialOptions{ //nolint:bodyclose // there is no need to
		HTTPHeader: signedFor(r.streamURL()),
	})
	require.NoError(t, err)
	defer conn.CloseNow() //nolint:errcheck // it is gone
	_ = conn.Write(ctx, websocket.MessageText, []byte(`{"event":"connected","x":"`+strings.Repeat("x", 100_000)+`"}`))
	_, _, err = conn.Read(ctx)
	require.Equal(t, websocket.StatusMessageTooBig, websocket.CloseStatus(err))
}
