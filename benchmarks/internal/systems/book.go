package systems

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// Book has down what carriers were asked for and what engines claimed. An engine that makes no call, some twice, or all
// of them together would win every measure. Safe for concurrent use.
type Book struct {
	orgs  map[string]*tally
	pages sync.Map // of *page, by the id of the batch
	calls atomic.Int64
	wrong atomic.Pointer[error] // the first thing
}

// tally is what an organisation has in flight.
type tally struct {
	limit   int64
	dialled atomic.Int64 // calls that carriers have now
	claimed atomic.Int64 // calls that were claimed, and whose end was not written yet
}

// page is how often carriers were asked to call each recipient of a batch, by their indexes.
type page struct {
	mu    sync.Mutex
	calls []uint8
}

// NewBook returns an empty book. Nobody may have more calls at once than limits says.
func NewBook(limits Limits) *Book {
	b := &Book{orgs: make(map[string]*tally, len(limits))}
	for org, limit := range limits {
		b.orgs[org] = &tally{limit: int64(limit)}
	}
	return b
}

func (b *Book) fail(err error) { b.wrong.CompareAndSwap(nil, &err) }

// Wrong is the first thing that must not have happened, nil for none.
func (b *Book) Wrong() error {
	if err := b.wrong.Load(); err != nil {
		return *err
	}
	return nil
}

// begins notes a call that a carrier is asked for. ends is to be called when it is over.
func (b *Book) begins(c dialer.Call) (ends func()) {
	b.calls.Add(1)
	if batch, index, err := store.ParseRecipientID(c.Recipient); err != nil || batch != c.Batch {
		b.fail(fmt.Errorf("a call of batch %q and recipient %q, which is not of it", c.Batch, c.Recipient))
	} else if n := b.page(batch).note(index); n > 1 {
		b.fail(fmt.Errorf("recipient %d of batch %s was called %d times, want once", index, batch, n))
	}
	t := b.orgs[c.Org]
	if t == nil {
		b.fail(fmt.Errorf("a call of organisation %q, which there is not", c.Org))
		return func() {}
	}
	b.atMost(c.Org, "calls", t.dialled.Add(1), t.limit)
	return t.over
}

func (t *tally) over() { t.dialled.Add(-1) }

func (b *Book) atMost(org, what string, n, limit int64) {
	if n > limit {
		b.fail(fmt.Errorf("organisation %s had %d %s at once, want at most %d", org, n, what, limit))
	}
}

func (b *Book) page(batch string) *page {
	if p, ok := b.pages.Load(batch); ok {
		return p.(*page) //nolint:forcetypeassert // nothing else is put in
	}
	p, _ := b.pages.LoadOrStore(batch, &page{})
	return p.(*page) //nolint:forcetypeassert // nothing else is put in
}

// note counts a call of a recipient and returns how many there were.
func (p *page) note(index int) uint8 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if missing := index + 1 - len(p.calls); missing > 0 {
		p.calls = append(p.calls, make([]uint8, missing)...)
	}
	if p.calls[index] < math.MaxUint8 {
		p.calls[index]++
	}
	return p.calls[index]
}

// called is how many recipients of the batch were called.
func (p *page) called() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, calls := range p.calls {
		if calls > 0 {
			n++
		}
	}
	return n
}

// taken notes what a step brings before it is taken: from then on others may have the places of the calls that end.
func (b *Book) taken(step store.Step) {
	t := b.orgs[step.Org]
	if t == nil || step.Replay { // a step that is taken again has been noted
		return
	}
	for _, e := range step.Events {
		if e.Status != fsm.Dispatched && e.Status != fsm.Started {
			t.claimed.Add(-1)
		}
	}
}

// claimed notes what a step got. Calls that take no time are hardly ever at a carrier together, whatever the
// engine claims together: so a limit that it does not keep shows here.
func (b *Book) claimed(org string, calls int) {
	if t := b.orgs[org]; t != nil && calls > 0 {
		b.atMost(org, "claims", t.claimed.Add(int64(calls)), t.limit)
	}
}

// check compares a batch that nobody works on any more with what carriers were asked for.
func (b *Book) check(x store.Batch) (called int, err error) {
	called = b.page(x.ID).called()
	c := x.Counts
	switch {
	case c.Failed+c.Cancelled+c.InFlight() > 0:
		return called, fmt.Errorf("batch %s: counts %+v, want no calls but completed ones", x.ID, c)
	case called != c.Completed:
		return called, fmt.Errorf("batch %s: %d recipients completed, and %d were called", x.ID, c.Completed, called)
	}
	return called, nil
}
