package batch

import (
	"encoding/json"
	"time"
)

// The bounds and defaults of a [Request], as the HTTP contract has them.
const (
	MinRingTimeout     = 5 * time.Second
	MaxRingTimeout     = 80 * time.Second
	DefaultRingTimeout = 60 * time.Second

	MinMaxDuration     = time.Minute
	MaxMaxDuration     = 480 * time.Minute
	DefaultMaxDuration = MaxMaxDuration

	MaxScheduleAhead = 30 * 24 * time.Hour

	MaxNameLength = 1024 // bytes
	MaxWeight     = 1000
)

func regions() []string { return []string{"US", "EU", "APAC"} }

// Request asks for a batch. Name, AgentID, NumberID and Recipients are required.
type Request struct {
	Name       string
	AgentID    string
	NumberID   string // the number to call from
	Recipients []RecipientRequest

	// Target is the most calls of this batch in flight at once, at most the
	// organisation's limit. 0: half of that, at least 1.
	Target int

	// Weight is the batch's share of the organisation's capacity beside its other
	// batches, 1 to MaxWeight: one of 2 gets twice the calls of one of 1. 0: 1.
	Weight int

	RingTimeout time.Duration // whole seconds; 0: DefaultRingTimeout
	MaxDuration time.Duration // whole minutes; 0: DefaultMaxDuration

	// ScheduledAt is when to begin; in the future and within MaxScheduleAhead.
	// Zero: at once.
	ScheduledAt time.Time

	// Region is where the batch is dialled: US, EU or APAC. It may be named for numbers
	// that allow it. Empty: the number's, else the organisation's, else US.
	Region string

	// Paused creates the batch paused: nothing is dialled before Resume.
	Paused bool

	// Key makes the request idempotent: a second one with the same key until KeyUntil
	// (zero: ever) gets the batch of the first, whatever became of it. Where the
	// recipients or anything else that is dialled differ, it gets ErrKeyReused.
	Key      string
	KeyUntil time.Time
}

// RecipientRequest is one recipient of a [Request].
type RecipientRequest struct {
	To       string          // in E.164 format
	Metadata json.RawMessage // a JSON object, kept byte for byte; nil: none
}
