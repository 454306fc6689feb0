package main

import (
	"context"
	"errors"
	"strings"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// idLength is how long a batch's whole id is.
const idLength = len(store.BatchPrefix) + 22

// find returns the batch that somebody means: by its id, by the beginning of it, or "last".
func (s *session) find(ctx context.Context, name string) (store.Batch, error) {
	if len(name) == idLength && strings.HasPrefix(name, store.BatchPrefix) {
		b, err := s.Batch(ctx, name)
		if errors.Is(err, batch.ErrNotFound) {
			return b, noBatch(name)
		}
		return b, err
	}
	var found []store.Batch
	for b, err := range s.Batches(ctx, false) {
		if err != nil {
			return store.Batch{}, err
		}
		if name == "last" {
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
	return store.Batch{}, noBatch(name)
}

func noBatch(name string) error {
	return usagef("there is no batch %q; \"outdial ls\" lists them", name)
}
