package store

import "errors"

// The errors that callers branch on, with errors.Is. Each says that nothing was written.
var (
	// ErrNotFound: the organisation has no such batch or call. Another organisation's
	// is not found either.
	ErrNotFound = errors.New("not found")

	// ErrBatchCancelled: a batch that is cancelled cannot be retried.
	ErrBatchCancelled = errors.New("the batch is cancelled")

	// ErrNotOwner: the node holds no lease (any more), so others may have taken over
	// its calls. It is never returned to a node whose lease runs.
	ErrNotOwner = errors.New("the node's lease has run out")

	// ErrOwned: the store admits one dialling node, and another one is dialling.
	ErrOwned = errors.New("another process is dialling from this store")

	// ErrNewerSchema: the data was written by a newer version of this module.
	ErrNewerSchema = errors.New("the data has a newer schema than this version knows")

	// ErrOlderSchema: the data lacks what this version of the module added to its schema, or all of
	// it, and the store was told to leave that to somebody else.
	ErrOlderSchema = errors.New("the data has an older schema than this version needs")

	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
)
