package store

import (
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
)

// A Limit of 0 in a query below means no limit. Every other zero field asks for nothing
// in particular; Org is always required, except where it says otherwise.

// BatchQuery asks for batches of one organisation.
type BatchQuery struct {
	Org      string
	AgentID  string
	Statuses []fsm.BatchStatus // any of these

	// Key asks for the batch that was created last under this idempotency key.
	Key string

	CreatedFrom time.Time // at or after
	CreatedTo   time.Time // before

	// Open asks for batches that have recipients queued or calls in flight.
	Open bool

	// ByRev asks for batches with a Rev above AfterRev, by ascending Rev. It does not go
	// with After and Before.
	ByRev    bool
	AfterRev int64

	After  string // ids below this one, in the list's order behind it
	Before string // ids above this one: the Limit that stand just before it
	Limit  int
}

// RecipientQuery asks for recipients of one batch, or of the whole organisation
// where BatchID is empty and ByRev is set.
type RecipientQuery struct {
	Org        string
	BatchID    string
	Statuses   []fsm.RecipientStatus // any of these
	EndReasons []dialer.EndReason    // any of these

	// ByRev asks for recipients with a Rev above AfterRev, by ascending Rev. It does not
	// go with From and Before.
	ByRev    bool
	AfterRev int64

	From   int // indexes at or above this one
	Before int // indexes below this one: the Limit that stand just before it; 0: not asked for
	Limit  int

	NoMetadata bool // leave Metadata nil, which is cheaper
}

// CallQuery asks for calls of one organisation.
type CallQuery struct {
	Org     string
	BatchID string
	AgentID string

	// Recipient asks for the attempts of one recipient of BatchID.
	Recipient *int

	Owner    string // with InFlight: of this node
	InFlight bool   // not known to be over
	HangUp   bool   // with InFlight: somebody asked for it to be ended

	DispatchedFrom time.Time // at or after
	DispatchedTo   time.Time // at or before

	After  string // ids below this one, in the list's order behind it
	Before string // ids above this one: the Limit that stand just before it
	Limit  int
}
