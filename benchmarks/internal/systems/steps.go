package systems

import (
	"context"
	"sync/atomic"

	"github.com/outdial/outdial/store"
)

// Steps is a store that counts the steps that engines take to it.
type Steps struct {
	store.Store

	n atomic.Int64
}

// Advance implements [store.Store].
func (s *Steps) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	s.n.Add(1)
	return s.Store.Advance(ctx, step)
}

// Count is how many there were.
func (s *Steps) Count() int64 { return s.n.Load() }

// hinting are steps of a store that hints.
type hinting struct {
	*Steps
	store.Hinter
}

// countSteps returns a store that is as able as s.
func countSteps(s store.Store) (store.Store, *Steps) {
	counted := &Steps{Store: s}
	if h, ok := s.(store.Hinter); ok {
		return hinting{counted, h}, counted
	}
	return counted, counted
}
