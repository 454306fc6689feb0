package systems

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/dialer"
)

// Carrier counts calls, which are over when they begin. The bench that it is given to writes its book.
type Carrier struct {
	Note func(c dialer.Call) // told of each call; nil: nobody

	book    *Book
	calls   atomic.Int64
	waiting atomic.Int64 // waiters
	mu      sync.Mutex
	waiters []waiter
}

type waiter struct {
	calls   int64
	reached chan time.Time
}

// Dial implements [dialer.Dialer].
func (c *Carrier) Dial(_ context.Context, call dialer.Call, _ func(dialer.Progress)) (dialer.Outcome, error) {
	now := time.Now()
	ends := c.book.begins(call)
	defer ends()
	n := c.calls.Add(1)
	if c.waiting.Load() > 0 {
		c.tell(n, now)
	}
	if c.Note != nil {
		c.Note(call)
	}
	return dialer.Outcome{Reason: dialer.ClientHangup, ConnectedAt: now}, nil
}

// tell wakes those who waited for that many calls.
func (c *Carrier) tell(n int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.waiters[:0]
	for _, w := range c.waiters {
		if n >= w.calls {
			w.reached <- now
			c.waiting.Add(-1)
		} else {
			kept = append(kept, w)
		}
	}
	c.waiters = kept
}

// Calls is how many began so far.
func (c *Carrier) Calls() int64 { return c.calls.Load() }

// Reached returns when that many calls had begun, which it waits for.
func (c *Carrier) Reached(ctx context.Context, calls int64) (time.Time, error) {
	w := waiter{calls, make(chan time.Time, 1)}
	c.mu.Lock()
	c.waiters = append(c.waiters, w)
	c.mu.Unlock()
	c.waiting.Add(1)
	c.tell(c.calls.Load(), time.Now()) // those that began before anybody looked for waiters
	select {
	case at := <-w.reached:
		return at, nil
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
}

// Holder keeps calls up until Let is closed, but for the first ones. It does as little as it can: what it
// took of a goroutine's stack would be counted as the engine's.
type Holder struct {
	Let   chan struct{}
	First int64    // how many calls are over when they begin
	Seen  []string // room for the recipients of all calls, made before memory is counted

	calls atomic.Int64
}

// Dial implements [dialer.Dialer].
func (h *Holder) Dial(ctx context.Context, c dialer.Call, _ func(dialer.Progress)) (dialer.Outcome, error) {
	n := h.calls.Add(1)
	if n <= int64(len(h.Seen)) {
		h.Seen[n-1] = c.Recipient
	}
	if n <= h.First {
		return dialer.Outcome{Reason: dialer.ClientHangup, ConnectedAt: time.Now()}, nil
	}
	select {
	case <-h.Let:
	case <-ctx.Done():
	}
	return dialer.Outcome{Reason: dialer.ClientHangup, ConnectedAt: time.Now()}, nil
}

// Calls is how many began so far.
func (h *Holder) Calls() int64 { return h.calls.Load() }

// Check says whether there was a call for each of as many recipients as there is room for, and none besides. Only
// once the engine has stopped.
func (h *Holder) Check() error {
	if n := h.Calls(); n != int64(len(h.Seen)) {
		return fmt.Errorf("%d calls began, want %d", n, len(h.Seen))
	}
	slices.Sort(h.Seen)
	for i := 1; i < len(h.Seen); i++ {
		if h.Seen[i] == h.Seen[i-1] {
			return fmt.Errorf("recipient %s was called twice", h.Seen[i])
		}
	}
	return nil
}
