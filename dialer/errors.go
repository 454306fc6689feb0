package dialer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotPlaced is wrapped by the errors of a Dialer that is certain that nobody's
// phone rang: the carrier refused the call outright, or not one byte of the request
// left this machine. The engine may then let another carrier try, or fail the
// recipient before a call.
//
// To prevent that a person is called twice, it must NOT be returned if there is a
// possibility that the carrier took the call: a request that timed out or broke off
// after it was written, an answer that cannot be read, a server error. Those are
// plain errors, or an Outcome with Reason Error.
var ErrNotPlaced = errors.New("no call was placed")

// ErrUnknownCall is returned by Resume for a call that the carrier has no record of.
// It does not say that the call never rang.
var ErrUnknownCall = errors.New("the carrier does not know the call")

// ErrOver says that an attempt is over: what its carrier still has of it is to be ended. A host says it to a
// carrier that asks who follows a call of which it hears, such as one that a process before this one has placed.
var ErrOver = errors.New("the attempt is over")

// ErrDetached is the cause of the context of a [Resumer]'s call when this process lets
// go of it, and the error that Dial and Resume then return. The call goes on and
// is resumed by whoever takes over.
var ErrDetached = errors.New("the call goes on without this process")

// UnavailableError says that the carrier takes no call now, though it may later: it
// is full, it asks for a rest, it cannot be reached. Nobody's phone rang: the error
// wraps [ErrNotPlaced] and the same caution applies. The engine queues the recipient
// again and lets the carrier rest, so nobody is written off because a carrier was down.
type UnavailableError struct {
	Cause error         // why; may be nil
	After time.Duration // how long the carrier wants to be left alone; 0: it did not say

	// Notice is what of the cause everybody may read whose calls wait for the carrier, such as that it
	// refuses the account. It has nothing that is about one call, no number and no secret. Empty: nothing.
	Notice string

	// CallerOnly says that it is the number to call from which the carrier does not take, such
	// as one that the account has not verified: calls from others go on.
	CallerOnly bool

	// AgentOnly says that it is the call's agent that cannot be reached: the carrier was not
	// asked, and calls for other agents go on.
	AgentOnly bool
}

func (e *UnavailableError) Error() string {
	if e.Cause == nil {
		return "the carrier is unavailable"
	}
	return fmt.Sprintf("the carrier is unavailable: %v", e.Cause)
}

// Unwrap makes errors.Is find ErrNotPlaced and the cause.
func (e *UnavailableError) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrNotPlaced} // a nil among them breaks those who walk the tree themselves
	}
	return []error{ErrNotPlaced, e.Cause}
}

// hangUp is the cause of a context that was cancelled to end its call.
type hangUpError struct{ reason EndReason }

func (e hangUpError) Error() string { return "hang up: " + string(e.reason) }

// HangUp returns the cause with which to cancel a call's context so that the call
// ends with that reason.
func HangUp(reason EndReason) error { return hangUpError{reason} }

// HangUpReason tells with which reason a call ends whose context is over: the one
// that HangUp was given if it exists, DialNoAnswer or MaxDuration where a deadline passed before or
// after it connected, otherwise APICancelled.
func HangUpReason(ctx context.Context, connected bool) EndReason {
	cause := context.Cause(ctx)
	switch e, ok := errors.AsType[hangUpError](cause); {
	case ok && e.reason.Valid():
		return e.reason
	case errors.Is(cause, context.DeadlineExceeded) && connected:
		return MaxDuration
	case errors.Is(cause, context.DeadlineExceeded):
		return DialNoAnswer
	}
	return APICancelled
}

// Detached says whether ctx is over because this process lets go of the call.
func Detached(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrDetached) }
