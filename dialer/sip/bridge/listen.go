package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/coder/websocket"

	"github.com/outdial/outdial/dialer/sip/media"
)

// read takes the agent's messages until there are no more, and then whatever comes until the
// connection is closed: without a reader, to close it could take as long as the agent likes.
func (s *socket) read() {
	s.err = s.listen()
	s.backlog.end()
	close(s.over)
	s.conn.SetReadLimit(-1)
	for {
		_, message, err := s.conn.Reader(s.ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, message)
		}
		if err != nil {
			s.conn.CloseNow() //nolint:errcheck,gosec // whatever it says, it is gone
			return
		}
	}
}

// listen returns nil when the agent hangs up.
func (s *socket) listen() error {
	for {
		kind, message, err := s.conn.Read(s.ctx)
		if err != nil {
			return s.verdict(err)
		}
		if kind != websocket.MessageText {
			return errors.New("the agent sent a binary message")
		}
		if err := s.handle(message); err != nil {
			return err
		}
	}
}

// verdict is what the end of the connection means; nil: the agent hung up.
func (s *socket) verdict(err error) error {
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return fmt.Errorf("the agent sent a message of more than %d bytes", maxMessage)
	}
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	status := websocket.CloseStatus(err)
	s.isMoving = status == websocket.StatusGoingAway
	switch status {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd:
		return nil
	case -1:
		return media.ErrDisconnected
	default:
		return fmt.Errorf("the agent closed the connection with status %d", int(status))
	}
}

func (s *socket) handle(message []byte) error {
	in, err := parse(message, s.sid)
	if odd, ok := errors.AsType[*oddError](err); ok {
		return s.passOver(odd)
	}
	if err != nil {
		return err
	}
	switch in.Event {
	case "media":
		return s.backlog.add(item{audio: in.Media.Payload})
	case "mark":
		if s.unsaid() > maxMarks {
			return errors.New("the agent sends marks and does not read them")
		}
		return s.backlog.add(item{mark: in.Mark.Name, isMark: true})
	}
	s.clear()
	return nil
}

// passOver keeps one message that an agent should not have sent from ending a call in which people
// talk. The first one is logged, and too many are an agent that is out of order.
func (s *socket) passOver(odd *oddError) error {
	if s.odd++; s.odd > maxOdd {
		return fmt.Errorf("%d messages had no meaning, at last: %w", s.odd, odd)
	}
	if s.odd == 1 {
		s.log.WarnContext(s.ctx, "bridge: a message of the agent was passed over", slog.Any("error", odd))
	}
	return nil
}

// clear drops what waits here first: what the leg has less of, it would be given anew.
func (s *socket) clear() {
	marks := s.backlog.clear()
	if leg := s.legOf(); leg != nil {
		leg.Clear()
	}
	for _, name := range marks {
		s.played(name)
	}
}

func (s *socket) legOf() media.Leg {
	s.marking.Lock()
	defer s.marking.Unlock()
	return s.leg
}

func (s *socket) attach(leg media.Leg) {
	s.marking.Lock()
	defer s.marking.Unlock()
	s.leg = leg
}

// played has a mark returned. It does not block.
func (s *socket) played(name string) {
	s.marking.Lock()
	defer s.marking.Unlock()
	s.marks = append(s.marks, name)
	select {
	case s.marked <- struct{}{}:
	default:
	}
}

func (s *socket) unsaid() int {
	s.marking.Lock()
	defer s.marking.Unlock()
	return len(s.marks)
}

func (s *socket) takeMarks() (marks []string) {
	s.marking.Lock()
	defer s.marking.Unlock()
	marks, s.marks = s.marks, nil
	return marks
}
