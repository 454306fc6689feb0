package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

var (
	errLost  = errors.New("something that was acknowledged is lost")
	errWrong = errors.New("the store is in no state that it could be in")
)

// write is one write to one organisation. It can be done to any store, and again.
type write struct {
	name string
	do   func(ctx context.Context, s store.Store) (any, error)
}

// ledger is what was written to one organisation, one write after the other: first those that were
// acknowledged, then those of which nobody knows. The same writes, done to a store in memory that
// passes the same suite, say what a file has to hold: every row, counter and revision.
type ledger struct {
	org    string
	rand   *rand.Rand
	ids    *rand.ChaCha8
	clock  time.Time
	node   string
	writes []write
	acked  int           // of the writes
	now    *memory.Store // after all of them
}

func newLedger(org string, seed uint64) *ledger {
	l := &ledger{
		org: org, rand: rand.New(rand.NewPCG(seed, 2)), ids: rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}),
		clock: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), now: memory.New(),
	}
	return l
}

// try does the next write of the ledger to a store and compares the answer. The error is the store's.
func (l *ledger) try(ctx context.Context, s store.Store, w write) error {
	got, err := w.do(ctx, s)
	if err != nil {
		l.writes = append(l.writes, w)
		_, _ = w.do(ctx, l.now)
		return err
	}
	want, err := w.do(ctx, l.now)
	l.writes = append(l.writes, w)
	l.acked = len(l.writes)
	if err != nil || !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%w: %s of %s was answered by\n%+v, not\n%+v (%w)", errWrong, w.name, l.org, got, want, err)
	}
	return nil
}

// state is all that can be read of an organisation.
type state struct {
	Batches    []store.Batch
	Recipients []store.Recipient
	Calls      []store.Call
	InFlight   []store.Call
	Active     []store.ActiveOrg
}

func read(ctx context.Context, s store.Store, org string) (st state, err error) {
	if st.Batches, err = s.Batches(ctx, store.BatchQuery{Org: org}); err != nil {
		return st, err
	}
	if st.Recipients, err = s.Recipients(ctx, store.RecipientQuery{Org: org, ByRev: true}); err != nil {
		return st, err
	}
	if st.Calls, err = s.Calls(ctx, store.CallQuery{Org: org}); err != nil {
		return st, err
	}
	if st.InFlight, err = s.Calls(ctx, store.CallQuery{Org: org, InFlight: true}); err != nil {
		return st, err
	}
	active, err := s.Active(ctx)
	st.Active = slices.DeleteFunc(active, func(a store.ActiveOrg) bool { return a.Org != org })
	return st, err
}

// after returns the organisation as it is after so many writes.
func (l *ledger) after(ctx context.Context, n int) *memory.Store {
	s := memory.New()
	for _, w := range l.writes[:n] {
		_, _ = w.do(ctx, s)
	}
	return s
}

// judge finds which of the writes a store has, which are all that were acknowledged and of the
// others none, or the first few. From then on those count as acknowledged, and the rest as never done.
func (l *ledger) judge(ctx context.Context, s store.Store) error {
	got, err := read(ctx, s, l.org)
	if err != nil {
		return err
	}
	for n := len(l.writes); n >= 0; n-- {
		model := l.after(ctx, n)
		want, err := read(ctx, model, l.org)
		switch {
		case err != nil:
			return err
		case !same(got, want):
		case n < l.acked:
			return fmt.Errorf("%w: %s has %d of %d writes that were", errLost, l.org, n, l.acked)
		default:
			l.now, l.writes, l.acked = model, l.writes[:n], n
			return nil
		}
	}
	want, _ := read(ctx, l.now, l.org)
	return fmt.Errorf("%w: %s, %d acknowledged and %d doubtful writes, is\n%+v, not\n%+v",
		errWrong, l.org, l.acked, len(l.writes)-l.acked, got, want)
}

func same(a, b state) bool {
	return equal(a.Batches, b.Batches) && equal(a.Recipients, b.Recipients) && equal(a.Calls, b.Calls) &&
		equal(a.InFlight, b.InFlight) && equal(a.Active, b.Active)
}

func equal[T any](a, b []T) bool {
	return slices.EqualFunc(a, b, func(a, b T) bool { return reflect.DeepEqual(a, b) })
}

func (l *ledger) tick() time.Time {
	l.clock = l.clock.Add(time.Second + time.Microsecond)
	return l.clock
}

// next draws a write.
func (l *ledger) next(ctx context.Context) write {
	batches, _ := l.now.Batches(ctx, store.BatchQuery{Org: l.org, Limit: 6})
	switch n := l.rand.IntN(100); {
	case n < 12 || len(batches) == 0:
		return l.create()
	case n < 30:
		return l.change(ctx, batches[l.rand.IntN(len(batches))].ID)
	}
	return l.step(ctx, batches)
}

func (l *ledger) create() write {
	now := l.tick()
	id, err := store.NewBatchID(now, l.ids)
	if err != nil {
		panic(err)
	}
	b := store.Batch{
		Org: l.org, ID: id, Name: "survey", AgentID: "agent", NumberID: "number", Region: "EU", Target: 1 + l.rand.IntN(8),
		FirstTarget: 3, Weight: 1, RingTimeout: time.Minute, MaxDuration: time.Hour, CreatedAt: now, UpdatedAt: now,
		Key: "key " + id, Fingerprint: "print",
	}
	n := 1 + l.rand.IntN(7)
	if l.rand.IntN(12) == 0 {
		n = 150 // many pages, in more than one statement
	}
	return write{"create", func(ctx context.Context, s store.Store) (any, error) {
		return s.CreateBatch(ctx, b, people(n, true))
	}}
}

func (l *ledger) change(ctx context.Context, batch string) write {
	c := store.Change{Action: store.Action(1 + l.rand.IntN(6)), At: l.tick(), Target: 1 + l.rand.IntN(8)}
	if c.Action == store.ActionCancel && l.rand.IntN(3) > 0 {
		c.Action = store.ActionRetry // else all is soon cancelled
	}
	c.Key = fmt.Sprintf("retry %d", l.rand.IntN(1000))
	if calls, _ := l.now.Calls(ctx, store.CallQuery{Org: l.org, InFlight: true, Limit: 5}); len(calls) > 0 {
		c.CallID = calls[l.rand.IntN(len(calls))].ID
	}
	return write{"change", func(ctx context.Context, s store.Store) (any, error) {
		b, err := s.Change(ctx, l.org, batch, c)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrBatchCancelled) {
			return err.Error()[max(0, len(err.Error())-12):], nil // an answer, and the same one everywhere
		}
		return b, err
	}}
}

func (l *ledger) step(ctx context.Context, batches []store.Batch) write {
	step := store.Step{Org: l.org, Owner: l.node, Now: l.tick(), Limit: 4 + l.rand.IntN(12)}
	calls, _ := l.now.Calls(ctx, store.CallQuery{Org: l.org, InFlight: true})
	for _, c := range calls {
		if l.rand.IntN(2) == 0 {
			step.Events = append(step.Events, l.event(c))
		}
	}
	for range 1 + l.rand.IntN(2) {
		ids, err := store.NewCallIDs(l.tick(), l.ids, 1+l.rand.IntN(6))
		if err != nil {
			panic(err)
		}
		step.Claims = append(step.Claims, store.Claim{
			BatchID: batches[l.rand.IntN(len(batches))].ID, CallIDs: ids, Carrier: "trunk", From: "+442071838750",
		})
	}
	return write{"step", func(ctx context.Context, s store.Store) (any, error) { return s.Advance(ctx, step) }}
}

func (l *ledger) event(c store.Call) store.Event {
	e := store.Event{BatchID: c.BatchID, Index: c.Index, CallID: c.ID, Ref: "CA" + c.ID}
	switch l.rand.IntN(5) {
	case 0:
		e.Status, e.EndedAt, e.Error = fsm.Queued, l.tick(), "the carrier is full"
	case 1:
		e.Status, e.EndedAt, e.EndReason = fsm.Failed, l.tick(), dialer.DialBusy
	case 2:
		e.Status, e.EndedAt, e.EndReason = fsm.Completed, l.tick(), dialer.ClientHangup
		e.Details = map[string]string{"code": "200"}
	case 3:
		e.Status, e.RangAt = c.Status, l.tick()
	default:
		e.Status, e.StartedAt = fsm.Started, l.tick()
	}
	return e
}

// takeover is the write by which a node that has the lock gets the calls of those before.
func takeover(node string) write {
	return write{"takeover", func(ctx context.Context, s store.Store) (any, error) {
		if model, ok := s.(*memory.Store); ok { // it admits many: they have to go
			before, _ := model.Nodes(ctx)
			for _, n := range before {
				_ = model.Heartbeat(ctx, n, 0)
			}
			_ = model.Heartbeat(ctx, store.Node{ID: node}, time.Hour)
		}
		_, err := s.Adopt(ctx, node, 1<<20)
		return nil, err
	}}
}
