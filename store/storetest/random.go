package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

const (
	randomRuns  = 6
	randomSteps = 120
)

func modelRules() []rule {
	var rules []rule
	for seed := range uint64(randomRuns) {
		rules = append(rules, rule{
			fmt.Sprintf("RandomOperationsMatchTheModel_%d", seed), func(f *fixture) { newRandomRun(f, seed).run() },
		})
	}
	return rules
}

// randomRun does the same random operations to a store and to a model, and compares all
// that can be read after each. The seed is all that decides.
type randomRun struct {
	*fixture

	rand  *rand.Rand
	model *model
	node  string
	last  store.Step // for replays
	rev   int64
}

func newRandomRun(f *fixture, seed uint64) *randomRun {
	return &randomRun{fixture: f, rand: rand.New(rand.NewPCG(seed, 7)), model: newModel(), node: f.node()}
}

func (r *randomRun) run() {
	r.Helper()
	r.create()
	for i := range randomSteps {
		what := r.operate()
		r.compare(fmt.Sprintf("after operation %d, %s", i, what))
	}
}

func (r *randomRun) operate() string {
	switch n := r.rand.IntN(100); {
	case n < 6:
		return r.create()
	case n < 22:
		return r.changeOne()
	case n < 26:
		return r.succeed()
	case n < 36 && r.last.Owner == r.node:
		return r.replay()
	}
	return r.step()
}

func (r *randomRun) create() string {
	b := r.draft(func(b *store.Batch) {
		b.Target, b.FirstTarget, b.AgentID = 1+r.rand.IntN(4), r.rand.IntN(4), fmt.Sprintf("agent_%d", r.rand.IntN(2))
		if r.rand.IntN(4) == 0 {
			b.ScheduledAt = b.CreatedAt.Add(time.Duration(r.rand.IntN(60)) * time.Second)
		}
	})
	given := people(1 + r.rand.IntN(7))
	r.model.create(b, given)
	_, err := r.CreateBatch(r.ctx, b, given)
	r.ok(err)
	return "create"
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func (r *randomRun) changeOne() string {
	b := pick(r.rand, r.model.batches)
	c := store.Change{Action: store.Action(1 + r.rand.IntN(6)), At: r.tick(), Target: 1 + r.rand.IntN(4)}
	if c.Action == store.ActionCancel && r.rand.IntN(3) > 0 {
		c.Action = store.ActionRetry // else all is soon cancelled
	}
	if r.rand.IntN(2) == 0 {
		c.Key = fmt.Sprintf("retry_%d", r.rand.IntN(3))
	}
	if len(r.model.calls) > 0 {
		c.CallID = pick(r.rand, r.model.calls).ID
	}
	want := r.model.change(b, c)
	_, err := r.Change(r.ctx, org, b.ID, c)
	if !errors.Is(err, want) {
		r.Fatalf("change %+v: error %v, want %v", c, err, want)
	}
	return fmt.Sprintf("change %+v", c)
}

// succeed lets another node take over.
func (r *randomRun) succeed() string {
	r.node = r.successor(r.node)
	want := r.model.adopt(r.node)
	var got []string
	for {
		some := r.adopt(r.node, 1+r.rand.IntN(3))
		if len(some) == 0 {
			break
		}
		got = append(got, callIDs(adoptedCalls(some))...)
	}
	r.equal("adopted", got, want)
	return "adopt"
}

func (r *randomRun) step() string {
	s := store.Step{Org: org, Owner: r.node, Limit: r.rand.IntN(9)}
	for range r.rand.IntN(4) {
		if len(r.model.calls) > 0 {
			s.Events = append(s.Events, r.event())
		}
	}
	for range r.rand.IntN(3) {
		s.Claims = append(s.Claims, r.claimOf(r.wanted().Batch, r.rand.IntN(4)))
	}
	s.Now = r.dispatchTime(s.Claims)
	if r.rand.IntN(3) == 0 { // ids that say nothing of it
		s.Now = r.tick()
	}
	want := r.model.advance(s)
	got, err := r.Advance(r.ctx, s)
	r.ok(err)
	r.equal("lost", got.Lost, want.Lost)
	r.equal("claimed", got.Claimed, want.Claimed)
	r.equal("in flight", got.InFlight, want.InFlight)
	r.last = s
	return fmt.Sprintf("step %+v", s)
}

// wanted is mostly a batch with recipients queued again, else any.
func (r *randomRun) wanted() *modelBatch {
	again := slices.DeleteFunc(slices.Clone(r.model.batches), func(b *modelBatch) bool {
		return !slices.ContainsFunc(b.recipients, func(one *store.Recipient) bool {
			return one.Status == fsm.Queued && one.Attempts > 0
		})
	})
	if len(again) == 0 || r.rand.IntN(4) == 0 {
		again = r.model.batches
	}
	return pick(r.rand, again)
}

// event happens mostly to a call in flight, else to any.
func (r *randomRun) event() store.Event {
	flying := slices.DeleteFunc(slices.Clone(r.model.calls), func(c *store.Call) bool { return !c.Status.InFlight() })
	if len(flying) == 0 || r.rand.IntN(8) == 0 {
		flying = r.model.calls
	}
	call := *pick(r.rand, flying)
	e := event(call, fsm.RecipientStatus(r.rand.IntN(6)))
	switch r.rand.IntN(9) {
	case 0, 1, 2:
		e.Status = call.Status // else most calls end with their first event
	case 3, 4:
		e.Status = fsm.Queued // else hardly anybody takes a turn again
	}
	e.Ref = "CA" + r.tick().Format("150405")
	if r.rand.IntN(4) == 0 {
		e.RangAt = r.tick()
	}
	if r.rand.IntN(3) == 0 {
		r.move(&e)
	}
	switch e.Status {
	case fsm.Started:
		e.StartedAt = r.tick()
	case fsm.Completed:
		e.EndedAt, e.EndReason = r.tick(), dialer.AgentHangup
	case fsm.Failed:
		e.EndedAt, e.EndReason, e.Error, e.Unplaced = r.tick(), dialer.DialBusy, "busy", r.rand.IntN(2) == 0
	case fsm.Queued:
		e.EndedAt, e.Error = r.tick(), "full"
	case fsm.Dispatched, fsm.Cancelled:
	}
	return e
}

// move makes an event one of a move, also in a status where an engine would not. Its tries
// were never there before, so that it always is a change.
func (r *randomRun) move(e *store.Event) {
	e.Carrier = fmt.Sprintf("carrier_%d", r.rand.IntN(3))
	e.Tries = r.refusals(1 + r.rand.IntN(3))
	if r.rand.IntN(2) == 0 {
		e.Ref = ""
	}
	if r.rand.IntN(4) == 0 {
		e.Carrier = "" // tries alone
	}
}

// replay repeats the latest step, of which the caller did not learn that it was written.
func (r *randomRun) replay() string {
	s := r.last
	s.Replay = true
	var before []store.Batch
	for _, b := range r.model.batches {
		before = append(before, b.now())
	}
	want := r.model.advance(s)
	got, err := r.Advance(r.ctx, s)
	r.ok(err)
	r.equal("claimed again", got.Claimed, want.Claimed)
	r.equal("in flight", got.InFlight, want.InFlight)
	clear(r.model.changed) // what is written again may count as changed or not, by its date too
	for i, b := range r.model.batches {
		if b.counts() == before[i].Counts && r.again(b.Batch).UpdatedAt.Equal(before[i].UpdatedAt) {
			b.UpdatedAt = before[i].UpdatedAt
		}
	}
	r.rev = max(r.rev, got.Rev)
	return fmt.Sprintf("replay %+v", s)
}

func (r *randomRun) compare(when string) {
	r.Helper()
	defer func() {
		if r.Failed() {
			r.Log(when)
		}
	}()
	r.compareFeed()
	for _, want := range r.model.batches {
		got := r.again(want.Batch)
		got.Rev = 0
		r.equal("batch", got, want.now())
		recipients := r.recipients(want.Batch)
		for i := range recipients {
			recipients[i].Rev = 0
			r.equal("recipient", recipients[i], *want.recipients[i])
		}
	}
	r.compareCalls(store.CallQuery{})
	r.compareQueries()
}

// compareFeed asks what changed since the last time: exactly what the model changed.
func (r *randomRun) compareFeed() {
	r.Helper()
	rev := r.rev
	got := map[string]bool{}
	for _, one := range r.since(r.rev) {
		got[fmt.Sprintf("%s/%d", one.BatchID, one.Index)] = true
		rev = max(rev, one.Rev)
	}
	for _, b := range r.batches(store.BatchQuery{ByRev: true, AfterRev: r.rev}) {
		got[b.ID] = true
		rev = max(rev, b.Rev)
	}
	r.equal("rows changed", got, r.model.changed)
	r.rev = rev
	clear(r.model.changed)
}
