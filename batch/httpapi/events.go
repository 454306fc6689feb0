package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// Events are sent as the HTML standard has it, section 9.2, Server-sent events. The id of
// each is the cursor after it, so who comes back with Last-Event-ID goes on behind it.

// batchEvents answers GET /agents/calls/batches/{batch_id}/events.
func (a *api) batchEvents(w http.ResponseWriter, r *request) error {
	id := r.PathValue("batch_id")
	if _, err := a.cfg.Engine.Batch(r.Context(), r.org, id); err != nil {
		return missing(err, "batch")
	}
	return a.events(w, r, topic{org: r.org, batch: id})
}

// orgEvents answers GET /agents/calls/events.
func (a *api) orgEvents(w http.ResponseWriter, r *request) error {
	return a.events(w, r, topic{org: r.org})
}

func (a *api) events(w http.ResponseWriter, r *request, t topic) error {
	after, err := a.cursor(r)
	if err != nil {
		return err
	}
	leave, err := a.listeners.join(r.org)
	if err != nil {
		return err
	}
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // has nginx pass on each event as it comes
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := a.listen(r.Context(), a.stream(w), t, after); err != nil && r.Context().Err() == nil {
		return fmt.Errorf("%w: %w", http.ErrAbortHandler, err)
	}
	return nil
}

// listen sends what happens until the listener leaves, is cut off, or the store fails. The
// listener then comes back to where it was.
func (a *api) listen(ctx context.Context, s *stream, t topic, after int64) error {
	if _, err := s.Write([]byte("retry: 1000\n\n")); err != nil {
		return err
	}
	if err := s.Flush(); err != nil {
		return err
	}
	leave := a.feeds.join(t)
	defer leave()
	beat := time.NewTicker(a.cfg.Heartbeat)
	defer beat.Stop()
	for ctx.Err() == nil {
		text := []byte(": keep-alive\n\n")
		if p, ok := a.feeds.chunk(ctx, t, after, beat.C); ok {
			if p.err != nil {
				return p.err
			}
			text, after = p.text, p.next
		}
		if ctx.Err() != nil {
			break
		}
		if err := a.send(s, t, text); err != nil {
			return err
		}
	}
	return nil
}

func (a *api) send(s *stream, t topic, text []byte) error {
	begun := time.Now()
	if _, err := s.Write(text); err != nil {
		return err
	}
	err := s.Flush()
	a.feeds.charge(t, time.Since(begun))
	return err
}

// cursor is where a listener goes on: Last-Event-ID, or the parameter after, which a client can
// give with its first request. Without either it begins with the present state.
func (a *api) cursor(r *request) (int64, error) {
	const param, header = "after", "Last-Event-ID"
	p := parseParams(r.Request, param)
	path, text := param, p.text(param)
	if given := r.Header.Values(header); len(given) > 0 { // who comes back may repeat the parameter too, which is older
		path, text = header, given[0]
		if len(given) > 1 {
			p.wrong.add(header, "expected once")
		}
	}
	if err := p.err(); err != nil || text == "" && path == param {
		return 0, err
	}
	after, err := strconv.ParseInt(text, 10, 64)
	if err != nil || after < 0 || strconv.FormatInt(after, 10) != text {
		return 0, invalid(batch.FieldError{Path: path, Message: "expected the id of an event"})
	}
	if after == 0 {
		return 0, nil
	}
	return after, a.reached(r, path, after)
}

// reached refuses a cursor that the organisation has not come to: it is another one's, or from
// before the data was restored from a copy. Such a listener would wait and hear nothing.
// Where a cursor was given out there is a batch at or above it, since a batch's
// revision is never below its recipients' and never falls.
func (a *api) reached(r *request, path string, after int64) error {
	found, err := a.cfg.Engine.Batches(r.Context(), store.BatchQuery{
		Org: r.org, ByRev: true, AfterRev: after - 1, Limit: 1,
	})
	if err == nil && len(found) == 0 {
		return invalid(batch.FieldError{Path: path, Message: "expected the id of an event of this organisation"})
	}
	return err
}

// appendChange writes a change as an event.
func appendChange(dst []byte, c batch.Change) []byte {
	dst = append(dst, "id: "...)
	dst = strconv.AppendInt(dst, c.Cursor, 10)
	if c.Batch != nil {
		dst = append(dst, "\nevent: batch\ndata: "...)
		dst = appendBatch(dst, *c.Batch)
	} else {
		dst = append(dst, "\nevent: recipient\ndata: "...)
		dst = appendRecipientEvent(dst, *c.Recipient)
	}
	return append(dst, "\n\n"...)
}

// missing names what was not found.
func missing(err error, what string) error {
	if errors.Is(err, batch.ErrNotFound) {
		return notFound(what)
	}
	return err
}
