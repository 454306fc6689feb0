package storetest_test

import (
	"context"
	"slices"
	"time"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// lister is a correct store but for its lists of batches.
type lister struct {
	store.Store

	ask  func(*store.BatchQuery)
	find func(ctx context.Context, s store.Store, q store.BatchQuery) ([]store.Batch, error)
}

func listed(
	ask func(*store.BatchQuery), find func(context.Context, store.Store, store.BatchQuery) ([]store.Batch, error),
) func() store.Store {
	if find == nil {
		find = func(ctx context.Context, s store.Store, q store.BatchQuery) ([]store.Batch, error) {
			return s.Batches(ctx, q)
		}
	}
	return func() store.Store { return lister{memory.New(), ask, find} }
}

func (s lister) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	if s.ask != nil {
		s.ask(&q)
	}
	return s.find(ctx, s.Store, q)
}

func oneStatus(q *store.BatchQuery) { q.Statuses = q.Statuses[:min(1, len(q.Statuses))] }

func timelessBehind(q *store.BatchQuery) {
	if q.After != "" {
		q.CreatedFrom = time.Time{}
	}
}

// stopAtTheFirstBefore takes the list to be in the order of the times.
func stopAtTheFirstBefore(ctx context.Context, s store.Store, q store.BatchQuery) ([]store.Batch, error) {
	from := q.CreatedFrom
	q.CreatedFrom = time.Time{}
	got, err := s.Batches(ctx, q)
	if i := slices.IndexFunc(got, func(b store.Batch) bool { return b.CreatedAt.Before(from) }); i >= 0 {
		got = got[:i]
	}
	return got, err
}
