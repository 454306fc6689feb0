package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
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
	err := s.view(ctx, q.Org, func(tx querier) (err error) {
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
	p, err := place(ctx, tx, q)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil // an unknown batch has none
	}
	if err != nil {
		return nil, err
	}
	text, args, err := recipientsQuery(q, p)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, text, args...)
	return collect(rows, err, func(scan func(...any) error) (store.Recipient, error) {
		return scanRecipient(scan, q.Org)
	})
}

// placed is where the rows of a query lie.
type placed struct {
	org, orgRev int64
	batch, size int64 // 0 for the whole organisation
}

func place(ctx context.Context, tx querier, q store.RecipientQuery) (p placed, err error) {
	if q.BatchID == "" {
		return p, tx.QueryRowContext(ctx, "SELECT key, rev FROM organisations WHERE id = ?", q.Org).Scan(&p.org, &p.orgRev)
	}
	const text = `SELECT o.key, o.rev, b.key, b.queued + b.dispatched + b.started + b.completed + b.failed + b.cancelled
		FROM organisations o CROSS JOIN batches b ON b.org = o.key WHERE o.id = ? AND b.id = ?`
	return p, tx.QueryRowContext(ctx, text, q.Org, q.BatchID).Scan(&p.org, &p.orgRev, &p.batch, &p.size)
}

const (
	recipientColumns = `b.id, r.id & 65535, r.phone, r.status, r.attempts, r.call, r.end_reason, r.error,
		b.created_at, r.updated_at, r.rev, `
	recipientBatch = " CROSS JOIN batches b ON b.key = r.id >> 16"
)

func recipientsQuery(q store.RecipientQuery, p placed) (text string, args []any, err error) {
	metadata, from, order := "NULL", "recipients r NOT INDEXED", " ORDER BY r.id"
	if !q.NoMetadata {
		metadata = "(SELECT m.data FROM metadata m WHERE m.id = r.id)"
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
	return "SELECT " + recipientColumns + metadata + " FROM " + from + recipientBatch + w.text.String() + order +
		" LIMIT ?", append(w.args, limit(q.Limit)), err
}

func scanRecipient(scan func(...any) error, org string) (store.Recipient, error) {
	r := store.Recipient{Org: org}
	var status int
	var reason int16
	var created, updated time.Time
	var metadata []byte
	err := scan(&r.BatchID, &r.Index, (*string)(&r.To), &status, &r.Attempts, &r.CallID, &reason, &r.Error,
		(*instant)(&created), (*instant)(&updated), &r.Rev, &metadata)
	if err != nil {
		return r, err
	}
	r.Status = fsm.RecipientStatus(status) //nolint:gosec // a status, below 6
	r.CreatedAt, r.UpdatedAt, r.Metadata = created, updated, json.RawMessage(metadata)
	r.EndReason, err = reasons.Of(reason)
	return r, err
}
