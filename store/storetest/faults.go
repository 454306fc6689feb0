package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/outdial/outdial/store"
)

// Point is a moment at which a store can fail: the Nth call of a method, from 1.
type Point struct {
	Method string // as the interface spells it, such as "Advance"
	N      int
}

// Fault is what goes wrong at a point. The zero value is nothing. Delay and Wait end
// early when the context of the call does, with its error; Err comes after them.
type Fault struct {
	// After lets the store do its work first: what follows happens to a call whose write
	// is durable, and the caller does not learn it.
	After bool

	Delay time.Duration   // of time.Now's clock
	Wait  <-chan struct{} // until it is closed; nil: not at all
	Err   error           // returned instead of the result
}

// Plan is the faults at chosen points. Its method Fault is a hook for [NewFaults]. It must
// not be changed while it is in use.
type Plan map[Point]Fault

// Fault returns what is planned for a point.
func (p Plan) Fault(at Point) Fault { return p[at] }

// Faults is a store that fails at chosen points, and otherwise does what the one
// underneath does. It is safe for concurrent use.
type Faults struct {
	store store.Store
	hook  func(Point) Fault

	mu     sync.Mutex
	counts map[string]int
}

var _ store.Store = (*Faults)(nil)

// NewFaults wraps a store. hook is asked at each call of each method what goes wrong, from
// the goroutine of the call: it may also count, or signal that the point was reached, and
// must be safe for concurrent use. Nil: nothing ever goes wrong.
func NewFaults(s store.Store, hook func(Point) Fault) *Faults {
	if hook == nil {
		hook = Plan(nil).Fault
	}
	return &Faults{store: s, hook: hook, counts: map[string]int{}}
}

// Count returns how many calls of a method there were: a test whose fault was never
// reached has tested nothing.
func (f *Faults) Count(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[method]
}

func (f *Faults) next(method string) Fault {
	f.mu.Lock()
	f.counts[method]++
	at := Point{Method: method, N: f.counts[method]}
	f.mu.Unlock()
	return f.hook(at)
}

// at does what a method does, with what goes wrong before or after.
func at[T any](ctx context.Context, f *Faults, method string, do func() (T, error)) (T, error) {
	fault := f.next(method)
	var zero T
	if fault.After {
		got, err := do()
		if err != nil {
			return got, err
		}
		if err := fault.strike(ctx); err != nil {
			return zero, err
		}
		return got, nil
	}
	if err := fault.strike(ctx); err != nil {
		return zero, err
	}
	return do()
}

func (f Fault) strike(ctx context.Context) error {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.Wait != nil {
		select {
		case <-f.Wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return f.Err
}

// CreateBatch implements [store.Store].
func (f *Faults) CreateBatch(ctx context.Context, b store.Batch, rs []store.NewRecipient) (store.Batch, error) {
	return at(ctx, f, "CreateBatch", func() (store.Batch, error) { return f.store.CreateBatch(ctx, b, rs) })
}

// Batch implements [store.Store].
func (f *Faults) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	return at(ctx, f, "Batch", func() (store.Batch, error) { return f.store.Batch(ctx, org, id) })
}

// Batches implements [store.Store].
func (f *Faults) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	return at(ctx, f, "Batches", func() ([]store.Batch, error) { return f.store.Batches(ctx, q) })
}

// Recipients implements [store.Store].
func (f *Faults) Recipients(ctx context.Context, q store.RecipientQuery) ([]store.Recipient, error) {
	return at(ctx, f, "Recipients", func() ([]store.Recipient, error) { return f.store.Recipients(ctx, q) })
}

// Calls implements [store.Store].
func (f *Faults) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	return at(ctx, f, "Calls", func() ([]store.Call, error) { return f.store.Calls(ctx, q) })
}

// Call implements [store.Store].
func (f *Faults) Call(ctx context.Context, org, id string) (store.Call, error) {
	return at(ctx, f, "Call", func() (store.Call, error) { return f.store.Call(ctx, org, id) })
}

// Change implements [store.Store].
func (f *Faults) Change(ctx context.Context, org, id string, c store.Change) (store.Batch, error) {
	return at(ctx, f, "Change", func() (store.Batch, error) { return f.store.Change(ctx, org, id, c) })
}

// Active implements [store.Store].
func (f *Faults) Active(ctx context.Context) ([]store.ActiveOrg, error) {
	return at(ctx, f, "Active", func() ([]store.ActiveOrg, error) { return f.store.Active(ctx) })
}

// Advance implements [store.Store].
func (f *Faults) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	return at(ctx, f, "Advance", func() (store.Advanced, error) { return f.store.Advance(ctx, step) })
}

// Heartbeat implements [store.Store].
func (f *Faults) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	_, err := at(ctx, f, "Heartbeat", func() (struct{}, error) { return struct{}{}, f.store.Heartbeat(ctx, n, lease) })
	return err
}

// Adopt implements [store.Store].
func (f *Faults) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	return at(ctx, f, "Adopt", func() ([]store.Claimed, error) { return f.store.Adopt(ctx, node, limit) })
}

// Nodes implements [store.Store].
func (f *Faults) Nodes(ctx context.Context) ([]store.Node, error) {
	return at(ctx, f, "Nodes", func() ([]store.Node, error) { return f.store.Nodes(ctx) })
}
