package media

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/outdial/outdial/dialer"
)

// lastFrames is more than it takes to play what may be written ahead.
const lastFrames = 2 * ahead * FrameTime

// errClosed is the cause of a Run that Close ends.
var errClosed = errors.New("the session was closed")

func (s *session) Run(ctx context.Context) error {
	if !s.begin() {
		return errClosed
	}
	defer close(s.ran)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(ctx, cancel)
	}()
	err := s.converse(ctx)
	s.pacer.leave(s)
	over := context.Cause(ctx)
	cancel(nil)
	<-watched
	switch {
	case over != nil:
		return over
	case err != nil:
		s.config.Logger.WarnContext(ctx, "media: the agent ended a call with an error",
			slog.Any("call", s.call), slog.Any("error", err))
	}
	return err
}

// watch ends the call when there is a reason in it.
func (s *session) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-s.inactive:
		cancel(ErrInactive)
	case <-s.stop:
		cancel(errClosed)
	case <-ctx.Done():
	}
}

// converse returns nil when the agent hung up and was heard to the end.
func (s *session) converse(ctx context.Context) error {
	if s.conversation == nil {
		if err := s.ready(ctx); err != nil {
			return err
		}
	}
	if err := s.conversation.Talk(ctx, s.leg(ctx)); err != nil {
		return err
	}
	played := make(chan struct{})
	s.sender.playout.mark(func() { close(played) })
	timer := time.NewTimer(lastFrames)
	defer timer.Stop()
	select {
	case <-played:
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

// tick is called by the pacer.
func (s *session) tick(skipped int) {
	s.sender.tick(skipped)
	if s.reporting.due() {
		s.report(false)
	}
	if s.receiver.tick() {
		return
	}
	select {
	case s.inactive <- struct{}{}:
	default:
	}
}

// leg is the agent's view of a session.
type leg struct {
	session *session
	over    <-chan struct{}
	cause   func() error // why it is over
}

func (s *session) leg(ctx context.Context) *leg {
	return &leg{session: s, over: ctx.Done(), cause: func() error { return context.Cause(ctx) }}
}

func (l *leg) Call() dialer.Call { return l.session.call }

func (l *leg) ReadFrame(ctx context.Context) (f Frame, err error) {
	if err = l.session.receiver.inbox.read(ctx, l.over, &f); errors.Is(err, errOver) {
		err = l.cause()
	}
	return f, err
}

func (l *leg) WriteFrame(ctx context.Context, f Frame) error {
	err := l.session.sender.playout.write(ctx, l.over, &f)
	if errors.Is(err, errOver) {
		err = l.cause()
	}
	return err
}

func (l *leg) Mark(played func()) { l.session.sender.playout.mark(played) }

func (l *leg) Clear() { l.session.sender.playout.clear() }

func (l *leg) SendDTMF(keys string) error { return l.session.sender.press(keys) }

func (l *leg) DTMF() <-chan rune { return l.session.receiver.keys.keys }
