package sqlite

import (
	"cmp"
	"context"
	"slices"

	"github.com/outdial/outdial/store"
)

// Batch implements [store.Store].
func (s *Store) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	b := &batch{Batch: store.Batch{Org: org}}
	var found bool
	err := s.readers.read(ctx, org, func(c *connection) (err error) {
		found, err = c.find(ctx,
			"SELECT "+batchColumns+" FROM batches b WHERE b.org = "+orgKey+" AND b.id = ?", []any{org, id}, b.columns())
		return err
	})
	if err != nil {
		return store.Batch{}, s.unread("batch", id, err)
	}
	if !found {
		return store.Batch{}, failed("batch", id, store.ErrNotFound)
	}
	return b.Batch, nil
}

// Batches implements [store.Store].
func (s *Store) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	out, err := s.batches(ctx, q)
	if err != nil {
		return nil, s.unread("batches of", q.Org, err)
	}
	// The rows of a page come in no order that the statement promises.
	slices.SortFunc(out, func(a, b store.Batch) int {
		if q.ByRev {
			return cmp.Compare(a.Rev, b.Rev)
		}
		return cmp.Compare(b.ID, a.ID)
	})
	return out, nil
}

func (s *Store) batches(ctx context.Context, q store.BatchQuery) (out []store.Batch, err error) {
	l := newBatchList(q)
	if !l.timed {
		err = s.readers.read(ctx, q.Org, func(c *connection) error {
			out, err = l.find(ctx, c)
			return err
		})
		return out, err
	}
	err = s.view(ctx, q.Org, func(tx *connection) error {
		known, err := l.narrow(ctx, tx)
		if err == nil && known {
			out, err = l.find(ctx, tx)
		}
		return err
	})
	return out, err
}

func (l *batchList) find(ctx context.Context, from querier) ([]store.Batch, error) {
	text, args := l.text()
	rows, err := from.query(ctx, text, args...)
	return collect(rows, err, func(scan func(...any) error) (store.Batch, error) {
		b := &batch{Batch: store.Batch{Org: l.q.Org}}
		err := scan(b.columns()...)
		return b.Batch, err
	})
}

const selectActive = `SELECT id, rev FROM organisations INDEXED BY organisations_active
	WHERE queued + in_flight > 0`

// Active implements [store.Store].
func (s *Store) Active(ctx context.Context) ([]store.ActiveOrg, error) {
	rows, err := s.readers.query(ctx, selectActive)
	out, err := collect(rows, err, func(scan func(...any) error) (o store.ActiveOrg, err error) {
		err = scan(&o.Org, &o.Rev)
		return o, err
	})
	if err != nil {
		return nil, s.unread("active organisations", "", err)
	}
	return out, nil
}
