package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
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
	err := s.view(ctx, q.Org, func(tx *connection) (err error) {
		out, err = recipients(ctx, tx, q)
		return err
	})
	if err != nil {
		return nil, s.unread("recipients of", q.BatchID, err)
	}
	if q.Before != 0 && !q.ByRev {
		slices.Reverse(out)
	}
	return out, nil
}

func recipients(ctx context.Context, tx querier, q store.RecipientQuery) ([]store.Recipient, error) {
	p, found, err := place(ctx, tx, q)
	if err != nil || !found {
		return nil, err // an unknown batch has none
	}
	text, args, err := recipientsQuery(q, p)
	if err != nil {
		return nil, err
	}
	rows, err := tx.query(ctx, text, args...)
	return collect(rows, err, newRecipientScanner(q, p).scan)
}

// placed is where the rows of a query lie.
type placed struct {
	org, orgRev int64
	batch, size int64 // 0 for the whole organisation
	created     time.Time
}

func place(ctx context.Context, tx querier, q store.RecipientQuery) (p placed, found bool, err error) {
	if q.BatchID == "" {
		found, err = tx.find(ctx, "SELECT key, rev FROM organisations WHERE id = ?", []any{q.Org}, []any{&p.org, &p.orgRev})
		return p, found, err
	}
	const text = `SELECT o.key, o.rev, b.key, b.queued + b.dispatched + b.started + b.completed + b.failed + b.cancelled,
			b.created_at
		FROM organisations o CROSS JOIN batches b ON b.org = o.key WHERE o.id = ? AND b.id = ?`
	found, err = tx.find(ctx, text, []any{q.Org, q.BatchID},
		[]any{&p.org, &p.orgRev, &p.batch, &p.size, (*instant)(&p.created)})
	return p, found, err
}

const (
	recipientColumns = "r.id & 65535, r.phone, r.status, r.attempts, r.call, r.end_reason, r.error, r.updated_at, r.rev, "

	// Of one batch they are known.
	recipientBatch   = " CROSS JOIN batches b ON b.key = r.id >> 16"
	batchOfItsOwn    = ", b.id, b.created_at"
	metadataOfItsOwn = " LEFT JOIN metadata m ON m.id = r.id"
)

func recipientsQuery(q store.RecipientQuery, p placed) (text string, args []any, err error) {
	columns, from, order := recipientColumns+"NULL", "recipients r NOT INDEXED", " ORDER BY r.id"
	joined := ""
	if p.batch == 0 {
		columns, joined = columns+batchOfItsOwn, recipientBatch
	}
	if !q.NoMetadata {
		columns, joined = strings.Replace(columns, "NULL", "m.data", 1), joined+metadataOfItsOwn
	}
	w := &where{}
	low, high := p.batch<<indexBits, (p.batch+1)<<indexBits
	switch {
	case q.ByRev:
		order = " ORDER BY r.rev"
		// What changed in the organisation since then, or all of the batch: whichever is less.
		if p.batch == 0 || p.orgRev-q.AfterRev < p.size {
			from = "recipients r INDEXED BY recipients_rev"
		}
		w.and("r.org = ?", p.org)
		w.and("r.rev > ?", q.AfterRev)
	default:
		low += int64(max(q.From, 0))
		if q.Before != 0 {
			high = min(high, p.batch<<indexBits+int64(q.Before))
			order = " ORDER BY r.id DESC"
		}
	}
	if p.batch != 0 {
		w.and("r.id >= ?", low)
		w.and("r.id < ?", high)
	}
	err = errors.Join(
		in(w, "r.status", q.Statuses, func(s fsm.RecipientStatus) (any, error) { return int(s), nil }),
		in(w, "r.end_reason", q.EndReasons, func(r dialer.EndReason) (any, error) { return reasons.Number(r) }))
	return "SELECT " + columns + " FROM " + from + joined + w.text.String() + order + " LIMIT ?",
		append(w.args, limit(q.Limit)), err
}

// recipientScanner is a row of recipientsQuery on its way to a store.Recipient, one after the other.
type recipientScanner struct {
	r        store.Recipient
	status   int
	reason   int16
	metadata []byte
	columns  []any // where they are scanned into
}

func newRecipientScanner(q store.RecipientQuery, p placed) *recipientScanner {
	row := &recipientScanner{r: store.Recipient{Org: q.Org, BatchID: q.BatchID, CreatedAt: p.created}}
	r := &row.r
	row.columns = []any{
		&r.Index, (*string)(&r.To), &row.status, &r.Attempts, &r.CallID, &row.reason, &r.Error,
		(*instant)(&r.UpdatedAt), &r.Rev, &row.metadata,
	}
	if p.batch == 0 {
		row.columns = append(row.columns, &r.BatchID, (*instant)(&r.CreatedAt))
	}
	return row
}

func (row *recipientScanner) scan(scan func(...any) error) (r store.Recipient, err error) {
	if err := scan(row.columns...); err != nil {
		return r, err
	}
	r = row.r
	r.Status = fsm.RecipientStatus(row.status) //nolint:gosec // a status, below 6
	r.Metadata = json.RawMessage(row.metadata)
	r.EndReason, err = reasons.Of(row.reason)
	return r, err
}
