package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	require.Eventually(t, func() bool { return s.leg.queued() == 4 }, patience, time.Millisecond,
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
	require.Eventually(t, func() bool { return s.leg.queued() == 0 }, patience, time.Millisecond,
		"the frame that waited for room while the leg was cleared is dropped, too")
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
		`nonsense`: "cannot be read",
		`{"event":"media","media":{"payload":"%%"}}`:    "cannot be read",
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

func TestOddMessagesArePassedOver(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := begin(t, bridge.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	odd := []string{
		`{"event":"stop"}`, `{}`, `{"event":"media"}`, `{"event":"mark"}`, `{"event":"mark","mark":{}}`,
		`{"event":"clear","streamSid":"MZanother"}`,
	}
	s.say(mulaw(160))
	for _, message := range odd {
		s.write(message)
	}
	s.write(`{"event":"mark","mark":{"name":"after"}}`)
	s.leg.plays(t, 1) // the clear was none of ours
	require.Equal(t, "after", s.read().Mark.Name)
	require.Empty(t, s.ended, "the call goes on")
	require.Equal(t, 1, strings.Count(log.String(), "passed over"), "one line a call is enough")
	require.Contains(t, log.String(), "expected media, mark or clear")
	for range 101 - len(odd) {
		s.write(`{"event":"dance"}`)
	}
	require.ErrorContains(t, s.over(), "101 messages had no meaning")
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

func TestTheEndOfACallDoesNotWaitForTheAgent(t *testing.T) {
	s := begin(t, bridge.Config{})
	stop := make(chan struct{})
	defer close(stop)
	go func() { // an agent that does not read has the connection fill up
		for {
			select {
			case s.leg.in <- media.Frame{}:
			case <-stop:
				return
			}
		}
	}()
	require.Eventually(t, func() bool { return len(s.leg.in) == cap(s.leg.in) }, patience, time.Millisecond)
	began := time.Now()
	s.end(media.HungUp())
	require.ErrorIs(t, s.over(), media.HungUp())
	returned := time.Since(began)
	require.NoError(t, <-s.closed)
	require.Less(t, returned, time.Since(began)/2, "Talk returns, and Close is what waits for the agent")
	s.closed <- nil
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
