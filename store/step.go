package store

import (
	"encoding/json"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
)

// Action is what somebody can ask to be done to a batch.
type Action uint8

// The actions.
const (
	// ActionCancel cancels every queued recipient and sets CancelledAt, unless the batch
	// is over. Calls in flight go on; one that its carrier could not take is
	// cancelled instead of being queued again.
	ActionCancel Action = iota + 1

	// ActionPause keeps the batch from being claimed from; ActionResume lets it go on.
	// Neither does anything to a batch that is cancelled.
	ActionPause
	ActionResume

	// ActionRetry queues every failed recipient again, under a next attempt. If there are
	// any, it adds 1 to RetryCount and clears CancelledAt. CallID, EndReason and Error of
	// those become empty; the calls stay, AdmittedAt and ScheduledAt too.
	// ErrBatchCancelled for a batch whose status is cancelled.
	//
	// Key makes it safe to repeat. Where it is not empty and is the batch's RetryKey, the retry
	// was carried out before: nothing is changed, and the batch is returned as it is, even if it
	// has been cancelled since. Otherwise a retry that is not refused sets RetryKey to Key if
	// that is not empty, in the same transaction, also where nobody has failed: who repeats it
	// later means those who had failed then. Setting RetryKey alone is no change of the batch:
	// UpdatedAt and Rev stay. Only the latest key is kept, and a retry without one leaves it.
	ActionRetry

	// ActionSetTarget sets Target, not FirstTarget. Calls in flight above it go on.
	ActionSetTarget

	// ActionHangUp sets HangUpAt of one call, unless it is over or it is set already. The
	// call's owner reads it, so it counts as a change of the batch: Rev and UpdatedAt move.
	// ErrNotFound where the batch has no such call.
	ActionHangUp
)

// Change is something that was asked for.
type Change struct {
	Action Action
	At     time.Time
	Target int    // ActionSetTarget
	CallID string // ActionHangUp
	Key    string // ActionRetry; empty: it must not be repeated
}

// Step is what [Store.Advance] writes: first the events in their order, then the claims.
type Step struct {
	Org   string
	Owner string // the node; its lease is checked
	Now   time.Time

	// Limit is the most calls the organisation may have in flight, over all owners,
	// once the claims are made. It does not keep events from being written.
	Limit int

	Events []Event
	Claims []Claim

	// Replay says that an Advance with this same step returned an error before and may
	// have been written all the same. Then every call id in Claims that exists already and
	// belongs to Owner is returned as claimed, no further recipient is claimed for
	// the ids of a claim of which one exists, and an event that was written is not Lost.
	Replay bool
}

// CancelledBefore is the Error of a recipient whose call was cancelled before it was placed.
const CancelledBefore = "cancelled before a call was placed"

// Event is something that happened to a call in flight. It is applied if the call is
// owned by Step.Owner and in flight, and the lifecycle has a transition from the call's
// status to Status, or it is the same status; else the call's id is in Advanced.Lost
// and nothing else comes of it.
type Event struct {
	BatchID string
	Index   int
	CallID  string

	// Status is what the recipient and the call become. Dispatched or Started where
	// that is what they are: only the fields below are written. Queued: the carrier could not
	// take the call and nobody's phone rang; the call becomes Failed and Unplaced, and the
	// recipient is queued again, or cancelled if the batch has CancelledAt set. Where
	// somebody has asked for the call's end, HangUpAt, it is taken for Failed and Unplaced with
	// CancelledBefore as its Error: who cancels a call does not want another one.
	Status fsm.RecipientStatus

	// Carrier says that the call goes on over this carrier, also where it is the one that it has.
	// Ref and RangAt become empty unless this event sets them; nothing else changes. Empty: it stays
	// where it is. The caller knows that nobody's phone rang, the store does not look.
	Carrier string

	// These are written to the call where they are not zero.
	Tries     []Try // all of them, those of earlier events too; an empty list says nothing
	Ref       string
	RangAt    time.Time
	StartedAt time.Time
	EndedAt   time.Time
	EndReason dialer.EndReason
	Error     string
	Details   map[string]string

	// Unplaced, with Failed, says that no call was placed: the recipient's CallID and
	// EndReason become empty and Error goes to the recipient. Otherwise the recipient
	// gets EndReason and keeps CallID, and Error stays with the call.
	Unplaced bool
}

// Claim asks for the next recipients of one batch. It claims none unless the batch is
// Claimable, and at most len(CallIDs), at most as many as Target leaves over all
// owners, at most as many as Step.Limit leaves. Claims are served in their order.
//
// A claimed recipient goes from Queued to Dispatched, with the next call id of the list and its
// next attempt number. Those with the fewest Attempts come first, then by ascending index: who
// was never claimed goes before all that are queued again, and those take turns, so that one
// whom a carrier refuses again and again holds up nobody. An event of the same step that queues
// a recipient again counts. The batch's first claim sets AdmittedAt.
type Claim struct {
	BatchID string
	CallIDs []string // ascending
	Carrier string
	From    dialer.Phone
}

// Claimed is a recipient that is to be dialled now.
type Claimed struct {
	Call     Call
	Metadata json.RawMessage // the recipient's
}

// Advanced is what came of a Step.
type Advanced struct {
	Claimed []Claimed // in the order of Step.Claims, then of their call ids
	Lost    []string  // ids of calls whose events did not apply: the owner has lost them

	// The truth after the step, over all owners.
	InFlight int     // calls of the organisation
	Batches  []Batch // every batch that the step names, each once, in no particular order
	Rev      int64   // the organisation's revision; PrevRev where nothing was changed
	PrevRev  int64   // and before the step: what the caller knew, unless others wrote
}
