package remote

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

const recipients = "recipients"

// Recipients goes through the recipients of a batch in the order of the request, with their metadata.
// It reads as far as it is asked to.
func (c *Client) Recipients(ctx context.Context, batchID string) iter.Seq2[store.Recipient, error] {
	return func(yield func(store.Recipient, error) bool) {
		what := "the recipients of batch " + batchID
		for w, err := range list[wireRecipient](ctx, c, what, nil, batches, batchID, recipients) {
			var r store.Recipient
			if err == nil {
				r, err = w.record()
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// Recipient returns a recipient, and why it waits if it does. batch.ErrNotFound.
func (c *Client) Recipient(ctx context.Context, id string) (store.Recipient, batch.Waiting, error) {
	batchID, _, err := store.ParseRecipientID(id)
	if err != nil {
		return store.Recipient{}, batch.Waiting{}, err
	}
	var w wireRecipient
	err = c.do(ctx, call{method: http.MethodGet, url: c.at(nil, batches, batchID, recipients, id), read: into(&w)})
	if err != nil {
		return store.Recipient{}, batch.Waiting{}, fmt.Errorf("reading recipient %s: %w", id, err)
	}
	r, err := w.record()
	return r, w.Waiting.record(), err
}

// Waiting tells why a batch's next recipient waits; zero: none does, or it is not known why.
func (c *Client) Waiting(ctx context.Context, batchID string) (batch.Waiting, error) {
	var next batch.Waiting
	found := false
	what := "why batch " + batchID + " waits"
	q := url.Values{"status": {fsm.Queued.String()}}
	for w, err := range list[wireRecipient](ctx, c, what, q, batches, batchID, recipients) {
		if err != nil {
			return batch.Waiting{}, err
		}
		// They come in the order of the batch. The next one is another than the first where one was queued again.
		if waiting := w.Waiting.record(); !found || waiting.Position < next.Position {
			next, found = waiting, true
		}
		if next.Position == 0 {
			break
		}
	}
	return next, nil
}

// Calls returns every call of a batch, newest first.
func (c *Client) Calls(ctx context.Context, batchID string) ([]store.Call, error) {
	var calls []store.Call
	what := "the calls of batch " + batchID
	for w, err := range list[wireCall](ctx, c, what, url.Values{"batch_id": {batchID}}) {
		if err != nil {
			return nil, err
		}
		x, err := w.record()
		if err != nil {
			return nil, err
		}
		calls = append(calls, x)
	}
	return calls, nil
}
