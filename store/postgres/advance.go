package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/outdial/outdial/store"
)

// turn is one Advance on its way: a trip that locks and reads, the decisions, and a trip that writes. It
// is two on purpose: the commit leaves only after the lock was seen to be held, so a replay, which
// waits for the same lock, never overtakes the step that it repeats.
type turn struct {
	*work

	step     store.Step
	owner    node
	org      *org
	named    map[string]*batch // by id, those that there are
	order    []*batch          // the same by their keys
	calls    map[string]*call  // those that the events are about
	known    *known
	queues   map[int32][]candidate
	existing map[string]int32 // the owners of the calls of an earlier try
	fates    map[place]*fate
	answers  []answer
	taken    []waiting // those that were queued again and are claimed
	out      store.Advanced
}

// Advance implements [store.Store].
func (s *Store) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	var out store.Advanced
	err := s.writing(ctx, step.Org, func(ctx context.Context, w *work) (err error) {
		t := &turn{
			work: w, step: step, known: s.known.take(orgKey(step.Org), step.Owner), named: map[string]*batch{},
			calls: map[string]*call{}, queues: map[int32][]candidate{}, existing: map[string]int32{},
			fates: map[place]*fate{},
		}
		if out, err = t.run(ctx); err == nil && t.org.known {
			s.known.put(t.org.key, t.learn())
		}
		return err
	})
	if err != nil {
		return store.Advanced{}, failed("advance", step.Org, err)
	}
	if out.Rev != out.PrevRev {
		s.announcer.changed(step.Org)
	}
	return out, nil
}

func (t *turn) run(ctx context.Context) (store.Advanced, error) {
	if err := t.load(ctx); err != nil {
		return store.Advanced{}, err
	}
	if t.owner.key == 0 {
		return store.Advanced{}, store.ErrNotOwner
	}
	if !t.org.known { // nobody ever created a batch: there is nothing to claim and no call
		for i := range t.step.Events {
			t.out.Lost = append(t.out.Lost, t.step.Events[i].CallID)
		}
		return t.out, t.finish(ctx, t.trip())
	}
	if err := t.checkNew(); err != nil {
		return store.Advanced{}, err
	}
	t.out.PrevRev = t.org.rev
	for i := range t.step.Events {
		e := &t.step.Events[i]
		applied, err := t.apply(e)
		if err != nil {
			return store.Advanced{}, fmt.Errorf("call %s: %w", e.CallID, err)
		}
		if !applied {
			t.out.Lost = append(t.out.Lost, e.CallID)
		}
	}
	for i := range t.step.Claims {
		t.serve(&t.step.Claims[i])
	}
	if err := t.save(ctx); err != nil {
		return store.Advanced{}, err
	}
	return t.out, nil
}

// load asks for everything that the step is about, behind the lock of the organisation. The lease is
// looked at behind it as well: nobody adopts a call of the owner before the step is done.
func (t *turn) load(ctx context.Context) error {
	trip := t.begin(beginWrite)
	t.org = trip.lock(t.step.Org)
	trip.lease(&t.owner, t.step.Owner)
	if ids := t.batchIDs(); len(ids) > 0 {
		trip.each(t.keepBatch, selectBatches, t.org.key, raws(ids))
	}
	t.askCalls(trip)
	t.askQueued(trip)
	t.askExisting(trip)
	if err := t.send(ctx, trip); err != nil {
		return err
	}
	slices.SortFunc(t.order, func(a, b *batch) int { return cmp.Compare(a.key, b.key) })
	t.recall()
	return nil
}

// batchIDs are those that the step names, each once.
func (t *turn) batchIDs() []string {
	var ids []string
	for i := range t.step.Events {
		ids = append(ids, t.step.Events[i].BatchID)
	}
	for i := range t.step.Claims {
		ids = append(ids, t.step.Claims[i].BatchID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (t *turn) keepBatch(scan func(...any) error) error {
	b, err := scanBatch(scan, t.step.Org)
	if err != nil {
		return err
	}
	t.named[b.ID] = b
	t.order = append(t.order, b)
	return nil
}

// save writes what was decided, each table in the order of its keys, and gathers what those who
// claimed are to know.
func (t *turn) save(ctx context.Context) error {
	trip := t.trip()
	if len(t.answers) > 0 {
		trip.owns(t.owner, t.step.Owner)
	}
	t.saveQueue(trip)
	t.saveCalls(trip)
	putBack := t.askPutBack(trip)
	for _, b := range t.order {
		if b.changed {
			b.seal(t.org, t.step.Now)
		}
		t.out.Batches = append(t.out.Batches, b.Batch)
	}
	if t.out.InFlight, t.out.Rev = t.org.inFlight, t.org.rev; t.out.Rev != t.out.PrevRev {
		trip.saveBatches(t.org, t.order, t.step.Now)
		t.org.save(trip)
	}
	again := t.askAgain(trip)
	if err := t.finish(ctx, trip); err != nil {
		return err
	}
	t.answer(putBack, again)
	return nil
}
