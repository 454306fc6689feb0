package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

const batches = "batches"

// Batches goes through the batches, newest first: those of an agent where agentID is not empty, and
// those that are not over yet where open is set.
func (c *Client) Batches(ctx context.Context, agentID string, open bool) iter.Seq2[store.Batch, error] {
	q := url.Values{}
	if open {
		q.Set("open", "true")
	}
	if agentID != "" {
		q.Set("agent_id", agentID)
	}
	return func(yield func(store.Batch, error) bool) {
		for b, err := range list[wireBatch](ctx, c, "the batches", q, batches) {
			if !yield(b.record(), err) {
				return
			}
		}
	}
}

// Batch returns a batch. batch.ErrNotFound.
func (c *Client) Batch(ctx context.Context, id string) (store.Batch, error) {
	without := url.Values{"recipients": {"false"}}
	return c.whole(ctx, id, without, func(wireRecipient) error { return nil })
}

// Whole returns a batch with all its recipients, which agree with each other. batch.ErrNotFound.
func (c *Client) Whole(ctx context.Context, id string) (store.Batch, []store.Recipient, error) {
	var recipients []store.Recipient
	b, err := c.whole(ctx, id, nil, func(r wireRecipient) error {
		if r.ID == "" { // the beginning of another attempt
			recipients = nil
			return nil
		}
		x, err := r.record()
		recipients = append(recipients, x)
		return err
	})
	b.Counts.Unplaced = 0
	for _, r := range recipients {
		if r.Status == fsm.Failed && r.EndReason == "" {
			b.Counts.Unplaced++
		}
	}
	return b, recipients, err
}

// whole reads a batch and hands each recipient to see as it comes. Before those of each attempt it
// hands it an empty one.
func (c *Client) whole(
	ctx context.Context, id string, q url.Values, see func(wireRecipient) error,
) (store.Batch, error) {
	var b wireBatch
	err := c.do(ctx, call{
		method: http.MethodGet, url: c.at(q, batches, id),
		read: func(_ http.Header, body io.Reader) (err error) {
			if err = see(wireRecipient{}); err == nil {
				b, err = decodeWhole(body, see)
			}
			return err
		},
	})
	if err != nil {
		return store.Batch{}, fmt.Errorf("reading batch %.40s: %w", id, err)
	}
	return b.record(), nil
}

// decodeWhole reads a batch whose recipients may be too many, with their metadata, to be held at
// once. The members come in any order.
func decodeWhole(body io.Reader, see func(wireRecipient) error) (b wireBatch, err error) {
	d := json.NewDecoder(body)
	if err := expect(d, json.Delim('{')); err != nil {
		return b, err
	}
	rest := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return b, err
		}
		if name == "recipients" {
			err = decodeRecipients(d, see)
		} else {
			var value json.RawMessage
			err = d.Decode(&value)
			rest[fmt.Sprint(name)] = value
		}
		if err != nil {
			return b, err
		}
	}
	if err := expect(d, json.Delim('}')); err != nil {
		return b, err
	}
	text, err := json.Marshal(rest)
	if err != nil {
		return b, err
	}
	err = json.Unmarshal(text, &b)
	return b, err
}

func decodeRecipients(d *json.Decoder, see func(wireRecipient) error) error {
	if err := expect(d, json.Delim('[')); err != nil {
		return err
	}
	for d.More() {
		var r wireRecipient
		if err := d.Decode(&r); err != nil {
			return err
		}
		if err := see(r); err != nil {
			return err
		}
	}
	return expect(d, json.Delim(']'))
}

// expect reads one token. The end of the text is unexpected wherever one is wanted.
func expect(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	switch {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case err == nil && t != want:
		return fmt.Errorf("expected %v, got %.20q", want, fmt.Sprint(t))
	}
	return err
}
