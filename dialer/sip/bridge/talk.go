package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/zaf/g711"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// conversation is an agent's part in a call.
type conversation struct {
	agent  *agent
	call   dialer.Call
	socket *socket
}

// Talk connects once more if the agent was lost while the phone rang.
func (c *conversation) Talk(ctx context.Context, leg media.Leg) error {
	if !c.begin() {
		c.agent.config.Logger.WarnContext(ctx, "bridge: the agent was lost before the call was answered",
			slog.Any("call", c.call))
		if err := c.reconnect(ctx); err != nil {
			return err
		}
		if !c.begin() {
			return fmt.Errorf("%w: it did not take the beginning", media.ErrDisconnected)
		}
	}
	return c.talk(ctx, c.socket, leg)
}

// begin says whether the agent was told that the call was answered.
func (c *conversation) begin() bool {
	return !c.socket.isOver() && c.socket.send(startMessage(c.call, c.socket.sid)) == nil
}

func (s *socket) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

func (c *conversation) reconnect(ctx context.Context) error {
	c.socket.close(websocket.StatusNormalClosure)
	s, err := c.agent.connect(ctx, c.call)
	if err != nil {
		return fmt.Errorf("%w: %w", media.ErrDisconnected, err)
	}
	c.socket = s
	return nil
}

// talk ends when the call does, or the connection.
func (c *conversation) talk(ctx context.Context, s *socket, leg media.Leg) error {
	talking, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	played := make(chan struct{})
	s.attach(leg)
	tasks.Go(func() { s.hear(talking, leg) })
	tasks.Go(func() { s.tell(talking, leg) })
	tasks.Go(func() {
		defer close(played)
		s.play(talking, leg)
	})
	select {
	case <-ctx.Done():
	case <-s.over:
		if s.err == nil {
			c.hearOut(ctx, played)
		}
	}
	timer := time.AfterFunc(closeTime, s.breakOff)
	defer timer.Stop()
	cancel()
	tasks.Wait()
	return c.end(ctx, s)
}

// hearOut lets the callee hear what the agent said before it hung up.
func (c *conversation) hearOut(ctx context.Context, played <-chan struct{}) {
	timer := time.NewTimer(c.agent.config.Farewell)
	defer timer.Stop()
	select {
	case <-played:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// end tells the agent, where it is still there, that the call is over.
func (c *conversation) end(ctx context.Context, s *socket) error {
	if !s.isOver() {
		s.send(stopMessage(c.call)) //nolint:errcheck,gosec // it is over for the agent, too
		s.close(websocket.StatusNormalClosure)
		return context.Cause(ctx)
	}
	if s.err != nil && !errors.Is(s.err, media.ErrDisconnected) {
		s.close(websocket.StatusPolicyViolation)
	}
	return s.err
}

// Close hangs up on an agent whose call was never answered.
func (c *conversation) Close() error {
	c.socket.close(websocket.StatusNormalClosure)
	return nil
}

// hear gives the agent what the callee says. A failure to write shows in what is read, too,
// which alone decides what it means.
func (s *socket) hear(ctx context.Context, leg media.Leg) {
	audio := make([]byte, media.FrameSamples)
	for {
		f, err := leg.ReadFrame(ctx)
		if err != nil {
			return
		}
		for i, sample := range f {
			audio[i] = g711.EncodeUlawFrame(sample)
		}
		if s.sendMedia(audio) != nil {
			return
		}
	}
}

// tell gives the agent keys and marks.
func (s *socket) tell(ctx context.Context, leg media.Leg) {
	for {
		var messages []outgoing
		select {
		case key := <-leg.DTMF():
			messages = append(messages, dtmfMessage(key))
		case <-s.marked:
			for _, name := range s.takeMarks() {
				messages = append(messages, markMessage(name))
			}
		case <-ctx.Done():
			return
		}
		for _, m := range messages {
			if s.send(m) != nil {
				return
			}
		}
	}
}

// play gives the callee what the agent says, until there will be no more.
func (s *socket) play(ctx context.Context, leg media.Leg) {
	buffer := make([]byte, media.FrameSamples)
	var dry <-chan struct{} // closed when the callee has heard all that there was
	isDry := false
	for {
		n := s.backlog.take(buffer, isDry)
		var err error
		switch {
		case n.isLast:
			return
		case n.wait:
			dry = whenDry(leg, dry, n.isPart)
			isDry, err = s.backlog.wait(ctx, dry)
		case n.isMark:
			leg.Mark(func() { s.played(n.mark) })
		default:
			dry, isDry = nil, false
			err = leg.WriteFrame(ctx, frameOf(n.audio))
		}
		if err != nil {
			return
		}
	}
}

// whenDry is what to wait for beside the rest of a part of a frame: half a frame's time after the
// callee has heard all that came before, when what is to be heard next is due soon.
func whenDry(leg media.Leg, before <-chan struct{}, isPart bool) <-chan struct{} {
	if !isPart {
		return nil
	}
	if before != nil {
		return before
	}
	dry := make(chan struct{})
	leg.Mark(func() { time.AfterFunc(media.FrameTime/2, func() { close(dry) }) })
	return dry
}

// frameOf is silent after the end of the audio.
func frameOf(audio []byte) (f media.Frame) {
	for i, sample := range audio {
		f[i] = g711.DecodeUlawFrame(sample)
	}
	return f
}

// withoutURL leaves the URL out of an error of package net/url, since it may hold a secret.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
