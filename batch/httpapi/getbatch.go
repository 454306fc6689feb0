package httpapi

import (
	"fmt"
	"net/http"

	"github.com/outdial/outdial/store"
)

// getBatch answers GET /agents/calls/batches/{batch_id} with the batch and all its recipients, or
// without them where that is asked for.
// They are written as they are read, page by page, while calls begin and end. So the status and
// the counts are those of the recipients that were written, and come after them.
func (a *api) getBatch(w http.ResponseWriter, r *request) error {
	p := parseParams(r.Request, recipientsParam)
	whole := p.flagOr(recipientsParam, true)
	if err := p.err(); err != nil {
		return err
	}
	x, err := a.batchOf(r)
	switch {
	case err != nil:
		return err
	case !whole:
		return reply(w, http.StatusOK, appendBatchWaiting(nil, x, a.queueOf(r, x).next))
	}
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	bw := &batchWriter{s: a.stream(w), queue: a.queueOf(r, x)}
	if err := a.writeBatch(bw, r, x); err != nil {
		return bw.failed("writing batch "+x.ID, err)
	}
	return nil
}

const recipientsParam = "recipients"

// batchOf is the batch that the path names.
func (a *api) batchOf(r *request) (store.Batch, error) {
	x, err := a.cfg.Engine.Batch(r.Context(), r.org, r.PathValue("batch_id"))
	return x, missing(err, "batch")
}

func (a *api) writeBatch(w *batchWriter, r *request, x store.Batch) error {
	w.b = append(appendKey(appendBatchHead(w.b, x), "recipients"), '[')
	for rows, err := range a.pages(r.Context(), store.RecipientQuery{Org: r.org, BatchID: x.ID}) {
		if err != nil {
			return err
		}
		if err := w.recipients(rows); err != nil {
			return err
		}
	}
	// Read again: of who was dispatched meanwhile, the batch as it was before knows nothing.
	now, err := a.cfg.Engine.Batch(r.Context(), r.org, x.ID)
	if err != nil {
		return err
	}
	w.b = appendBatchState(append(w.b, ']'), now, w.counts)
	// The one from before: what changed since is told once more by the events, but not missed.
	w.b = appendCursor(w.b, x.Rev)
	if next := w.queue.next.At(0); w.counts.Queued > 0 && next.Reason != "" {
		w.b = appendWaiting(appendKey(w.b, "waiting"), next)
	}
	w.b = append(w.b, '}')
	return w.finish()
}

// aborted is an error after which what was written cannot be made whole: the connection ends
// in the middle, so that nobody takes the answer for complete.
func aborted(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, http.ErrAbortHandler, err)
}
