package main

import (
	"context"
	"iter"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// backend does what the commands ask for: the engine of this process over a database, or a
// server. Errors are those of package batch either way.
type backend interface {
	// Batch returns a batch by its whole id.
	Batch(ctx context.Context, id string) (store.Batch, error)

	// Batches goes through the batches, newest first; with open, those that are not over.
	Batches(ctx context.Context, open bool) iter.Seq2[store.Batch, error]

	// Whole returns a batch with its recipients; their metadata, which can be large, only
	// on request.
	Whole(ctx context.Context, id string, metadata bool) (store.Batch, []store.Recipient, error)

	// Calls returns every call of a batch, the attempts of the past too.
	Calls(ctx context.Context, id string) ([]store.Call, error)

	// Recipient returns a recipient, and why it waits if it does.
	Recipient(ctx context.Context, id string) (store.Recipient, batch.Waiting, error)

	// Waiting tells why a batch's next recipient waits; zero: none does.
	Waiting(ctx context.Context, id string) (batch.Waiting, error)

	// Change does something to a batch. Only the action and its arguments are looked at.
	Change(ctx context.Context, id string, c store.Change) (store.Batch, error)

	// Create creates a batch. The same key and request again: that batch again, as it is now.
	Create(ctx context.Context, r batch.Request) (store.Batch, error)

	// Earlier finds the batch that an earlier run of the same recipients created: one that is
	// not over, or else the latest. Zero: there is none. key is for the next one: whoever
	// looks at the same moment gets the same, and so the same batch.
	Earlier(ctx context.Context, p plan) (b store.Batch, key string, err error)

	// Watch yields the present state of a batch and its recipients, and then what changes. An
	// error that it yields may pass: then it goes on. Where it ends by itself, the last
	// error is why, unless ctx ended.
	Watch(ctx context.Context, id string) iter.Seq2[batch.Change, error]

	Close() error
}
