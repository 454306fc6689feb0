package batch

import "time"

// WaitReason says why a queued recipient is not dialled yet.
type WaitReason string

// The reasons, in the order in which they are looked for.
const (
	WaitScheduled  WaitReason = "scheduled"          // the batch begins later
	WaitPaused     WaitReason = "paused"             // the batch is paused
	WaitNotRunning WaitReason = "not_running"        // no engine that dials the batch's region is alive
	WaitAgent      WaitReason = "agent"              // the agent is not there any more, or cannot be reached
	WaitNumber     WaitReason = "number"             // the number is not there any more, or cannot place calls
	WaitDirectory  WaitReason = "directory"          // the directory cannot be asked
	WaitNoCarrier  WaitReason = "no_carrier"         // no carrier of the number is there, or all of them rest
	WaitBatchLimit WaitReason = "batch_limit"        // the batch has as many calls in flight as it may
	WaitOrgLimit   WaitReason = "organisation_limit" // the organisation has
	WaitChannels   WaitReason = "carrier_channels"   // the carrier has
	WaitPacing     WaitReason = "pacing"             // the carrier takes no more calls this moment
	WaitStore      WaitReason = "store"              // the store cannot be reached, so no call may start
	WaitItsTurn    WaitReason = "turn"               // others come first
)

// Waiting is the answer to: why has this recipient not been called yet?
type Waiting struct {
	Reason   WaitReason
	Detail   string    // for a person to read
	Position int       // recipients of its batch that come first
	Until    time.Time // when this is expected to be over; zero: it cannot be said

	asked time.Time // when this was the answer
	pace  float64   // recipients of the batch that were dialled a second; 0: it cannot be said
}
