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

// queues are the turns of a store, by what is done.
type queues struct {
	writers, readers *turns // of organisations
	chores           *turns // what a node does now and then for all of them
	peers            *turns // lists of nodes
	lapsed           *turns // lists of those too that have left calls behind, for which calls are read
}

// newQueues shares out the connections. One belongs to heartbeats, so that a lease is renewed whatever else waits
// or takes long; lists of nodes, which are short and follow heartbeats, may have it as well, one at a time. What
// organisations do leaves another one to chores, which wait for no organisation: so what is active, and what was left
// behind, is found however many of them wait. Where there are fewer than 4 this is kept as far as it leaves 2 to
// organisations, else one that waits would keep all others waiting.
//
// Their reads leave about a quarter of all, and 3 where there are more than that, to all else. One organisation
// writes one thing at a time, which is all that the database lets through, and has half of the connections to read
// with at most, and not all of those.
func newQueues(conns int) *queues {
	const least, reserved, quarter, many = 2, 2, 4, 1 << 10
	most := min(conns, max(least, conns-1))
	orgs := min(conns, max(least, conns-reserved))
	rest := newGate("all but heartbeats", most)
	both := newGate("all organisations", orgs)
	all := max(1, conns-max(reserved+1, conns/quarter))
	half := conns / 2 //nolint:mnd // it is one
	return &queues{
		writers: newTurns(1, both, rest),
		readers: newTurns(max(1, min(half, all-1)), newGate("readers of all organisations", all), both, rest),
		chores:  newTurns(many, rest),
		peers:   newTurns(many, newGate("lists of nodes", 1)),
		lapsed:  newTurns(1, rest),
	}
}

// do waits for a turn and takes it.
func (t *turns) do(ctx context.Context, org string, do func(context.Context) error) error {
	done, err := t.take(ctx, org)
	if err != nil {
		return err
	}
	defer done()
	return do(ctx)
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
