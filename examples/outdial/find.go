package main

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/outdial/outdial/store"
)

const pageSize = 100

// batches goes through the organisation's batches, newest first.
func (s *session) batches(ctx context.Context, q store.BatchQuery) iter.Seq2[store.Batch, error] {
	q.Org, q.Limit = s.org, pageSize
	return func(yield func(store.Batch, error) bool) {
		for {
			page, err := s.engine.Batches(ctx, q)
			if err != nil {
				yield(store.Batch{}, fmt.Errorf("reading the batches: %w", err))
				return
			}
			for _, b := range page {
				if !yield(b, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			q.After = page[len(page)-1].ID
		}
	}
}

// find returns the batch that somebody means: by its id, by the beginning of it, or "last".
func (s *session) find(ctx context.Context, name string) (store.Batch, error) {
	var found []store.Batch
	for b, err := range s.batches(ctx, store.BatchQuery{}) {
		if err != nil {
			return store.Batch{}, err
		}
		if name == "last" || b.ID == name {
			return b, nil
		}
		if strings.HasPrefix(b.ID, name) || strings.HasPrefix(b.ID, store.BatchPrefix+name) {
			found = append(found, b)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return store.Batch{}, usagef("%d batches begin with %q: give a few more characters of the id", len(found), name)
	case name == "last":
		return store.Batch{}, usagef("there is no batch yet")
	}
	return store.Batch{}, usagef("there is no batch %q; \"outdial ls\" lists them", name)
}
