package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// apiVersion is the version of the contract that this client speaks, in which a request may
// name the region.
const apiVersion = "2026-08-14"

// lastEventID is the header that tells which event was the last, and the path of what is wrong with it.
const lastEventID = "Last-Event-ID"

// call is a request, and what to do with its answer.
type call struct {
	method string
	url    *url.URL
	body   []byte // JSON; nil: none
	key    string // the Idempotency-Key; empty: none
	lastID string // the Last-Event-ID; empty: none

	read reader // an answer of 2xx; anew for each attempt
}

type reader func(header http.Header, body io.Reader) error

// A request is tried so often, with twice the pause each time. One that the server puts off is
// tried for longer: that is no fault.
const (
	tries      = 4
	putOffs    = 60
	firstPause = 200 * time.Millisecond
)

// do sends the request until it is answered, or that is taken for hopeless.
func (c *Client) do(ctx context.Context, do call) error {
	pause := c.pause
	for try, putOff := 1, 0; ; {
		err := c.attempt(ctx, do)
		if err == nil || ctx.Err() != nil {
			return err
		}
		wait := pause
		e, ok := errors.AsType[*Error](err)
		switch {
		case ok && e.Status == http.StatusTooManyRequests && putOff < putOffs:
			putOff++
			wait = max(e.retryAfter, c.pause)
		case !isPassing(err), try == tries:
			return err
		default:
			try++
			pause *= 2
			wait = max(wait, retryAfterOf(e))
		}
		if !sleep(ctx, wait) {
			return err
		}
	}
}

func retryAfterOf(e *Error) time.Duration {
	if e == nil {
		return 0
	}
	return e.retryAfter
}

// attempt sends it once.
func (c *Client) attempt(ctx context.Context, do call) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := c.send(ctx, do)
	if err != nil {
		return c.unreachable(cause(ctx, err))
	}
	defer r.Body.Close()
	idle := newIdle(r.Body, c.cfg.IdleTimeout, cancel)
	defer idle.stop()
	if r.StatusCode < http.StatusOK || r.StatusCode >= http.StatusMultipleChoices {
		return errorOf(r.StatusCode, r.Header, idle)
	}
	if err := do.read(r.Header, idle); err != nil {
		return fmt.Errorf("reading the server's answer: %w", cause(ctx, err))
	}
	return nil
}

func (c *Client) send(ctx context.Context, do call) (*http.Response, error) {
	var body io.Reader
	if do.body != nil {
		body = bytes.NewReader(do.body)
	}
	r, err := http.NewRequestWithContext(ctx, do.method, do.url.String(), body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.cfg.Key)
	r.Header.Set("Cartesia-Version", apiVersion)
	if do.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if do.key != "" {
		r.Header.Set("Idempotency-Key", do.key)
	}
	if do.lastID != "" {
		r.Header.Set(lastEventID, do.lastID)
	}
	return c.http.Do(r)
}

// cause is why the context ended where that is why there is an error.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// into reads an answer that is JSON.
func into(v any) reader {
	return func(_ http.Header, body io.Reader) error { return json.NewDecoder(body).Decode(v) }
}

// sleep returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
