package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/outdial/outdial/store"
)

// turn is one Advance on its way: a trip that locks and reads, the decisions, and a trip that writes. The commit leaves
// only after the lock was seen to be held, so a replay, which waits for the same lock, never overtakes the step that it
// repeats. Where all is known that the first trip would ask, there is only the second one, see foresee.
type turn struct {
	*work

	step     store.Step
	owner    node
	org      *org
	named    map[string]*batch // by id, those that there are
	order    []*batch          // the same by their keys
	calls    map[string]*call  // those that the events are about
	known    *known
	wanted   map[string]int   // how many the claims want of each batch, by id
	queues   map[int32]*queue // of batches that the step names, as far as they are known
	flying   map[string]*call // all of the node's, where they were read behind what was written
	existing map[string]int32 // the owners of the calls of an earlier try
	fates    map[place]*fate
	answers  []answer
	taken    []waiting // those that were queued again and are claimed
	out      store.Advanced
}

func newTurn(w *work, step store.Step, known *known) *turn {
	t := &turn{
		work: w, step: step, known: known, named: map[string]*batch{}, calls: map[string]*call{}, wanted: map[string]int{},
		queues: map[int32]*queue{}, existing: map[string]int32{}, fates: map[place]*fate{},
	}
	for i := range step.Claims {
		if c := &step.Claims[i]; len(c.CallIDs) > 0 {
			t.wanted[c.BatchID] += len(c.CallIDs)
		}
	}
	return t
}

// Advance implements [store.Store].
func (s *Store) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	var out store.Advanced
	err := s.writing(ctx, step.Org, func(ctx context.Context, w *work) (err error) {
		out, err = s.advance(ctx, w, step)
		return err
	})
	if err != nil {
		return store.Advanced{}, failed("advance", step.Org, err)
	}
	if out.Rev != out.PrevRev || step.Replay { // nobody has told of what an earlier try wrote
		s.announcer.changed(step.Org)
	}
	return out, nil
}

// advance is a try. What it has found of how far one may rely on what is known is kept also where it fails.
func (s *Store) advance(ctx context.Context, w *work, step store.Step) (out store.Advanced, err error) {
	key := orgKey(step.Org)
	t := newTurn(w, step, s.known.take(key, step.Owner))
	if t.foresee() {
		if out, err = t.save(ctx, t.begin(beginWrite)); err == nil {
			t.known.trust.kept()
		} else {
			t.known.trust = t.known.trust.missed()
		}
	} else {
		t = newTurn(w, step, t.known)
		out, err = t.run(ctx)
	}
	if err != nil {
		t.forget()
		s.known.put(key, t.known)
	} else if t.org.known {
		s.known.put(key, t.learn())
	}
	return out, err
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
	if err := t.judge(); err != nil {
		return store.Advanced{}, err
	}
	return t.save(ctx, t.trip())
}

// judge applies the events and serves the claims, in memory.
func (t *turn) judge() error {
	if err := t.checkNew(); err != nil {
		return err
	}
	t.out.PrevRev = t.org.rev
	for i := range t.step.Events {
		e := &t.step.Events[i]
		applied, err := t.apply(e)
		if err != nil {
			return fmt.Errorf("call %s: %w", e.CallID, err)
		}
		if !applied {
			t.out.Lost = append(t.out.Lost, e.CallID)
		}
	}
	for i := range t.step.Claims {
		t.serve(&t.step.Claims[i])
	}
	for _, b := range t.order {
		if b.changed {
			b.seal(t.org, t.step.Now)
		}
	}
	return nil
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
	unknown, again := t.askQueued(trip)
	t.askExisting(trip)
	if err := t.send(ctx, trip); err != nil {
		return err
	}
	t.sortBatches()
	t.org.was = t.org.counts()
	if t.holds() {
		t.known.trust.confirm()
		t.recall()
	} else {
		t.forget()
		t.queue(again)
	}
	t.queue(unknown)
	return nil
}

func (t *turn) sortBatches() {
	slices.SortFunc(t.order, func(a, b *batch) int { return cmp.Compare(a.key, b.key) })
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
func (t *turn) save(ctx context.Context, trip *trip) (store.Advanced, error) {
	for _, b := range t.order {
		t.out.Batches = append(t.out.Batches, b.Batch)
	}
	t.out.InFlight, t.out.Rev = t.org.inFlight, t.org.rev
	if t.out.Rev != t.out.PrevRev {
		t.saveOrg(trip)
	}
	if len(t.answers) > 0 {
		trip.owns(t.owner, t.step.Owner)
	}
	t.saveQueue(trip)
	t.saveCalls(trip)
	trip.saveHeads(t.org, t.order)
	untold := t.askUntold(trip)
	again := t.askAgain(trip)
	t.askFlying(trip)
	next := t.readAhead(trip)
	t.askLatest(trip)
	if err := t.finish(ctx, trip); err != nil {
		return store.Advanced{}, err
	}
	t.queue(next)
	t.answer(untold, again)
	return t.out, nil
}
