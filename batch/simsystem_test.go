package batch

import (
	"context"
	"time"
	"unsafe"
)

// simSystem is the system of a process in the simulation.
type simSystem struct{ p *simProc }

// simBell is a bell that hangs in the simulation. The bell comes first: a pointer to it is one to the whole.
type simBell struct {
	bell

	p      *simProc
	rung   bool
	waiter *simTask
}

func (s simSystem) now() time.Time { return s.p.clock() }

func (s simSystem) spawn(task func()) {
	if !s.p.dead {
		s.p.w.spawn(s.p, task)
	}
}

func (s simSystem) newBell() *bell {
	b := &simBell{p: s.p}
	b.hear = b.heard
	return &b.bell
}

func (b *simBell) heard() {
	switch {
	case b.p.dead:
	case b.waiter != nil:
		b.p.w.wake(b.waiter)
		b.rung = true
	default:
		b.rung = true
	}
}

func (s simSystem) wait(ctx context.Context, b *bell, until time.Time) {
	w, t := s.p.w, s.p.w.current
	if t == nil || t.killed {
		panic(errKilled)
	}
	var sb *simBell
	if b != nil {
		sb = (*simBell)(unsafe.Pointer(b)) // newBell made it, as the first field
	}
	at := int64(-1)
	if !until.IsZero() {
		at = w.now + max(int64(until.Sub(s.now())), 0)
	}
	if c, ok := ctx.(*simTimeout); ok && (at < 0 || c.end < at) {
		at = c.end
	}
	switch {
	case sb != nil && sb.rung, ctx.Err() != nil:
		w.wake(t)
	default:
		t.waiting = ctx
		if sb != nil {
			sb.waiter, t.bell = t, sb
		}
		if at >= 0 {
			w.wakeAt(t, at)
		}
	}
	w.suspend(t) //nolint:contextcheck // what goes on meanwhile is not the caller's
	if sb != nil {
		sb.rung = false
	}
}

// sleep is wait for who unwinds by himself: it says whether the process is still there.
func (s simSystem) sleep(ctx context.Context, d time.Duration) bool {
	w, t := s.p.w, s.p.w.current
	if t.killed {
		return false
	}
	if t.waiting = ctx; ctx.Err() != nil {
		t.waiting, d = nil, 0
	}
	w.wakeAt(t, w.now+int64(d))
	t.co.yield(struct{}{})
	return !t.killed
}

func (s simSystem) timeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	c := s.p.w.pool.timeouts.take()
	if c.stop == nil {
		c.stop = c.cancel
	}
	c.Context, c.p, c.end, c.cancelled = ctx, s.p, s.p.w.now+int64(d), false
	if outer, ok := ctx.(*simTimeout); ok {
		c.end = min(c.end, outer.end)
	}
	return c, c.stop
}

// simTimeout is a context that is over at a moment of virtual time.
type simTimeout struct {
	context.Context //nolint:containedctx // it is one

	p         *simProc
	end       int64
	cancelled bool
	stop      context.CancelFunc // cancel, made once
}

// cancel is for who made it, once.
func (c *simTimeout) cancel() {
	const many = 256
	c.cancelled = true
	pool := c.p.w.pool
	if pool.ended = append(pool.ended, c); len(pool.ended) == many {
		for _, old := range pool.ended[:many/2] {
			pool.timeouts.put(old)
		}
		pool.ended = append(pool.ended[:0], pool.ended[many/2:]...)
	}
}

func (c *simTimeout) Deadline() (time.Time, bool) {
	return c.p.clock().Add(time.Duration(c.end - c.p.w.now)), true
}

func (c *simTimeout) Err() error {
	switch {
	case c.Context.Err() != nil:
		return c.Context.Err()
	case c.p.w.now >= c.end:
		return context.DeadlineExceeded
	case c.cancelled:
		return context.Canceled
	}
	return nil
}

// Done would need a goroutine that waits for it.
func (c *simTimeout) Done() <-chan struct{} {
	panic("the simulation has no channels: whoever waits for a context must do so through the system")
}

// simEpoch is when every simulation begins.
const simEpoch = int64(1_788_000_000) // seconds since 1970

// clock is what the process reads: its wall clock may be set, its monotonic one goes on evenly.
func (p *simProc) clock() time.Time { return clockReading(p.w.now+p.skew, p.w.now) }

// clockReading is a reading of a clock that shows wall, and whose monotonic part is mono, both in ns since
// the simulation began. The package time makes such a value of the machine's clocks only. Its layout is
// that of time.Time since Go 1.9; TestSimClock sees when it changes.
func clockReading(wall, mono int64) time.Time {
	const (
		hasMonotonic = 1 << 63
		nsecShift    = 30
		second       = int64(time.Second)
		days1885     = 1884*365 + 1884/4 - 1884/100 + 1884/400
		days1970     = 1969*365 + 1969/4 - 1969/100 + 1969/400
		since1885    = (days1970 - days1885) * 86400
	)
	sec, nsec := simEpoch+wall/second, wall%second
	if nsec < 0 {
		sec, nsec = sec-1, nsec+second
	}
	raw := struct {
		wall uint64
		ext  int64
		loc  *time.Location
	}{wall: hasMonotonic | uint64(sec+since1885)<<nsecShift | uint64(nsec), ext: mono + 1}
	return *(*time.Time)(unsafe.Pointer(&raw))
}
