package postgres

import (
	"context"
	"fmt"
	"sync"
)

// turns has those who want the same organisation wait here instead of at the database, where each
// would keep a connection from everybody else.
type turns struct {
	width int    // how many of one organisation go at once
	gates []gate // and how many of all organisations, the narrowest first

	mu    sync.Mutex
	lanes map[string]*lane
}

type lane struct {
	slots chan struct{}
	users int // that go or wait
}

// gate bounds how many go at once, of whatever organisation.
type gate struct {
	of    string
	slots chan struct{}
}

func newGate(of string, width int) gate { return gate{of, make(chan struct{}, max(1, width))} }

func newTurns(width int, gates ...gate) *turns {
	return &turns{width: width, gates: gates, lanes: map[string]*lane{}}
}

// newWork has all that organisations do leave a connection to what keeps a node dialling, its lease above all: however
// many are active, or list slowly, it is renewed. Their reads leave about a quarter of the connections, and 2 where
// there are more than that, to what is written. One organisation writes one thing at a time, which is all
// that the database lets through, and has half of the connections to read with at most, and not all of those.
func newWork(conns int) (writers, readers *turns) {
	const least, quarter = 2, 4
	both := newGate("all organisations", conns)
	if conns > least+1 { // else an organisation that waits would keep all others waiting
		both = newGate("all organisations", conns-1)
	}
	all := max(1, conns-max(least, conns/quarter))
	half := conns / 2 //nolint:mnd // it is one
	readers = newTurns(max(1, min(half, all-1)), newGate("readers of all organisations", all), both)
	return newTurns(1, both), readers
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
	passed := 0
	back := func() {
		for _, g := range t.gates[:passed] {
			<-g.slots
		}
		<-l.slots
		t.leave(org, l)
	}
	// Behind the organisation's own bound, so that no organisation fills these queues.
	for _, g := range t.gates {
		select {
		case g.slots <- struct{}{}:
			passed++
		case <-ctx.Done():
			back()
			return nil, fmt.Errorf("wait for %s, %d at once: %w", g.of, cap(g.slots), ctx.Err())
		}
	}
	return back, nil
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
