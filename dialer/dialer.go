package dialer

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

// Dialer places calls over one carrier. It is safe for concurrent use by as many
// goroutines as there are calls.
type Dialer interface {
	// Dial places the call and blocks until it is over, then returns its outcome.
	//
	// report is called as the call advances: from one goroutine at a time, each
	// stage at most once, in order, and never after Dial has returned. It does not block.
	// Every stage may be left out, since carriers lose messages; Outcome has the times. But a call of which
	// Connected was not reported still rings, for all that the engine knows, and is ended some time after
	// call.RingTimeout.
	//
	// The dialer keeps call.RingTimeout (outcome DialNoAnswer) and call.MaxDuration
	// (outcome MaxDuration). The engine has a later deadline of its own for a dialer
	// that does not.
	//
	// When ctx is cancelled, Dial hangs up and returns the outcome soon, with the
	// reason that [HangUpReason] finds in ctx. One cause is different, [ErrDetached]:
	// it is given to a [Resumer] only, which then returns ErrDetached at once and
	// leaves the call as it is.
	//
	// A ctx that is over already places nothing: Dial returns an outcome with the reason
	// of its cause, or an error that wraps ErrNotPlaced.
	//
	// An error says that there is no outcome. Only an error that wraps [ErrNotPlaced]
	// says that nobody's phone rang; after any other one the fate of the call is
	// unknown, and the engine ends the attempt without dialling the number again.
	Dial(ctx context.Context, call Call, report func(Progress)) (Outcome, error)
}

// Resumer is a dialer whose carrier goes on with a call when this process is gone.
type Resumer interface {
	Dialer

	// Resume does for a call that was placed earlier, perhaps by another process, what
	// Dial does for a new one: it follows the call to its end and returns the outcome.
	// It must never place a call. call.Ref is what the carrier calls it, or empty when
	// that was never learned; call.ID is what the carrier was told when it was placed.
	// Where the call is over already, the outcome is returned at once.
	//
	// The error is [ErrUnknownCall] when the carrier does not know the call. ErrNotPlaced
	// says that the carrier certainly never rang anybody for it. Any other error, an
	// [UnavailableError] too, says here only that the carrier could not be asked: it
	// is asked again, with longer and longer waits, until the call's time is up.
	Resume(ctx context.Context, call Call, report func(Progress)) (Outcome, error)
}

// Prober is a dialer that can find out, without a call, whether its carrier would take one.
type Prober interface {
	// Probe asks the carrier something that costs nothing. Nil: it answered, and accepts who
	// asks. An error says for a person to read what is wrong. It is safe for concurrent use.
	Probe(ctx context.Context) error
}

// Limiter is a dialer that knows how many calls its carrier takes.
type Limiter interface {
	// Limits is asked once, when the engine is made.
	Limits() Limits
}

// Limits is what a carrier admits. The zero value admits everything.
type Limits struct {
	Channels int     // most calls at once; 0: no limit
	CPS      float64 // most new calls a second, on average; 0: no limit
	Burst    int     // calls that may start in one instant; 0: a tenth of CPS, at least 1
}

// Call is one attempt to reach one recipient.
type Call struct {
	// ID names the attempt and is never used for another. A carrier that takes a
	// reference of the caller's is given this one.
	ID string

	Org       string // organisation
	Batch     string // batch id
	Recipient string // recipient id
	Attempt   int    // 1 for the recipient's first

	From Phone
	To   Phone

	Agent    Agent
	Metadata json.RawMessage // the recipient's, a JSON object; nil: none. Not to be modified.

	RingTimeout time.Duration // how long it may ring
	MaxDuration time.Duration // how long it may last once connected

	// Ref is the carrier's own id of the call. It is set for Resume only.
	Ref string

	// PlacedAt is when the attempt was made durable, which is before the carrier
	// heard of it.
	PlacedAt time.Time
}

// LogValue keeps out of the log what is personal or may be secret: most of the
// numbers, the metadata and the agent's URL.
func (c Call) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", c.ID),
		slog.String("org", c.Org),
		slog.String("batch", c.Batch),
		slog.String("recipient", c.Recipient),
		slog.Int("attempt", c.Attempt),
		slog.Any("from", c.From),
		slog.Any("to", c.To),
		slog.String("agent", c.Agent.ID),
		slog.String("ref", c.Ref),
	)
}

// Agent is who talks to the callee.
type Agent struct {
	ID  string
	URL string // where the media goes, a WebSocket URL; empty where the carrier needs none
}

// Stage is how far a call has come.
type Stage uint8

// The stages of a call, in order.
const (
	Accepted  Stage = iota + 1 // the carrier has the call and said what it calls it
	Ringing                    // the callee's phone rings
	Connected                  // it was answered
)

// String returns the stage in lower case.
func (s Stage) String() string {
	switch s {
	case Accepted:
		return "accepted"
	case Ringing:
		return "ringing"
	case Connected:
		return "connected"
	}
	return "unknown"
}

// Progress is a step of a call on its way.
type Progress struct {
	Stage Stage
	At    time.Time // zero: now
	Ref   string    // the carrier's own id of the call, where it is known by now
}

// Outcome is how a call ended.
type Outcome struct {
	Reason EndReason

	// The times are zero where the thing did not happen. A call whose ConnectedAt is
	// zero never connected. EndedAt zero: now.
	RangAt      time.Time
	ConnectedAt time.Time
	EndedAt     time.Time

	Ref     string            // the carrier's own id of the call
	Message string            // for Reason Error: what went wrong, for a person to read
	Details map[string]string // what else the carrier said, such as a SIP code, under stable names
}
