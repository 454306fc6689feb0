package sqlite

import (
	"context"
	"slices"

	"github.com/outdial/outdial/store"
)

// turn is one Advance on its way.
type turn struct {
	c     *connection
	step  store.Step
	packs []pack // of each event
	owner int64  // key of the step's node
	org   *org
	named map[string]*batch // nil for an id that the organisation does not have
	order []*batch
	calls map[string]*call // those that the events are about
	moved []*call          // that an event was applied to, in that order
	out   store.Advanced
}

// pack is what an event has of maps and lists, as it goes into the row.
type pack struct {
	details, tries []byte // nil: it says nothing of them
}

// Advance implements [store.Store].
func (s *Store) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	step, packs := detach(step)
	out, err := write(ctx, s.writer, func(ctx context.Context, c *connection) (store.Advanced, error) {
		key, err := s.owner.check(ctx, c, step.Owner)
		if err != nil {
			return store.Advanced{}, err
		}
		t := &turn{c: c, step: step, packs: packs, owner: key, named: map[string]*batch{}, calls: map[string]*call{}}
		return t.run(ctx)
	})
	if err != nil {
		return store.Advanced{}, failed("advance", step.Org, err)
	}
	return out, nil
}

// detach copies what belongs to the caller, who may be gone and use it again before
// it is read, and does the work that needs no transaction.
func detach(step store.Step) (store.Step, []pack) {
	step.Events = slices.Clone(step.Events)
	step.Claims = slices.Clone(step.Claims)
	packs := make([]pack, len(step.Events))
	for i := range step.Events {
		e := &step.Events[i]
		packs[i] = pack{details: packMap(e.Details), tries: packTries(e.Tries)}
		e.Details, e.Tries = nil, nil
	}
	for i := range step.Claims {
		step.Claims[i].CallIDs = slices.Clone(step.Claims[i].CallIDs)
	}
	return step, packs
}

func (t *turn) run(ctx context.Context) (store.Advanced, error) {
	var err error
	if t.org, err = loadOrg(ctx, t.c, t.step.Org); err != nil {
		return store.Advanced{}, err
	}
	if t.org == nil { // nobody ever created a batch: there is nothing to claim and no call
		for i := range t.step.Events {
			t.out.Lost = append(t.out.Lost, t.step.Events[i].CallID)
		}
		return t.out, nil
	}
	t.out.PrevRev = t.org.rev
	for _, part := range []func(context.Context) error{t.applyEvents, t.saveCalls, t.serveClaims, t.mark, t.finish} {
		if err := part(ctx); err != nil {
			return store.Advanced{}, err
		}
	}
	return t.out, nil
}

// batch returns the batch, nil if there is none, and notes that the step names it.
func (t *turn) batch(ctx context.Context, id string) (*batch, error) {
	if b, known := t.named[id]; known {
		return b, nil
	}
	b, err := loadBatch(ctx, t.c, t.org, id)
	if err != nil {
		return nil, err
	}
	t.named[id] = b
	if b != nil {
		t.order = append(t.order, b)
	}
	return b, nil
}

// mark notes that the node owns calls.
func (t *turn) mark(ctx context.Context) error {
	if len(t.out.Claimed) == 0 || t.c.known.dialled == t.owner {
		return nil
	}
	t.c.known.marked = t.owner
	return markNode(ctx, t.c, t.owner)
}

func (t *turn) finish(ctx context.Context) error {
	for _, b := range t.order {
		if err := b.seal(ctx, t.c, t.org, t.step.Now); err != nil {
			return err
		}
		t.out.Batches = append(t.out.Batches, b.Batch)
	}
	t.out.InFlight, t.out.Rev = t.org.inFlight, t.org.rev
	if t.out.Rev == t.out.PrevRev {
		return nil
	}
	return t.org.save(ctx, t.c)
}
