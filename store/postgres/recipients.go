package postgres

import (
	"context"
	"errors"
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

	// Who has a call in flight is what the call says. What the recipient's own row has of an end is empty meanwhile.
	recipientOwn = `r.org, r.batch, r.idx, r.phone, coalesce(f.status, r.rest) AS status,
	coalesce(f.attempt, r.attempts) AS attempts, coalesce(f.id, r.call) AS call, r.end_reason, r.error,
	CASE WHEN f.idx IS NULL THEN r.updated_at ELSE f.updated_at END AS updated_at, coalesce(f.rev, r.rev) AS rev`

	recipientRow = "r.org, r.batch, r.idx, r.phone, r.rest AS status, r.attempts, r.call, r.end_reason, r.error, " +
		"r.updated_at, r.rev"

	recipientFound = "r.org, r.batch, r.idx, r.phone, r.status, r.attempts, r.call, r.end_reason, r.error, " +
		"r.updated_at, r.rev"

	recipientFlying = `r.org, r.batch, r.idx, r.phone, f.status, f.attempt, f.id, r.end_reason, r.error,
		f.updated_at, f.rev`

	recipientTables = ` FROM outdial.recipients r
	LEFT JOIN outdial.flights f ON f.org = r.org AND f.batch = r.batch AND f.idx = r.idx`

	ofBatch = "(SELECT b.batch FROM outdial.batches b WHERE b.org = $1 AND b.id = ?)"
)

// recipientsQuery walks the batch, or what has changed in the organisation: whole says that a batch's own
// rows are better than that, of which no index has the order.
func recipientsQuery(q store.RecipientQuery, whole bool) (text string, values []any, err error) {
	a := newArgs(q.Org)
	var rows string
	order := " ORDER BY idx"
	if q.ByRev {
		order = " ORDER BY rev"
		rows, err = a.feedOfRecipients(q, whole)
	} else {
		if q.Before != 0 {
			order = " ORDER BY idx DESC"
		}
		rows, err = a.recipientsOfBatch(q, order)
	}
	if err != nil {
		return "", nil, err
	}
	metadata := "NULL::bytea"
	if !q.NoMetadata {
		metadata = "(SELECT m.data FROM outdial.metadata m WHERE m.org = r.org AND m.batch = r.batch AND m.idx = r.idx)"
	}
	return "SELECT " + recipientColumns + metadata + " FROM (" + rows + ") r" +
		" CROSS JOIN LATERAL (SELECT b.id, b.created_at" + batchAt +
		"r.org AND b.batch >= r.batch ORDER BY b.batch LIMIT 1) b" +
		order, *a, nil
}

func (a *args) recipientsOfBatch(q store.RecipientQuery, order string) (text string, err error) {
	w := a.where()
	w.and("r.org = " + ofOrg)
	w.and("r.batch = "+ofBatch, raw(q.BatchID))
	if q.From > 0 {
		w.and("r.idx >= ?", q.From)
	}
	if q.Before != 0 {
		w.and("r.idx < ?", q.Before)
	}
	err = filterRecipients(w, "coalesce(f.status, r.rest)", "r.end_reason", q)
	return "SELECT " + recipientOwn + recipientTables + w.text.String() + order + a.limit(q.Limit), err
}

// feedOfRecipients are those whose own row has changed, and those of whom the call in flight has, which are few.
func (a *args) feedOfRecipients(q store.RecipientQuery, whole bool) (text string, err error) {
	own, flying := a.where(), a.where()
	own.and("r.org = " + ofOrg)
	own.and("r.rev > ?", q.AfterRev)
	own.and("NOT EXISTS (SELECT FROM outdial.flights f WHERE f.org = r.org AND f.batch = r.batch AND f.idx = r.idx)")
	flying.and("f.org = " + ofOrg)
	flying.and("f.rev > ?", q.AfterRev)
	if q.BatchID != "" {
		batch := "r.batch = "
		if !whole {
			batch = "r.batch + 0 = " // which keeps from walking the batch
		}
		own.and(batch+ofBatch, raw(q.BatchID))
		flying.and("f.batch = "+ofBatch, raw(q.BatchID))
	}
	if err := errors.Join( // a recipient in flight has no end reason
		filterRecipients(own, "r.rest", "r.end_reason", q),
		filterRecipients(flying, "f.status", "0::smallint", q)); err != nil {
		return "", err
	}
	page := a.limit(q.Limit)
	found := "SELECT " + recipientRow + " FROM outdial.recipients r" + own.text.String()
	if whole { // all of the batch first, or its order would be looked for in the index of the organisation's
		found += " OFFSET 0"
	} else {
		found += " ORDER BY r.rev" + page
	}
	return "SELECT " + recipientFound + " FROM ((" + found + ") UNION ALL SELECT " + recipientFlying +
		" FROM (SELECT f.org, f.batch, f.idx, f.status, f.attempt, f.id, f.updated_at, f.rev FROM outdial.flights f" +
		flying.text.String() + " ORDER BY f.rev" + page + `) f
	JOIN outdial.recipients r ON r.org = f.org AND r.batch = f.batch AND r.idx = f.idx) r ORDER BY rev` + page, nil
}

func filterRecipients(w *where, status, reason string, q store.RecipientQuery) error {
	if len(q.Statuses) > 0 {
		w.and(status+" = ANY(?)", column(q.Statuses, func(s fsm.RecipientStatus) int16 { return int16(s) }))
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
	w.and(reason+" = ANY(?)", numbers)
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
