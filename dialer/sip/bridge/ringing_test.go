package bridge_test

import (
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/bridge"
	"github.com/outdial/outdial/dialer/sip/media"
)

// ready connects, and leaves the call unanswered.
func ready(t *testing.T) (*server, *stream) {
	t.Helper()
	server := serve(t)
	call := aCall(server.url)
	conv, err := bridge.WebSocket(bridge.Config{}).Ready(t.Context(), call)
	require.NoError(t, err)
	s := &stream{
		t: t, leg: newLeg(call), conv: conv, conn: <-server.conns,
		ended: make(chan error, 1), closed: make(chan error, 1),
	}
	require.Equal(t, "connected", s.read().Event)
	return server, s
}

func TestAnAgentThatWasLostWhileItRingsIsConnectedToAtOnce(t *testing.T) {
	for name, lose := range map[string]func(*websocket.Conn) error{
		"broken off": (*websocket.Conn).CloseNow,
		"restarted":  func(c *websocket.Conn) error { return c.Close(websocket.StatusGoingAway, "deployment") },
		"failed":     func(c *websocket.Conn) error { return c.Close(websocket.StatusInternalError, "") },
	} {
		t.Run(name, func(t *testing.T) {
			server, s := ready(t)
			require.NoError(t, lose(s.conn))
			s.conn = <-server.conns // though nobody has answered
			require.Equal(t, "connected", s.read().Event)
			s.talk()
			require.Equal(t, "start", s.start.Event)
			require.Empty(t, server.conns)
			s.end(media.HungUp())
			require.Equal(t, "stop", s.read().Event)
			_, err := s.tryRead()
			require.Error(t, err)
			require.ErrorIs(t, s.over(), media.HungUp())
		})
	}
}

func TestAnAgentThatHangsUpWhileItRingsWantsNoCall(t *testing.T) {
	server, s := ready(t)
	select {
	case <-s.conv.Done():
		require.Fail(t, "the agent is there")
	default:
	}
	require.NoError(t, s.conn.Close(websocket.StatusNormalClosure, ""))
	select {
	case <-s.conv.Done():
	case <-time.After(patience):
		require.Fail(t, "nobody is told that the agent has left")
	}
	require.NoError(t, s.conv.Talk(t.Context(), s.leg), "should the callee answer all the same, the agent has hung up")
	require.Empty(t, server.conns, "it is not called again")
	require.NoError(t, s.conv.Close())
}
