package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/outdial/outdial/store"
)

// Batch implements [store.Store].
func (s *Store) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	b := &batch{Batch: store.Batch{Org: org}}
	err := s.readers.QueryRowContext(ctx,
		"SELECT "+batchColumns+" FROM batches b WHERE b.org = "+orgKey+" AND b.id = ?", org, id).Scan(b.columns()...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Batch{}, failed("batch", id, store.ErrNotFound)
	}
	if err != nil {
		return store.Batch{}, s.unread("batch", id, err)
	}
	return b.Batch, nil
}

// Batches implements [store.Store].
func (s *Store) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	text, args, turned := batchesText(q)
	rows, err := s.readers.QueryContext(ctx, text, args...)
	out, err := collectSome(rows, err, q.Limit, func(scan func(...any) error) (store.Batch, bool, error) {
		b := &batch{Batch: store.Batch{Org: q.Org}}
		err := scan(b.columns()...)
		return b.Batch, len(q.Statuses) == 0 || slices.Contains(q.Statuses, b.Status()), err
	})
	if err != nil {
		return nil, s.unread("batches of", q.Org, err)
	}
	if turned {
		slices.Reverse(out)
	}
	return out, nil
}

// batchesText has no LIMIT and no statuses: a status is derived, by fsm, so the rows are
// read until there are enough of them.
func batchesText(q store.BatchQuery) (text string, args []any, turned bool) {
	w := &where{}
	w.and("b.org = "+orgKey, q.Org)
	index := "batches_id"
	if q.AgentID != "" {
		index = "batches_agent"
		w.and("b.agent = ?", q.AgentID)
	}
	if q.Key != "" {
		index = "batches_key"
		w.and("b.idem_key <> '' AND b.idem_key = ?", q.Key)
		w.and("b.id = (SELECT max(id) FROM batches WHERE org = b.org AND idem_key <> '' AND idem_key = ?)", q.Key)
	}
	if q.Open {
		index = "batches_open"
		w.and("b.queued + b.dispatched + b.started > 0")
	}
	if !q.CreatedFrom.IsZero() {
		w.and("b.created_at >= ?", micros(q.CreatedFrom))
	}
	if !q.CreatedTo.IsZero() {
		w.and("(b.created_at IS NULL OR b.created_at < ?)", micros(q.CreatedTo))
	}
	var order string
	if q.ByRev {
		index, order = "batches_rev", " ORDER BY b.rev"
		w.and("b.rev > ?", q.AfterRev)
	} else {
		order, turned = w.page("b.id", q.After, q.Before)
	}
	return "SELECT " + batchColumns + " FROM batches b INDEXED BY " + index + w.text.String() + order, w.args, turned
}

const selectActive = `SELECT id, rev FROM organisations INDEXED BY organisations_active
	WHERE queued + in_flight > 0`

// Active implements [store.Store].
func (s *Store) Active(ctx context.Context) ([]store.ActiveOrg, error) {
	rows, err := s.readers.QueryContext(ctx, selectActive)
	out, err := collect(rows, err, func(scan func(...any) error) (o store.ActiveOrg, err error) {
		err = scan(&o.Org, &o.Rev)
		return o, err
	})
	if err != nil {
		return nil, s.unread("active organisations", "", err)
	}
	return out, nil
}
