package media

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/outdial/outdial/dialer"
)

// The audio between a session and its agent: one channel of linear samples, in frames.
const (
	SampleRate   = 8000 // a second
	FrameSamples = 160
	FrameTime    = 20 * time.Millisecond
)

// Frame is 20 ms of audio, as signed samples of 16 bits at 8 kHz. The zero value is silence.
type Frame [FrameSamples]int16

// Agent is who talks to callees. It is safe for concurrent use.
type Agent interface {
	// Ready has the agent ready to talk to the callee, before the call is placed unless
	// [Config.AgentAtAnswer] is set. After an error nobody is called. The session closes
	// the conversation.
	Ready(ctx context.Context, call dialer.Call) (Conversation, error)
}

// Conversation is an agent that is ready for one call.
type Conversation interface {
	// Talk is called at most once, when the call is answered, and returns at once when ctx ends
	// because the call is over. Before that, nil means that the agent hangs up, once
	// what it has written has been played. [ErrDisconnected]: what it says. Any other error
	// ends the call as an error.
	Talk(ctx context.Context, leg Leg) error

	// Done is closed when the agent hangs up before Talk is called: the call is then given up, so
	// that nobody answers to an agent that is gone. Nil: it never does.
	Done() <-chan struct{}

	// Close takes leave of the agent, and gives back what Ready took. It is called once, after
	// Talk or in place of it, when the call is over and nobody waits for it.
	Close() error
}

// Leg is the call as its agent has it. It is safe for concurrent use, and its
// methods fail with the cause of Talk's context once that is over.
type Leg interface {
	// Call is the call as it was placed.
	Call() dialer.Call

	// ReadFrame waits for the next 20 ms of the callee. Frames come at the pace at which
	// the callee sends; where nothing is received they are silent. What is not read within
	// two seconds is lost.
	ReadFrame(ctx context.Context) (Frame, error)

	// WriteFrame has the frame played after those that were written before. It waits
	// while 200 ms are ahead of it, so a loop that writes keeps the pace of the call. A frame
	// that waits when Clear is called is dropped, which is no error.
	WriteFrame(ctx context.Context, f Frame) error

	// Mark has played called when everything written before is played, or dropped by Clear;
	// at once where nothing is ahead. played must not block nor call the leg.
	Mark(played func())

	// Clear drops what was written and is not played: the callee hears none of it from the
	// next frame on.
	Clear()

	// SendDTMF presses keys, of 0-9, *, #, A-D, each for 100 ms with a pause of 100 ms (RFC 4733).
	// It does not wait; the frames that were written do. The error says that a
	// character is no key, or that the callee did not agree to telephone events.
	SendDTMF(keys string) error

	// DTMF gives the keys that the callee presses. It is never closed.
	DTMF() <-chan rune
}

// AgentFunc is an agent in this process. It is called when the call is answered; what it
// returns is what [Conversation.Talk] would. A panic ends the call as an error.
type AgentFunc func(ctx context.Context, leg Leg) error

// Ready is always ready.
func (f AgentFunc) Ready(context.Context, dialer.Call) (Conversation, error) {
	return conversation{f}, nil
}

type conversation struct{ talk AgentFunc }

func (c conversation) Talk(ctx context.Context, leg Leg) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &panicError{cause: cause, stack: debug.Stack()}
		}
	}()
	return c.talk(ctx, leg)
}

func (c conversation) Done() <-chan struct{} { return nil }

func (c conversation) Close() error { return nil }

// panicError keeps one call's panic from ending the calls of everybody else.
type panicError struct {
	cause any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("the agent panicked: %v", e.cause) }

// LogValue adds the stack, which the outcome of a call has no place for.
func (e *panicError) LogValue() slog.Value {
	return slog.GroupValue(slog.String("message", e.Error()), slog.String("stack", string(e.stack)))
}
