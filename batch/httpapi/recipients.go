package httpapi

import (
	"net/http"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// listRecipients answers GET /agents/calls/batches/{batch_id}/recipients.
func (a *api) listRecipients(w http.ResponseWriter, r *request) error {
	p := parseParams(r.Request, "status", "end_reason", limitParam, afterParam, beforeParam)
	pg := p.page()
	q := store.RecipientQuery{
		Org: r.org, BatchID: r.PathValue("batch_id"), Limit: pg.more(),
		Statuses: p.recipientStatuses("status"), EndReasons: p.endReasons("end_reason"),
	}
	if err := p.err(); err != nil {
		return err
	}
	x, err := a.batchOf(r)
	if err != nil {
		return err
	}
	rows, err := a.recipientsAt(r, pg, x, q)
	if err != nil {
		return err
	}
	rows, more := trim(pg, rows)
	return a.writeRecipientList(w, r, x, rows, next(pg, rows, more, store.Recipient.ID))
}

// recipientsAt reads the recipients of a page, whose cursor is the id of one of the batch.
func (a *api) recipientsAt(r *request, p part, x store.Batch, q store.RecipientQuery) ([]store.Recipient, error) {
	if param, id := p.cursor(); id != "" {
		index, ok := indexOf(x, id)
		switch {
		case !ok:
			return nil, noEntry(param)
		case param == afterParam:
			q.From = index + 1
		case index == 0:
			return nil, nil // which Before cannot say
		default:
			q.Before = index
		}
	}
	return a.cfg.Engine.Recipients(r.Context(), q)
}

// indexOf is the index that an id of a recipient contains, if the batch has it.
func indexOf(x store.Batch, id string) (index int, ok bool) {
	batchID, index, err := store.ParseRecipientID(id)
	return index, err == nil && batchID == x.ID && index < x.Counts.Scheduled()
}

// writeRecipientList writes straight from the rows, which can be long.
func (a *api) writeRecipientList(
	w http.ResponseWriter, r *request, x store.Batch, rows []store.Recipient, next string,
) error {
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	bw := &batchWriter{s: a.stream(w), b: []byte(listHead), queue: a.queueAt(r, x, rows)}
	err := bw.recipients(rows)
	if err == nil {
		bw.b = appendListTail(bw.b, next)
		err = bw.finish()
	}
	if err != nil {
		return bw.failed("writing recipients of batch "+x.ID, err)
	}
	return nil
}

// getRecipient answers GET /agents/calls/batches/{batch_id}/recipients/{recipient_id}.
func (a *api) getRecipient(w http.ResponseWriter, r *request) error {
	x, index, err := a.recipientOf(r)
	if err != nil {
		return err
	}
	found, err := a.recipient(r, x.ID, index)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, appendRecipient(nil, found, a.why(r, found)))
}

// recipientOf is what the path names: a batch, and the index of a recipient of it. Which of
// them does not exist is told in this order, whosever the other one may be.
func (a *api) recipientOf(r *request) (store.Batch, int, error) {
	x, err := a.batchOf(r)
	if err != nil {
		return x, 0, err
	}
	index, ok := indexOf(x, r.PathValue("recipient_id"))
	if !ok {
		return x, 0, notFound("recipient")
	}
	return x, index, nil
}

func (a *api) recipient(r *request, batchID string, index int) (store.Recipient, error) {
	rows, err := a.cfg.Engine.Recipients(r.Context(), store.RecipientQuery{
		Org: r.org, BatchID: batchID, From: index, Limit: 1,
	})
	switch {
	case err != nil:
		return store.Recipient{}, err
	case len(rows) == 0 || rows[0].Index != index:
		return store.Recipient{}, notFound("recipient")
	}
	return rows[0], nil
}

// why tells why a recipient waits, zero if it does not or it is not known.
func (a *api) why(r *request, x store.Recipient) batch.Waiting {
	if x.Status != fsm.Queued {
		return batch.Waiting{}
	}
	w, err := a.cfg.Engine.Why(r.Context(), r.org, x.ID())
	if err != nil {
		a.unexplained(r, x.BatchID, err)
		return batch.Waiting{}
	}
	return w
}

// listAttempts answers GET /agents/calls/batches/{batch_id}/recipients/{recipient_id}/calls.
func (a *api) listAttempts(w http.ResponseWriter, r *request) error {
	p := parseParams(r.Request, limitParam, afterParam, beforeParam)
	pg := p.page()
	if err := p.err(); err != nil {
		return err
	}
	x, index, err := a.recipientOf(r)
	if err != nil {
		return err
	}
	return a.replyCalls(w, r, pg, store.CallQuery{Org: r.org, BatchID: x.ID, Recipient: &index})
}
