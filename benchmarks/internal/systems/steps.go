package systems

import (
	"context"
	"sync/atomic"

	"github.com/outdial/outdial/store"
)

// Steps is a store that counts the steps that engines take to it, and has their claims written into a book.
type Steps struct {
	store.Store

	book *Book
	n    atomic.Int64
}

// Advance implements [store.Store].
func (s *Steps) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	s.n.Add(1)
	s.book.taken(step)
	done, err := s.Store.Advance(ctx, step)
	if err == nil {
		s.book.claimed(step.Org, len(done.Claimed))
	}
	return done, err
}

// Count is how many there were.
func (s *Steps) Count() int64 { return s.n.Load() }

// hinting are steps of a store that hints.
type hinting struct {
	*Steps
	store.Hinter
}

// countSteps returns a store that is as able as s.
func countSteps(s store.Store, b *Book) (store.Store, *Steps) {
	counted := &Steps{Store: s, book: b}
	if h, ok := s.(store.Hinter); ok {
		return hinting{counted, h}, counted
	}
	return counted, counted
}
