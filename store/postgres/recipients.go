package postgres

import (
	"context"
	"slices"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/reasons"
)

// Recipients implements [store.Store].
func (s *Store) Recipients(ctx context.Context, q store.RecipientQuery) ([]store.Recipient, error) {
	if q.BatchID == "" && !q.ByRev {
		return nil, nil // no batch has this id
	}
	var out []store.Recipient
	err := s.inTurn(ctx, s.readers, q.Org, func(ctx context.Context) error {
		return s.transact(ctx, func(ctx context.Context, w *work) (err error) {
			out, err = w.recipients(ctx, q)
			return err
		})
	})
	if err != nil {
		return nil, failed("recipients of", q.BatchID, err)
	}
	if q.Before != 0 && !q.ByRev {
		slices.Reverse(out)
	}
	return out, nil
}

func (w *work) recipients(ctx context.Context, q store.RecipientQuery) (out []store.Recipient, err error) {
	how := beginRead
	if q.ByRev && q.BatchID != "" {
		how = beginView
	}
	t, whole := w.begin(how), false
	if how == beginView {
		if whole, err = w.nearer(ctx, t, q); err != nil {
			return nil, err
		}
		t = w.trip()
	}
	text, args, err := recipientsQuery(q, whole)
	if err != nil {
		return nil, err
	}
	each(t.queue.Queue(w.schema.in(text), args...), func(scan func(...any) error) error {
		r, err := scanRecipient(scan, q.Org)
		out = append(out, r)
		return err
	})
	return out, w.finish(ctx, t)
}

const selectSizes = "SELECT o.rev - $4 >= t.queued + t.dispatched + t.started + t.completed + t.failed + t.cancelled" +
	batchTables + " JOIN outdial.organisations o ON o.org = b.org WHERE b.org = " + ofOrg + " AND b.id = $3"

// nearer says whether a batch has fewer recipients than have changed in the organisation since a
// revision, so that it is better to read all of them.
func (w *work) nearer(ctx context.Context, t *trip, q store.RecipientQuery) (whole bool, err error) {
	t.find(nil, selectSizes, []any{orgKey(q.Org), raw(q.Org), raw(q.BatchID), q.AfterRev}, []any{&whole})
	return whole, w.send(ctx, t)
}

const (
	recipientColumns = `b.id, r.idx, r.phone, r.status, r.attempts, r.call, r.end_reason, r.error,
	b.created_at, r.updated_at, r.rev, `

	recipientOwn = `r.org, r.batch, r.idx, r.phone, r.status, r.attempts, r.call, r.end_reason, r.error,
	r.updated_at, r.rev`

	ofBatch = "(SELECT b.batch FROM outdial.batches b WHERE b.org = $1 AND b.id = ?)"
)

// recipientsQuery walks the batch, or what has changed in the organisation: whole says that a batch's own
// rows are better than that, of which no index has the order.
func recipientsQuery(q store.RecipientQuery, whole bool) (text string, values []any, err error) {
	a := newArgs(q.Org)
	w, order, metadata := a.where(), " ORDER BY idx", "NULL::bytea"
	w.and("r.org = " + ofOrg)
	switch {
	case q.ByRev:
		order = " ORDER BY rev"
		w.and("r.rev > ?", q.AfterRev)
		if whole {
			w.and("r.batch = "+ofBatch, raw(q.BatchID))
		} else if q.BatchID != "" {
			w.and("r.batch + 0 = "+ofBatch, raw(q.BatchID)) // which keeps from walking the batch
		}
	default:
		w.and("r.batch = "+ofBatch, raw(q.BatchID))
		if q.From > 0 {
			w.and("r.idx >= ?", q.From)
		}
		if q.Before != 0 {
			w.and("r.idx < ?", q.Before)
			order = " ORDER BY idx DESC"
		}
	}
	if err := filterRecipients(w, q); err != nil {
		return "", nil, err
	}
	if !q.NoMetadata {
		metadata = "(SELECT m.data FROM outdial.metadata m WHERE m.org = r.org AND m.batch = r.batch AND m.idx = r.idx)"
	}
	rows := "SELECT " + recipientOwn + " FROM outdial.recipients r" + w.text.String()
	if whole { // all of the batch first, or its order would be looked for in the index of the organisation's
		rows = "SELECT " + recipientOwn + " FROM (" + rows + " OFFSET 0) r"
	}
	return "SELECT " + recipientColumns + metadata + " FROM (" + rows + order + a.limit(q.Limit) + ") r" +
		" JOIN outdial.batches b ON b.org = r.org AND b.batch = r.batch" + order, *a, nil
}

func filterRecipients(w *where, q store.RecipientQuery) error {
	if len(q.Statuses) > 0 {
		w.and("r.status = ANY(?)", column(q.Statuses, func(s fsm.RecipientStatus) int16 { return int16(s) }))
	}
	if len(q.EndReasons) == 0 {
		return nil
	}
	numbers := make([]int16, len(q.EndReasons))
	for i, r := range q.EndReasons {
		var err error
		if numbers[i], err = reasons.Number(r); err != nil {
			return err
		}
	}
	w.and("r.end_reason = ANY(?)", numbers)
	return nil
}

func scanRecipient(scan func(...any) error, org string) (store.Recipient, error) {
	r := store.Recipient{Org: org}
	var reason int16
	err := scan((*text)(&r.BatchID), &r.Index, (*text)(&r.To), (*uint8)(&r.Status), &r.Attempts, (*text)(&r.CallID),
		&reason, (*text)(&r.Error), (*instant)(&r.CreatedAt), (*instant)(&r.UpdatedAt), &r.Rev, (*[]byte)(&r.Metadata))
	if err != nil {
		return r, err
	}
	r.EndReason, err = reasons.Of(reason)
	return r, err
}
