package sip

import (
	"context"
	"sync"
)

// settled says when an INVITE that is cancelled has its final response: an answer may cross the CANCEL, and is to be
// hung up before the dialer is closed. The INVITE and its past share it.
type settled struct {
	once sync.Once
	done chan struct{}
}

// wait returns when the response was heard, or it was waited for long enough: nothing else needs it before the past
// ends.
func (s *settled) wait(ctx context.Context) {
	patience, stop := elapsed(closePatience)
	defer stop()
	select {
	case <-s.done:
	case <-patience:
	case <-ctx.Done():
	}
}

// waited is called with the lock held.
func (inv *invite) waited() *settled {
	if inv.over == nil {
		inv.over = &settled{done: make(chan struct{})}
	}
	return inv.over
}

// settled notes a final response, once that was seen to. One that came before the INVITE was given up may be the call.
func (inv *invite) settled() {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.givenUp {
		over := inv.waited()
		over.once.Do(func() { close(over.done) })
	}
}
