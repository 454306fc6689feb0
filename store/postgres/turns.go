package postgres

import (
	"context"
	"sync"
)

// turns has those who want the same organisation wait here instead of at the database, where each
// would keep a connection from everybody else.
type turns struct {
	width int // how many of one organisation go at once

	mu    sync.Mutex
	lanes map[string]*lane
}

type lane struct {
	slots chan struct{}
	users int // that go or wait
}

func newTurns(width int) *turns { return &turns{width: width, lanes: map[string]*lane{}} }

// take waits for its turn. done must be called when it is over.
func (t *turns) take(ctx context.Context, org string) (done func(), err error) {
	l := t.enter(org)
	select {
	case l.slots <- struct{}{}:
		return func() { <-l.slots; t.leave(org, l) }, nil
	case <-ctx.Done():
		t.leave(org, l)
		return nil, ctx.Err()
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
