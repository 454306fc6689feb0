package postgres

import (
	"context"
	"fmt"
	"sync"
)

// turns has those who want the same organisation wait here instead of at the database, where each
// would keep a connection from everybody else.
type turns struct {
	width int           // how many of one organisation go at once
	all   chan struct{} // has one for each that goes, of any organisation. Nil: no bound but width

	mu    sync.Mutex
	lanes map[string]*lane
}

type lane struct {
	slots chan struct{}
	users int // that go or wait
}

func newTurns(width int) *turns { return &turns{width: width, lanes: map[string]*lane{}} }

// newReaders has the reads of a host leave about a quarter of the connections, and 2 where there are more than that,
// to what keeps a node dialling: however many organisations list slowly, its lease is renewed. One organisation has
// half of the connections at most, and not all that there are to read with.
func newReaders(conns int) *turns {
	const least, quarter = 2, 4
	all := max(1, conns-max(least, conns/quarter))
	t := newTurns(max(1, min(conns/2, all-1))) //nolint:mnd // the half
	t.all = make(chan struct{}, all)
	return t
}

// take waits for its turn. done must be called when it is over.
func (t *turns) take(ctx context.Context, org string) (done func(), err error) {
	l := t.enter(org)
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		t.leave(org, l)
		return nil, fmt.Errorf("wait for others of the organisation, %d at once: %w", t.width, ctx.Err())
	}
	back := func() { <-l.slots; t.leave(org, l) }
	if t.all == nil {
		return back, nil
	}
	// Behind the organisation's own bound, so that no organisation fills this queue.
	select {
	case t.all <- struct{}{}:
		return func() { <-t.all; back() }, nil
	case <-ctx.Done():
		back()
		return nil, fmt.Errorf("wait for readers of all organisations, %d at once: %w", cap(t.all), ctx.Err())
	}
}

func (t *turns) enter(org string) *lane {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lanes[org]
	if l == nil {
		l = &lane{slots: make(chan struct{}, t.width)}
		t.lanes[org] = l
	}
	l.users++
	return l
}

func (t *turns) leave(org string, l *lane) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(t.lanes, org)
	}
}
