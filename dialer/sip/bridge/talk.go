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
	isTold bool // the agent knows that the call was answered

	done    chan struct{} // closed when the agent hung up before that
	unwatch func()        // ends the watch over the connection

	stop  context.CancelFunc // ends the tasks
	tasks sync.WaitGroup
}

// newConversation watches the connection until it is needed: a phone may ring for a minute.
func newConversation(ctx context.Context, a *agent, call dialer.Call, s *socket) *conversation {
	c := &conversation{agent: a, call: call, socket: s, done: make(chan struct{}), stop: func() {}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(ctx)
	}()
	c.unwatch = func() {
		cancel()
		<-watched
	}
	return c
}

// watch connects again where the connection is lost, and returns when the agent hangs up.
func (c *conversation) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.socket.over:
		}
		if c.socket.hungUp() {
			close(c.done)
			return
		}
		c.agent.config.Logger.WarnContext(ctx, "bridge: the agent was lost before the call was answered",
			slog.Any("call", c.call))
		if !c.insist(ctx) {
			return
		}
	}
}

// insist tries until there is a connection, or nobody wants it any more.
func (c *conversation) insist(ctx context.Context) bool {
	const first, longest = 100 * time.Millisecond, 5 * time.Second
	for pause := first; ; pause = min(2*pause, longest) { //nolint:mnd // it doubles
		if c.reconnect(ctx) == nil {
			return true
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// Done implements [media.Conversation].
func (c *conversation) Done() <-chan struct{} { return c.done }

// Talk connects once more if the agent was lost while the phone rang, and could not be had since.
func (c *conversation) Talk(ctx context.Context, leg media.Leg) error {
	c.unwatch()
	if c.socket.hungUp() {
		return nil
	}
	if !c.begin() {
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
	c.isTold = !c.socket.isOver() && c.socket.send(startMessage(c.call, c.socket.sid)) == nil
	return c.isTold
}

func (s *socket) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// hungUp says whether the agent closed the connection because it wants no call.
func (s *socket) hungUp() bool { return s.isOver() && s.err == nil && !s.isMoving }

func (c *conversation) reconnect(ctx context.Context) error {
	c.socket.drop()
	s, err := c.agent.connect(ctx, c.call)
	if err != nil {
		return fmt.Errorf("%w: %w", media.ErrDisconnected, err)
	}
	c.socket = s
	return nil
}

// talk ends when the call does, or the connection. What the tasks still do then, Close waits for: an
// agent that does not read must not hold up the end of the call.
func (c *conversation) talk(ctx context.Context, s *socket, leg media.Leg) error {
	talking, cancel := context.WithCancel(ctx)
	c.stop = cancel
	played := make(chan struct{})
	s.attach(leg)
	c.tasks.Go(func() { s.hear(talking, leg) })
	c.tasks.Go(func() { s.tell(talking, leg) })
	c.tasks.Go(func() {
		defer close(played)
		s.play(talking, leg)
	})
	defer cancel()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.over:
	}
	if s.err == nil {
		c.hearOut(ctx, played)
	}
	return s.err
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

// Close tells the agent, where it is still there, that the call is over, or was never answered.
func (c *conversation) Close() error {
	c.unwatch()
	c.stop()
	timer := time.AfterFunc(closeTime, c.socket.breakOff)
	defer timer.Stop()
	c.tasks.Wait()
	status := websocket.StatusNormalClosure
	switch {
	case !c.socket.isOver() && c.isTold:
		c.socket.send(stopMessage(c.call)) //nolint:errcheck,gosec // it is over for the agent, too
	case c.socket.isOver() && c.socket.err != nil && !errors.Is(c.socket.err, media.ErrDisconnected):
		status = websocket.StatusPolicyViolation
	}
	c.socket.close(status)
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
			if err = leg.WriteFrame(ctx, frameOf(n.audio)); s.backlog.isStale(n) {
				leg.Clear() // the frame was between the two when they were cleared
			}
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
