package sip

import (
	"sync"
	"time"

	msg "github.com/emiago/sipgo/sip"
)

// transactionTime is 64*T1, 32 seconds: how long an answer to a request may still come, and how
// long an INVITE is watched when it is over (RFC 3261, section 13.2.2.4).
func transactionTime() time.Duration { return 64 * msg.T1 } //nolint:mnd // RFC 3261, section 17.1.1.2

// book knows the calls by Call-ID: those that live, and those that late messages may still
// come for. It is safe for concurrent use.
type book struct {
	mu      sync.RWMutex
	calls   map[string]*call
	pasts   map[string]*past
	leaving []leaving   // in order
	timer   *time.Timer // for the first of them; nil: there is none
	closed  bool
}

// leaving is when a call is forgotten.
type leaving struct {
	id string
	at time.Time
}

func newBook() *book { return &book{calls: map[string]*call{}, pasts: map[string]*past{}} }

func (b *book) add(c *call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[c.id] = c
}

// find returns one of the two, or neither.
func (b *book) find(id string) (*call, *past) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.calls[id], b.pasts[id]
}

// retire keeps of a call that is over what something may still come for.
func (b *book) retire(c *call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := c.bury() // under the lock: what finds an INVITE buried is to find its past
	delete(b.calls, c.id)
	b.pasts[c.id] = p
	b.leave(c.id)
}

// raise puts the call in the place of its past, unless that was done meanwhile: then it returns
// the other one.
func (b *book) raise(p *past, c *call) *call {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pasts[p.id] != p {
		return b.calls[p.id]
	}
	delete(b.pasts, p.id)
	b.calls[c.id] = c
	b.leave(c.id)
	return c
}

// bequeath gives away what something may still come for, when all calls are over.
func (b *book) bequeath() (pasts []*past) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls { // which were raised from the past
		pasts = append(pasts, c.bury())
	}
	for _, p := range b.pasts {
		pasts = append(pasts, p)
	}
	clear(b.calls)
	clear(b.pasts)
	return pasts
}

// inherit adds the pasts of another dialer.
func (b *book) inherit(pasts []*past) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range pasts {
		b.pasts[p.id] = p
		b.leave(p.id)
	}
}

// leave is called with the lock held.
func (b *book) leave(id string) {
	b.leaving = append(b.leaving, leaving{id, time.Now().Add(transactionTime())})
	if b.timer == nil && !b.closed {
		b.timer = time.AfterFunc(transactionTime(), b.tidy)
	}
}

// tidy forgets those whose time has come.
func (b *book) tidy() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, n := time.Now(), 0
	for n < len(b.leaving) && !b.leaving[n].at.After(now) {
		b.forget(b.leaving[n].id)
		n++
	}
	b.leaving = append([]leaving(nil), b.leaving[n:]...)
	b.timer = nil
	if len(b.leaving) > 0 && !b.closed {
		const together = 50 * time.Millisecond // those that leave one after the other are taken at once
		b.timer = time.AfterFunc(time.Until(b.leaving[0].at)+together, b.tidy)
	}
}

// forget is called with the lock held. A call that was raised is left to its second turn.
func (b *book) forget(id string) {
	if p := b.pasts[id]; p != nil {
		delete(b.pasts, id)
		p.forget()
	} else if c := b.calls[id]; c != nil && c.leaves() {
		delete(b.calls, id)
		c.forget()
	}
}

func release(removes []func()) {
	for _, remove := range removes {
		remove()
	}
}

func (b *book) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
	clear(b.pasts)
	clear(b.calls)
	b.leaving = nil
}
