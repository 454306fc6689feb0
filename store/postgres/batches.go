package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/outdial/outdial/store"
)

const readBatch = "SELECT " + batchColumns + batchTables + " WHERE b.org = " + ofOrg + " AND b.id = $3"

// Batch implements [store.Store].
func (s *Store) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	var found *batch
	err := s.reading(ctx, org, func(t *trip) {
		found = nil
		t.each(func(scan func(...any) error) (err error) {
			found, err = scanBatch(scan, org)
			return err
		}, readBatch, orgKey(org), raw(org), raw(id))
	})
	if err == nil && found == nil {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Batch{}, failed("batch", id, err)
	}
	return found.Batch, nil
}

// Batches implements [store.Store].
func (s *Store) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	text, args := newBatchList(q).text()
	var out []store.Batch
	err := s.reading(ctx, q.Org, func(t *trip) {
		out = nil
		each(t.queue.Queue(s.schema.in(text), args...), func(scan func(...any) error) error {
			b, err := scanBatch(scan, q.Org)
			out = append(out, b.Batch)
			return err
		})
	})
	if err != nil {
		return nil, failed("batches of", q.Org, err)
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

const selectActive = "SELECT o.id, o.rev FROM outdial.organisations o WHERE o.active"

// Active implements [store.Store].
func (s *Store) Active(ctx context.Context) ([]store.ActiveOrg, error) {
	var out []store.ActiveOrg
	err := s.inTurn(ctx, s.chores, "", func(ctx context.Context) error {
		return s.read(ctx, func(t *trip) {
			out = nil
			t.each(func(scan func(...any) error) error {
				var o store.ActiveOrg
				err := scan((*text)(&o.Org), &o.Rev)
				out = append(out, o)
				return err
			}, selectActive)
		})
	})
	if err != nil {
		return nil, failed("active organisations", "", err)
	}
	return out, nil
}
