package store

import (
	"context"
	"time"
)

// Store keeps batches, recipients and calls. It is safe for concurrent use.
//
// Every method that writes is one transaction: all of it is durable when it returns nil.
// When a write returns an error, it may or may not have happened (the connection can
// break while the commit is under way) unless the error is one of this package's
// sentinels, which say that nothing was written. The engine knows how to go on: it repeats
// CreateBatch under the same ids, Change as it is (but not ActionRetry without a Key), and
// Advance with Step.Replay set.
//
// A method gives up when ctx ends, but a transaction that was begun is then
// either whole or undone. What a method returns belongs to the caller; what it is given is
// neither kept nor changed, except that the bytes of metadata may be kept.
type Store interface {
	// CreateBatch adds a batch and its recipients, all queued. b.Counts and b.Rev are
	// ignored: the store sets them.
	//
	// Where the organisation has a batch with the same ID, or with the same Key
	// (not empty) whose KeyUntil is zero or after b.CreatedAt, nothing is written and that
	// batch is returned: the caller compares the ids.
	CreateBatch(ctx context.Context, b Batch, recipients []NewRecipient) (Batch, error)

	// Batch returns one batch with its counts, at a cost that does not grow with its
	// recipients. ErrNotFound.
	Batch(ctx context.Context, org, id string) (Batch, error)

	// Batches returns the batches that q asks for, newest first (by descending id),
	// or by ascending Rev where q.ByRev is set.
	Batches(ctx context.Context, q BatchQuery) ([]Batch, error)

	// Recipients returns the recipients that q asks for, by ascending index, or by
	// ascending Rev where q.ByRev is set. An unknown batch has none.
	Recipients(ctx context.Context, q RecipientQuery) ([]Recipient, error)

	// Calls returns the calls that q asks for, newest first (by descending id).
	Calls(ctx context.Context, q CallQuery) ([]Call, error)

	// Call returns one call. ErrNotFound.
	Call(ctx context.Context, org, id string) (Call, error)

	// Change does what somebody asked for to the batch with that id and returns it. See
	// the actions for what each does. A change that changes nothing leaves UpdatedAt
	// and Rev as they are. ErrNotFound; ErrBatchCancelled.
	//
	// When Change has returned from ActionCancel or ActionPause, no Advance claims a recipient of the batch.
	Change(ctx context.Context, org, id string, c Change) (Batch, error)

	// Active returns the organisations that have recipients queued or calls in
	// flight, in no particular order. It is polled, so it costs no more than those.
	Active(ctx context.Context) ([]ActiveOrg, error)

	// Advance writes what happened to calls of one organisation and claims the next
	// recipients, in one transaction. It is the only method that makes or ends a
	// call, and the hot path. See [Step].
	//
	// ErrNotOwner: the lease of step.Owner has run out or was never taken.
	Advance(ctx context.Context, step Step) (Advanced, error)

	// Heartbeat registers a node or renews its lease, which then lasts for that long by
	// the store's own clock, and replaces what was known of it. A lease of 0 gives it up. ErrNotOwner: the lease had run
	// out; the node must stop what it owns and come back under a new id. ErrOwned:
	// the store admits one dialling node at a time and another one has it.
	//
	// One that is late, whose n.Beat is below one that the store has of the node, changes nothing,
	// neither what is known of it nor its lease, and is no error. A node that never owned a call may
	// be forgotten once its lease has been over for NodeRetention.
	Heartbeat(ctx context.Context, n Node, lease time.Duration) error

	// Adopt makes node the owner of at most limit calls in flight whose owner has no
	// lease any more, and returns them, oldest first, with their metadata. A call over a
	// carrier that the node does not have (see Node.Carriers) is left to those that have it, as
	// long as there is one whose lease runs, and does not count against limit. ErrNotOwner as for Advance.
	//
	// It may return fewer than limit and leave others for the next time, as those of an organisation that somebody is
	// writing to, so that nobody waits for what another organisation does. That it returns none says that none are left:
	// where some are that it cannot have, it returns an error.
	Adopt(ctx context.Context, node string, limit int) ([]Claimed, error)

	// Nodes returns the nodes whose lease has not run out, and those whose lease has while calls in flight are still
	// theirs, which are Lapsed: what they told of their carriers stands until those calls have been adopted or ended.
	Nodes(ctx context.Context) ([]Node, error)
}

// Hinter is a Store that can tell sooner than polling finds it that another process changed
// something. It is optional: who polls misses nothing.
type Hinter interface {
	// Hints returns a channel that gets the id of an organisation soon after another process
	// changed something of it, and "" when changes of any may have been missed. Hints may be missing,
	// come twice or for nothing. The channel is closed some time after ctx has ended.
	Hints(ctx context.Context) <-chan string
}
