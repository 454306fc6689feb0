package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/outdial/outdial/store"
)

// Cancel is batch.Engine.Cancel.
func (c *Client) Cancel(ctx context.Context, id string) (store.Batch, error) {
	return c.post(ctx, id, "cancel", "")
}

// Pause is batch.Engine.Pause.
func (c *Client) Pause(ctx context.Context, id string) (store.Batch, error) {
	return c.post(ctx, id, "pause", "")
}

// Resume is batch.Engine.Resume.
func (c *Client) Resume(ctx context.Context, id string) (store.Batch, error) {
	return c.post(ctx, id, "resume", "")
}

// Retry is batch.Engine.RetryOnce under a key of its own, so that it is done once however often it has
// to be sent. After an error that is no *Error it is unknown whether it was done.
func (c *Client) Retry(ctx context.Context, id string) (store.Batch, error) {
	return c.post(ctx, id, "retry", rand.Text())
}

func (c *Client) post(ctx context.Context, id, what, key string) (store.Batch, error) {
	return c.change(ctx, call{method: http.MethodPost, url: c.at(nil, batches, id, what), key: quoted(key)})
}

// SetTarget is batch.Engine.SetTarget.
func (c *Client) SetTarget(ctx context.Context, id string, target int) (store.Batch, error) {
	body, err := json.Marshal(map[string]int{"target_concurrency_limit": target})
	if err != nil {
		return store.Batch{}, fmt.Errorf("writing the request: %w", err)
	}
	return c.change(ctx, call{method: http.MethodPatch, url: c.at(nil, batches, id), body: body})
}

func (c *Client) change(ctx context.Context, do call) (store.Batch, error) {
	var b wireBatch
	do.read = into(&b)
	if err := c.do(ctx, do); err != nil {
		return store.Batch{}, err
	}
	return b.record(), nil
}
