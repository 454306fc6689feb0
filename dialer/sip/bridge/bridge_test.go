package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"github.com/zaf/g711"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/bridge"
	"github.com/outdial/outdial/dialer/sip/media"
)

func TestTheBeginning(t *testing.T) {
	s := begin(t, bridge.Config{})
	require.Equal(t, "start", s.start.Event)
	require.Equal(t, "1", s.start.SequenceNumber)
	require.Regexp(t, `^MZ[0-9a-f]{32}$`, s.sid)
	start := s.start.Start
	require.Equal(t, s.sid, start.StreamSid)
	require.Equal(t, "ac_1", start.CallSid)
	require.Equal(t, "org_1", start.AccountSid)
	require.Equal(t, []string{"inbound"}, start.Tracks)
	require.Equal(t, "audio/x-mulaw", start.MediaFormat.Encoding)
	require.Equal(t, 8000, start.MediaFormat.SampleRate)
	require.Equal(t, 1, start.MediaFormat.Channels)
	require.Equal(t, map[string]string{
		"call": "ac_1", "org": "org_1", "batch": "acb_1", "recipient": "ap_1", "attempt": "2", "name": "Ada",
	}, start.CustomParameters)
}

func TestTheAgentHearsTheCallee(t *testing.T) {
	s := begin(t, bridge.Config{})
	for i := range 3 {
		var f media.Frame
		for j := range f {
			f[j] = int16(i * 1000)
		}
		s.leg.in <- f
		m := s.read()
		require.Equal(t, "media", m.Event)
		require.Equal(t, s.sid, m.StreamSid)
		require.Equal(t, fmt.Sprint(i+2), m.SequenceNumber)
		require.Equal(t, "inbound", m.Media.Track)
		require.Equal(t, fmt.Sprint(i+1), m.Media.Chunk)
		require.Equal(t, fmt.Sprint(i*20), m.Media.Timestamp)
		require.Len(t, m.Media.Payload, 160)
		require.InDelta(t, i*1000, g711.DecodeUlawFrame(m.Media.Payload[7]), 50)
	}
	s.leg.keys <- '#'
	m := s.read()
	require.Equal(t, "dtmf", m.Event)
	require.Equal(t, "#", m.DTMF.Digit)
	require.Equal(t, "inbound_track", m.DTMF.Track)
	require.Equal(t, "5", m.SequenceNumber)
}

func TestTheCalleeHearsTheAgent(t *testing.T) {
	s := begin(t, bridge.Config{})
	all := mulaw(160 * 40)
	s.say(all[:160*10+1]) // so that there is something to play until all has come
	for part := 160*10 + 1; part < len(all); part += 100 {
		s.say(all[part:min(part+100, len(all))])
	}
	s.write(`{"event":"mark","mark":{"name":"end"}}`)
	frames := s.leg.plays(t, 40)
	for i, f := range frames {
		for j, sample := range f {
			require.Equal(t, g711.DecodeUlawFrame(all[i*160+j]), sample, "frame %d, sample %d", i, j)
		}
	}
	require.Equal(t, "end", s.read().Mark.Name)
	s.say(all[:40])
	f := s.leg.plays(t, 1)[0]
	require.NotZero(t, f[39])
	require.Zero(t, f[40], "a part that nothing follows is played, with silence after it")
}

func TestMarksComeBackWhenTheAudioBeforeWasPlayed(t *testing.T) {
	s := begin(t, bridge.Config{})
	s.write(`{"event":"mark","mark":{"name":"nothing before"}}`)
	require.Equal(t, "nothing before", s.read().Mark.Name)
	s.say(mulaw(160*2 + 10))
	s.write(`{"event":"mark","streamSid":"` + s.sid + `","mark":{"name":"one"}}`)
	s.say(mulaw(160))
	s.write(`{"event":"mark","mark":{"name":"two"}}`)
	require.Eventually(t, func() bool { return s.leg.queued() == 4 }, 5*time.Second, time.Millisecond,
		"the rest before a mark is not waited for")
	s.leg.plays(t, 2)
	s.leg.in <- media.Frame{}
	require.Equal(t, "media", s.read().Event, "no mark is due yet")
	s.leg.plays(t, 1)
	m := s.read()
	require.Equal(t, "mark", m.Event)
	require.Equal(t, "one", m.Mark.Name)
	require.Equal(t, s.sid, m.StreamSid)
	s.leg.plays(t, 1)
	require.Equal(t, "two", s.read().Mark.Name)
}

func TestClearDropsWhatWasNotPlayedAndReturnsItsMarks(t *testing.T) {
	s := begin(t, bridge.Config{})
	for i := range 5 {
		s.say(mulaw(160 * 20))
		s.write(fmt.Sprintf(`{"event":"mark","mark":{"name":"%d"}}`, i))
	}
	s.leg.plays(t, 25) // the first mark is due, the second is with the leg, the others are not
	require.Equal(t, "0", s.read().Mark.Name)
	s.write(`{"event":"clear","streamSid":"` + s.sid + `"}`)
	for i := range 4 {
		require.Equal(t, fmt.Sprint(i+1), s.read().Mark.Name)
	}
	require.Equal(t, 1, s.leg.clears)
	require.LessOrEqual(t, s.leg.queued(), 1, "20 ms may have been on their way from one queue to the other")
	s.leg.play()
	s.say(mulaw(160))
	s.leg.plays(t, 1)
}

func TestTheAgentHangsUp(t *testing.T) {
	for _, status := range []websocket.StatusCode{
		websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd,
	} {
		s := begin(t, bridge.Config{})
		s.say(mulaw(160 * 30))
		require.NoError(t, s.conn.Close(status, ""))
		require.Empty(t, s.ended, "the callee hears it to the end")
		require.Len(t, s.leg.plays(t, 29), 29)
		s.leg.plays(t, 1)
		require.NoError(t, s.over())
	}
}

func TestAFarewellIsNotEndless(t *testing.T) {
	s := begin(t, bridge.Config{Farewell: 10 * time.Millisecond})
	s.say(mulaw(160 * 30))
	require.NoError(t, s.conn.Close(websocket.StatusNormalClosure, ""))
	require.NoError(t, s.over())
}

func TestTheCalleeHangsUp(t *testing.T) {
	s := begin(t, bridge.Config{})
	s.say(mulaw(160 * 30))
	s.end(media.HungUp())
	m := s.read()
	require.Equal(t, "stop", m.Event)
	require.Equal(t, "2", m.SequenceNumber)
	require.Equal(t, "ac_1", m.Stop.CallSid)
	require.Equal(t, "org_1", m.Stop.AccountSid)
	_, err := s.tryRead()
	require.True(t, isClosed(err, websocket.StatusNormalClosure), "%v", err)
	require.ErrorIs(t, s.over(), media.HungUp())
}

func TestAnAgentThatDoesNotLetGo(t *testing.T) {
	s := begin(t, bridge.Config{})
	s.end(media.HungUp()) // the agent does not read, and so never answers the close
	require.ErrorIs(t, s.over(), media.HungUp())
}

func TestAnAgentThatStopsInTheMiddleOfAMessage(t *testing.T) {
	s := begin(t, bridge.Config{})
	w, err := s.conn.Writer(t.Context(), websocket.MessageText)
	require.NoError(t, err)
	_, err = w.Write([]byte(strings.Repeat(" ", 10_000)))
	require.NoError(t, err)
	s.end(media.HungUp())
	require.ErrorIs(t, s.over(), media.HungUp())
}

func TestTheAgentIsLost(t *testing.T) {
	t.Run("broken off", func(t *testing.T) {
		s := begin(t, bridge.Config{})
		s.say(mulaw(160 * 30))
		require.NoError(t, s.conn.CloseNow())
		require.ErrorIs(t, s.over(), media.ErrDisconnected)
	})
	t.Run("no answer to a ping", func(t *testing.T) {
		s := begin(t, bridge.Config{PingEvery: 20 * time.Millisecond})
		require.ErrorIs(t, s.over(), media.ErrDisconnected)
	})
	t.Run("closed as an error", func(t *testing.T) {
		s := begin(t, bridge.Config{})
		require.NoError(t, s.conn.Close(websocket.StatusInternalError, "oh"))
		err := s.over()
		require.ErrorContains(t, err, "1011")
		require.NotErrorIs(t, err, media.ErrDisconnected)
	})
}

func TestWhatEndsTheCallAsAnError(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		`{"event":"stop"}`:  `"stop": expected media, mark or clear`,
		`{}`:                "expected media, mark or clear",
		`nonsense`:          "cannot be read",
		`{"event":"media"}`: "media without a payload",
		`{"event":"media","media":{"payload":"%%"}}`:    "cannot be read",
		`{"event":"mark"}`:                              "a mark without a name",
		`{"event":"mark","mark":{}}`:                    "a mark without a name",
		`{"event":"clear","streamSid":"MZanother"}`:     "another stream",
		strings.Repeat(" ", 1<<20) + `{"event":"mark"}`: "more than 1048576 bytes",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel() // each agent takes its time to let go
			s := begin(t, bridge.Config{})
			s.write(message)
			require.ErrorContains(t, s.over(), want)
		})
	}
	s := begin(t, bridge.Config{})
	require.NoError(t, s.conn.Write(t.Context(), websocket.MessageBinary, []byte("{}")))
	require.ErrorContains(t, s.over(), "binary")
	_, err := s.tryRead()
	require.True(t, isClosed(err, websocket.StatusPolicyViolation), "%v", err)
}

func TestTheBacklogIsBounded(t *testing.T) {
	s := begin(t, bridge.Config{MaxBacklog: time.Second})
	s.say(mulaw(160 * 40))
	s.say(mulaw(160 * 40))
	require.ErrorContains(t, s.over(), "more than 1s of audio ahead")
}

func TestReady(t *testing.T) {
	server := serve(t)
	agent := bridge.WebSocket(bridge.Config{
		Token:  "secret",
		Header: func(call dialer.Call) http.Header { return http.Header{"x-call": {call.ID}} },
	})
	conv, err := agent.Ready(t.Context(), aCall(server.url+"/talk?key=1"))
	require.NoError(t, err)
	r := <-server.requests
	require.Equal(t, "/talk?key=1", r.URL.String(), "the query string is the agent's")
	require.Equal(t, "Bearer secret", r.Header.Get("Authorization"))
	require.Equal(t, "ac_1", r.Header.Get("X-Call"))
	s := &stream{t: t, conn: <-server.conns}
	require.Equal(t, "connected", s.read().Event)
	require.NoError(t, conv.Close())
	_, err = s.tryRead()
	require.True(t, errors.As(err, &websocket.CloseError{}) || err != nil, "an agent whose call was not answered is let go")

	for url, want := range map[string]string{
		"":                              "no URL",
		"https://x/":                    `"https": expected ws or wss`,
		"ws:///x":                       "no host",
		"ws://a b/":                     "cannot be read",
		server.url + "/refuse?k=hidden": "status 401",
		"ws://127.0.0.1:1/?k=hidden":    "connection refused",
	} {
		_, err := agent.Ready(t.Context(), aCall(url))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hidden")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = agent.Ready(ctx, aCall(server.url))
	require.ErrorIs(t, err, context.Canceled)
}

func TestAnAgentThatWasLostWhileItRangIsConnectedToAgain(t *testing.T) {
	server := serve(t)
	call := aCall(server.url)
	conv, err := bridge.WebSocket(bridge.Config{}).Ready(t.Context(), call)
	require.NoError(t, err)
	first := &stream{t: t, conn: <-server.conns}
	require.Equal(t, "connected", first.read().Event)
	require.NoError(t, first.conn.Close(websocket.StatusGoingAway, "deployment"))

	s := &stream{t: t, leg: newLeg(call), conv: conv, ended: make(chan error, 1)}
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() { s.ended <- conv.Talk(ctx, s.leg) }()
	s.conn = <-server.conns
	require.Equal(t, "connected", s.read().Event)
	require.Equal(t, "start", s.read().Event)
	cancel(media.HungUp())
	require.Equal(t, "stop", s.read().Event)
	_, err = s.tryRead()
	require.Error(t, err)
	require.ErrorIs(t, s.over(), media.HungUp())
	require.NoError(t, conv.Close())
}

func TestParameters(t *testing.T) {
	long := strings.Repeat("x", 497)
	metadata, err := json.Marshal(map[string]any{
		"fits": long[:496], "long": long, "call": "no", "null": nil, "list": []string{"x"}, "": "x", "ü": "é",
	})
	require.NoError(t, err)
	p := bridge.Parameters(dialer.Call{ID: "ac_1", Metadata: metadata})
	require.Equal(t, map[string]string{
		"call": "ac_1", "org": "", "batch": "", "recipient": "", "attempt": "0", "fits": long[:496], "ü": "é",
	}, p)
	for _, metadata := range []string{"", "null", "[]", "{", `"x"`} {
		require.Len(t, bridge.Parameters(dialer.Call{Metadata: json.RawMessage(metadata)}), 5)
	}
	many := make(map[string]string)
	for i := range 20 {
		many[fmt.Sprintf("%02d", i)] = strings.Repeat("<", 100) // four characters each in XML
	}
	metadata, err = json.Marshal(many)
	require.NoError(t, err)
	require.Len(t, bridge.Parameters(dialer.Call{Metadata: metadata}), 5+6, "the document has to have room for them")
}

// FuzzMessages sends an agent's message and then a mark: either the mark comes back or the call ends
// as an error.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"event":"media","media":{"payload":"////"}}`))
	f.Add([]byte(`{"event":"mark","mark":{"name":"x"}}`))
	f.Add([]byte(`{"event":"clear"}`))
	f.Add([]byte(`{"event":"media","media":{"payload":"?"}}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		s := begin(t, bridge.Config{})
		over := make(chan struct{})
		var player sync.WaitGroup
		player.Go(func() { s.leg.playOn(over) })
		defer player.Wait()
		defer close(over)
		require.NoError(t, s.conn.Write(t.Context(), websocket.MessageText, message))
		_ = s.conn.Write(t.Context(), websocket.MessageText, []byte(`{"event":"mark","mark":{"name":"after"}}`))
		for {
			m, err := s.tryRead()
			if err != nil {
				require.Error(t, s.over())
				return
			}
			if m.Mark.Name == "after" {
				return
			}
		}
	})
}
