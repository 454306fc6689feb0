package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/outdial/outdial/store"
)

// turn is one Advance on its way.
type turn struct {
	*org

	step  store.Step
	named []*batch
	out   store.Advanced
}

// Advance implements [store.Store].
func (s *Store) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	o, err := s.lock(ctx, step.Org)
	if err != nil {
		return store.Advanced{}, err
	}
	defer o.mu.Unlock()
	// Under the lock, so that nobody adopts a call of the owner before the step is done.
	if !s.alive(step.Owner) {
		return store.Advanced{}, fmt.Errorf("memory: advance for %s: %w", step.Owner, store.ErrNotOwner)
	}
	o.turn++
	t := &turn{org: o, step: step, out: store.Advanced{PrevRev: o.rev}}
	if err := t.checkNew(); err != nil {
		return store.Advanced{}, err
	}
	for i := range step.Events {
		if !t.apply(&step.Events[i]) {
			t.out.Lost = append(t.out.Lost, step.Events[i].CallID)
		}
	}
	for i := range step.Claims {
		t.claim(&step.Claims[i])
	}
	if len(t.out.Claimed) > 0 {
		s.dialled(step.Owner)
	}
	t.finish()
	s.commit(o)
	return t.out, nil
}

// batch returns the batch, nil if there is none, and notes that the step names it.
func (t *turn) batch(id string) *batch {
	b := t.byID[id]
	if b != nil && b.turn != t.turn {
		b.turn = t.turn
		t.named = append(t.named, b)
	}
	return b
}

func (t *turn) finish() {
	t.out.Batches = slices.Grow(t.out.Batches, len(t.named))
	for _, b := range t.named {
		t.seal(b, t.step.Now)
		t.out.Batches = append(t.out.Batches, b.Batch)
	}
	t.out.InFlight, t.out.Rev = len(t.inFlight), t.rev
}

// claimed is what the owner of a call gets to know.
func (o *org) claimed(c *store.Call) store.Claimed {
	return store.Claimed{Call: clone(c), Metadata: slices.Clone(o.byID[c.BatchID].recipients[c.Index].Metadata)}
}
