package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// message is a message of either side, as far as this agent has use for it.
//
//nolint:tagliatelle // the names are Twilio's
type message struct {
	Event     string `json:"event"`
	StreamSid string `json:"streamSid,omitempty"`
	Start     *start `json:"start,omitempty"`
	Media     *media `json:"media,omitempty"`
	Mark      *mark  `json:"mark,omitempty"`
	DTMF      *dtmf  `json:"dtmf,omitempty"`
}

//nolint:tagliatelle // the names are Twilio's
type start struct {
	CallSid          string            `json:"callSid"`
	CustomParameters map[string]string `json:"customParameters"`
}

type media struct {
	Payload []byte `json:"payload"` // mu-law at 8 kHz; base64 in JSON
}

type mark struct {
	Name string `json:"name"`
}

type dtmf struct {
	Digit string `json:"digit"`
}

// stream is one call.
type stream struct {
	conn   *websocket.Conn
	sid    string
	prompt []byte
	told   int // how often the prompt was begun
	log    *slog.Logger
}

// talk returns nil when the call is over, or the agent has said what it had to say.
func (s *stream) talk(ctx context.Context) error {
	for {
		var m message
		err := wsjson.Read(ctx, s.conn, &m)
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			return nil // the call was never answered
		}
		if err != nil {
			return err
		}
		if over, err := s.handle(ctx, m); over || err != nil {
			return err
		}
	}
}

// handle passes over a message that lacks what its event is about.
func (s *stream) handle(ctx context.Context, m message) (over bool, err error) {
	switch {
	case m.Event == "start" && m.Start != nil:
		s.sid = m.StreamSid
		s.log.Info("answered", "call", m.Start.CallSid, "parameters", m.Start.CustomParameters)
		return false, s.say(ctx)
	case m.Event == "media" && m.Media != nil:
		if s.prompt == nil {
			return false, s.send(ctx, message{Event: "media", Media: m.Media})
		}
	case m.Event == "dtmf" && m.DTMF != nil:
		s.log.Info("a key was pressed", "key", m.DTMF.Digit)
		if err := s.send(ctx, message{Event: "clear"}); err != nil {
			return false, err
		}
		return false, s.say(ctx)
	case m.Event == "mark" && m.Mark != nil:
		return m.Mark.Name == s.end(), nil // and not the one of a prompt that was cleared
	case m.Event == "stop":
		return true, nil
	}
	return false, nil
}

// say sends all of the prompt at once: the callee hears it at its own pace.
func (s *stream) say(ctx context.Context) error {
	if s.prompt == nil {
		return nil
	}
	s.told++
	const second = 8000
	for rest := s.prompt; len(rest) > 0; {
		n := min(second, len(rest))
		if err := s.send(ctx, message{Event: "media", Media: &media{Payload: rest[:n]}}); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return s.send(ctx, message{Event: "mark", Mark: &mark{Name: s.end()}})
}

// end is the mark at the end of the prompt that was begun last.
func (s *stream) end() string { return fmt.Sprintf("end %d", s.told) }

func (s *stream) send(ctx context.Context, m message) error {
	m.StreamSid = s.sid
	return wsjson.Write(ctx, s.conn, m)
}
