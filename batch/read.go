package batch

import (
	"context"
	"fmt"

	"github.com/outdial/outdial/store"
)

// Batch returns a batch with its counts. ErrNotFound.
func (e *Engine) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	b, err := e.cfg.Store.Batch(ctx, org, id)
	if err != nil {
		return store.Batch{}, fmt.Errorf("batch: batch %.40q: %w", id, err)
	}
	return b, nil
}

// Batches returns the batches that q asks for, newest first.
func (e *Engine) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	bs, err := e.cfg.Store.Batches(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("batch: batches of organisation %.40q: %w", q.Org, err)
	}
	return bs, nil
}

// Recipients returns the recipients that q asks for, in the order of the request.
func (e *Engine) Recipients(ctx context.Context, q store.RecipientQuery) ([]store.Recipient, error) {
	rs, err := e.cfg.Store.Recipients(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("batch: recipients of batch %.40q: %w", q.BatchID, err)
	}
	return rs, nil
}

// Call returns one attempt to reach a recipient. ErrNotFound.
func (e *Engine) Call(ctx context.Context, org, id string) (store.Call, error) {
	c, err := e.cfg.Store.Call(ctx, org, id)
	if err != nil {
		return store.Call{}, fmt.Errorf("batch: call %.40q: %w", id, err)
	}
	return c, nil
}

// Calls returns the calls that q asks for, newest first.
func (e *Engine) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	cs, err := e.cfg.Store.Calls(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("batch: calls of organisation %.40q: %w", q.Org, err)
	}
	return cs, nil
}
