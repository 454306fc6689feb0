package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// wireRequest is the request for a batch as the contract has it.
type wireRequest struct {
	Name        string             `json:"name"`
	AgentID     string             `json:"agent_id"`
	NumberID    string             `json:"from_number_id"`
	Recipients  []wireNewRecipient `json:"recipients"`
	Target      int                `json:"target_concurrency_limit,omitzero"`
	Weight      int                `json:"weight,omitzero"`
	RingSeconds json.Number        `json:"ringing_timeout_seconds,omitzero"`
	MaxMinutes  json.Number        `json:"max_call_duration_minutes,omitzero"`
	ScheduledAt time.Time          `json:"scheduled_at,omitzero"`
	Region      string             `json:"region,omitzero"`
	Paused      bool               `json:"paused,omitzero"`
}

type wireNewRecipient struct {
	To       string          `json:"to_number"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

// Create creates a batch, or returns the one that a request with the same key created, as it is now. The key
// is required: without it, a lost answer would be the end. KeyUntil is the server's to decide.
func (c *Client) Create(ctx context.Context, r batch.Request) (store.Batch, error) {
	if r.Key == "" {
		return store.Batch{}, errors.New("creating a batch at a server needs an idempotency key")
	}
	body, err := json.Marshal(request(r))
	if err != nil {
		return store.Batch{}, fmt.Errorf("writing the request: %w", err)
	}
	var b wireBatch
	replayed := false
	err = c.do(ctx, call{
		method: http.MethodPost, url: c.at(nil, batches), body: body, key: quoted(r.Key),
		read: func(header http.Header, body io.Reader) error {
			replayed = header.Get("Idempotent-Replayed") == "true"
			return into(&b)(header, body)
		},
	})
	switch {
	case err != nil:
		return store.Batch{}, err
	case replayed: // what was answered is how it was at first
		return c.Batch(ctx, b.ID)
	}
	return b.record(), nil
}

// quoted is a key as the header has it, a string of RFC 9651, section 3.3.3; none stays none.
func quoted(key string) string {
	if key == "" {
		return ""
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
}

func request(r batch.Request) wireRequest {
	w := wireRequest{
		Name: r.Name, AgentID: r.AgentID, NumberID: r.NumberID, Target: r.Target, Weight: r.Weight,
		RingSeconds: in(r.RingTimeout, time.Second), MaxMinutes: in(r.MaxDuration, time.Minute),
		ScheduledAt: r.ScheduledAt, Region: r.Region, Paused: r.Paused,
		Recipients: make([]wireNewRecipient, len(r.Recipients)),
	}
	for i, x := range r.Recipients {
		w.Recipients[i] = wireNewRecipient{To: x.To, Metadata: x.Metadata}
	}
	return w
}

// in counts in units. What is no whole number of them the server refuses, and tells why.
func in(d, unit time.Duration) json.Number {
	if d == 0 {
		return ""
	}
	return json.Number(fmt.Sprint(float64(d) / float64(unit)))
}
