package httpapi

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

const (
	mediaJSON = "application/json"
	mediaCSV  = "text/csv"

	headerReplayed = "Idempotent-Replayed"
)

// createBatch answers POST /agents/calls/batches.
func (a *api) createBatch(w http.ResponseWriter, r *request) error {
	media, p := contentType(r, mediaJSON, mediaCSV)
	if p != nil {
		return p
	}
	asked, left, err := a.readCreate(w, r, media)
	if err != nil {
		return a.all(r.Context(), r.org, asked, err)
	}
	x, replayed, err := a.createOnce(r, asked)
	if err != nil {
		return err
	}
	h := w.Header()
	// Relative to the path of the request (RFC 9110, section 10.2.2), of which only the client
	// knows what stands in front.
	h.Set("Location", "batches/"+x.ID)
	if replayed {
		h.Set(headerReplayed, "true")
	}
	left.tell(h)
	return reply(w, http.StatusCreated, appendCreated(nil, x, asked))
}

// readCreate returns what it could read together with an error about fields.
func (a *api) readCreate(w http.ResponseWriter, r *request, media string) (
	asked batch.Request, left leftOut, err error,
) {
	if media == mediaCSV {
		asked, left, err = decodeCSV(a.body(w, r), r.Request, r.version, store.MaxMetadata)
	} else {
		asked, err = decodeCreate(a.body(w, r), r.version, store.MaxMetadata)
	}
	key, wrongKey := idempotencyKey(r.Request)
	if wrongKey != nil {
		return asked, left, withKey(err, wrongKey)
	}
	if asked.Key = key; key != "" {
		asked.KeyUntil = time.Now().Add(a.cfg.KeyLifetime)
	}
	return asked, left, err
}

// withKey adds what is wrong with the key to what is wrong with the body.
func withKey(err, wrongKey error) error {
	fields, ok := errors.AsType[*batch.InvalidError](err)
	key, isField := errors.AsType[*batch.InvalidError](wrongKey)
	switch {
	case err == nil:
		return wrongKey
	case ok && isField:
		return joined(fields.Fields, key.Fields)
	}
	return err // the body cannot be read, so nothing is known of its fields
}

// tell names what of a file was left out.
func (l leftOut) tell(h http.Header) {
	if l.skipped > 0 {
		h.Set(skippedHeader, strconv.Itoa(l.skipped))
	}
	if l.duplicates > 0 {
		h.Set(duplicatesHeader, strconv.Itoa(l.duplicates))
	}
}

func (a *api) createOnce(r *request, asked batch.Request) (x store.Batch, replayed bool, err error) {
	if asked.Key != "" {
		done, ok := a.keys.use(keyInScope{org: r.org, key: asked.Key})
		if !ok {
			return x, false, keyInUse()
		}
		defer done()
	}
	x, replayed, err = a.cfg.Engine.CreateOnce(r.Context(), r.org, asked)
	if e, ok := errors.AsType[*batch.MissingError](err); ok {
		p := notFound("agent or number")
		p.fields = e.Fields
		return x, false, p
	}
	return x, replayed, err
}

func keyInUse() *problem {
	return &problem{
		status: http.StatusConflict, code: CodeKeyInUse, title: "Idempotency key in use",
		message:    "A request with the same Idempotency-Key is being answered. Repeat this one after it.",
		retryAfter: time.Second,
	}
}

// appendCreated writes the batch as it was when the request created it, whatever became of it
// since: who repeats the request gets the same answer again.
func appendCreated(b []byte, x store.Batch, asked batch.Request) []byte {
	x.Counts = fsm.Counts{Queued: x.Counts.Scheduled()}
	x.UpdatedAt, x.AdmittedAt, x.PausedAt, x.CancelledAt = x.CreatedAt, time.Time{}, time.Time{}, time.Time{}
	x.RetryCount = 0
	if asked.Paused {
		x.PausedAt = x.CreatedAt
	}
	x.Rev = 0 // the revision from which on all of it is news
	// A row that is older than FirstTarget may not have it, or not the right one.
	x.Target = cmp.Or(asked.Target, x.FirstTarget, x.Target)
	return appendBatch(b, x)
}
