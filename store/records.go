package store

import (
	"encoding/json"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
)

// Sizes that every store takes. The engine refuses what is larger.
const (
	MaxRecipients = 5000    // in a batch, as the HTTP contract has it
	MaxMetadata   = 1 << 20 // bytes of a recipient's metadata, as the HTTP contract has it
	MaxKey        = 255     // bytes of an organisation's or agent's id, and of an idempotency key, a retry's too
)

// Batch is a list of recipients to dial.
type Batch struct {
	Org      string
	ID       string // see NewBatchID
	Name     string
	AgentID  string
	NumberID string // the number to call from
	Region   string // whose engines dial it

	Target      int // most calls in flight at once
	FirstTarget int // what Target was when the batch was created, for who asks for it under Key again; it never changes
	Weight      int // share of the organisation's capacity beside its other batches, at least 1

	RingTimeout time.Duration
	MaxDuration time.Duration

	CreatedAt   time.Time
	UpdatedAt   time.Time // when a row of the batch last changed
	ScheduledAt time.Time // not dialled before; zero: at once
	AdmittedAt  time.Time // when its first recipient was dispatched
	PausedAt    time.Time // paused since
	CancelledAt time.Time // cancelled at; no recipient is queued any more
	RetryCount  int

	Counts fsm.Counts
	Rev    int64 // revision of the last change to any of its rows

	Key         string    // idempotency key of the request; empty: none
	KeyUntil    time.Time // until when Key holds; zero: for ever
	RetryKey    string    // of the latest retry that had a key, see ActionRetry; empty: none
	Fingerprint string    // of the request, for whoever compares requests under one key
}

// Status is derived from the counts.
func (b Batch) Status() fsm.BatchStatus { return b.Counts.BatchStatus() }

// Claimable says whether recipients may be claimed at that time, which every Advance
// checks inside its transaction. How many is a matter of the limits.
func (b Batch) Claimable(now time.Time) bool {
	return b.Counts.Queued > 0 && b.PausedAt.IsZero() && b.CancelledAt.IsZero() && !b.ScheduledAt.After(now)
}

// NewRecipient is a recipient to be created.
type NewRecipient struct {
	To       dialer.Phone
	Metadata json.RawMessage // a JSON object; nil: none. Kept byte for byte.
}

// Recipient is a person to reach, and where that stands.
type Recipient struct {
	Org      string
	BatchID  string
	Index    int // its place in the batch, from 0
	To       dialer.Phone
	Metadata json.RawMessage

	Status   fsm.RecipientStatus
	Attempts int    // calls that were made of it so far
	CallID   string // the latest attempt; empty while queued, and where no call was placed

	EndReason dialer.EndReason // how the latest call ended; empty: it has not
	Error     string           // why no call could be placed

	CreatedAt time.Time // the batch's
	UpdatedAt time.Time
	Rev       int64
}

// ID is the recipient's id, which contains the batch and the index.
func (r Recipient) ID() string { return RecipientID(r.BatchID, r.Index) }

// Call is one attempt to reach one recipient.
type Call struct {
	Org     string
	ID      string // see NewCallIDs
	BatchID string
	Index   int // of the recipient
	Attempt int // 1 for the recipient's first

	Status  fsm.RecipientStatus // Dispatched, Started, Completed or Failed
	Owner   string              // the node that places it
	Carrier string              // that has it, or had it last
	Tries   []Try               // the carriers that had it before, in their order; nil: none
	From    dialer.Phone
	To      dialer.Phone
	AgentID string
	Ref     string // the carrier's own id

	DispatchedAt time.Time
	RangAt       time.Time
	StartedAt    time.Time // connected
	EndedAt      time.Time

	EndReason dialer.EndReason
	Unplaced  bool              // it ended before a call was placed: nobody's phone rang
	Error     string            // what went wrong, for a person to read
	Details   map[string]string // what else the carrier said

	HangUpAt time.Time // when somebody asked for it to be ended
}

// Try is a carrier that was given a call and certainly did not place it, so that another one
// could be tried within the same attempt.
type Try struct {
	Carrier string
	At      time.Time // when the attempt went on from it to the next one, or ended; before that, when it refused
	Error   string    // why, for a person to read
}

// RecipientID is the id of the recipient that the call tries to reach.
func (c Call) RecipientID() string { return RecipientID(c.BatchID, c.Index) }

// ActiveOrg is an organisation that has something to do.
type ActiveOrg struct {
	Org string
	Rev int64 // its latest revision: unchanged means that nothing was changed
}

// Node is an engine that dials.
type Node struct {
	ID        string   // random, new each time an engine starts
	Regions   []string // whose batches it dials; empty: all
	Carriers  []string // that it can place and resume calls over; empty: none
	Shares    []int    // what it tells the others of its Carriers: the engine's, for no store to read
	StartedAt time.Time
	ExpiresAt time.Time // when its lease runs out, by the store's clock

	// Lapsed says that its lease has run out while calls in flight are still its own. Only Nodes says so.
	Lapsed bool

	// Beat numbers the heartbeats of one node, upwards from 1, each above those that were sent before:
	// of two that are under way at once, or of which one was kept up by the network, the later counts,
	// in whatever order they arrive. 0 throughout: they count as they arrive.
	Beat int64
}

// NodeRetention is for how long a store remembers a node at least whose lease has run out. One that
// ever owned a call is remembered for as long as the call, whose Owner it is.
const NodeRetention = 24 * time.Hour
