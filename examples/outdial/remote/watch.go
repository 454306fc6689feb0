package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/outdial/outdial/batch"
)

// Watch yields the present state of a batch and its recipients, and then what changes, without a gap
// and in order, until ctx ends. When the connection breaks, it comes back to where it was.
// Each end of a connection and each failed attempt is yielded as an error; where no attempt got
// through for as long as Config.Patience, or the server refuses, Watch ends.
//
// The cursors of the changes are the server's own affair and are not filled in.
func (c *Client) Watch(ctx context.Context, id string) iter.Seq2[batch.Change, error] {
	return func(yield func(batch.Change, error) bool) {
		w := &watch{client: c, id: id, yield: yield, delay: time.Second}
		for lost := time.Now(); ; {
			err := w.listen(ctx)
			switch {
			case ctx.Err() != nil, w.left:
				return
			case w.through:
				lost, w.through = time.Now(), false
			}
			if w.lastID != "" && isUnknownCursor(err) {
				w.lastID = "" // the server's data is not what it was: from the beginning, then
				continue
			}
			if !yield(batch.Change{}, err) || !isPassing(err) || time.Since(lost) > c.cfg.Patience {
				return
			}
			sleep(ctx, w.delay)
		}
	}
}

// isUnknownCursor says that the server knows no event of that id.
func isUnknownCursor(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusBadRequest && slices.ContainsFunc(e.Fields, func(f batch.FieldError) bool {
		return f.Path == lastEventID
	})
}

type watch struct {
	client *Client
	id     string
	yield  func(batch.Change, error) bool

	lastID string        // of the latest event that was yielded
	delay  time.Duration // until the next attempt, as the server asks
	left   bool          // whoever listens has heard enough

	// through says that the server took this attempt. A batch of which nothing is heard may be a quiet one.
	through bool
}

// errEnded is the end of a stream, which none has: the server is stopping.
var errEnded = errors.New("the server has ended the stream of events")

// errUnreadable is an event that no repetition makes readable.
var errUnreadable = errors.New("it does not speak the contract")

// errLeft ends reading.
var errLeft = errors.New("nobody listens any more")

// listen makes one attempt. It always returns an error.
func (w *watch) listen(ctx context.Context) error {
	do := call{
		method: http.MethodGet, url: w.client.at(nil, batches, w.id, "events"), lastID: w.lastID,
		read: func(header http.Header, body io.Reader) error {
			if t := header.Get("Content-Type"); t != "text/event-stream" {
				return fmt.Errorf("expected text/event-stream, got %.40q", t)
			}
			w.through = true
			return readEvents(body, w.event)
		},
	}
	if err := w.client.attempt(ctx, do); err != nil {
		return err
	}
	return errEnded
}

// event takes one.
func (w *watch) event(e event) error {
	if e.retry > 0 {
		w.delay = e.retry
	}
	if e.data == "" {
		return nil
	}
	c, err := change(e)
	if err != nil {
		return fmt.Errorf("event %.40q: %w: %w", e.id, errUnreadable, err)
	}
	// One of a later version is neither.
	if (c.Batch != nil || c.Recipient != nil) && !w.yield(c, nil) {
		w.left = true
		return errLeft
	}
	w.lastID = e.id
	return nil
}

// change reads what an event tells.
func change(e event) (c batch.Change, err error) {
	switch e.name {
	case "batch":
		var b wireBatch
		if err := json.Unmarshal([]byte(e.data), &b); err != nil {
			return c, err
		}
		x := b.record()
		c.Batch = &x
	case "recipient":
		var r wireRecipient
		if err := json.Unmarshal([]byte(e.data), &r); err != nil {
			return c, err
		}
		x, err := r.record()
		if err != nil {
			return c, err
		}
		c.Recipient = &x
	}
	return c, nil
}
