package batch

import (
	"context"
	"sync"
	"time"
)

// system is what the engine needs of the machine: the time, and doing several things at once.
// Besides the real one there is the simulator's, in which everything happens in one thread, one thing
// after the other, in an order that a seed decides.
type system interface {
	// now has a monotonic part, so differences are right while somebody sets the clock.
	now() time.Time

	// spawn begins a task.
	spawn(task func())

	// newBell makes one that hangs in this system.
	newBell() *bell

	// wait returns when b rings, or has rung since it was last waited for; when until has come, unless it is
	// zero; or when ctx is over. b may be nil.
	wait(ctx context.Context, b *bell, until time.Time)

	// timeout returns a context that is over after d.
	timeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
}

// bell wakes the one task that waits for it.
type bell struct {
	rung chan struct{} // of capacity 1
	hear func()        // not nil: it is called instead
}

// ring does not block.
func (b *bell) ring() {
	if b.hear != nil {
		b.hear()
		return
	}
	select {
	case b.rung <- struct{}{}:
	default:
	}
}

// machine is the real system.
type machine struct{}

func (machine) now() time.Time    { return time.Now() }
func (machine) spawn(task func()) { go task() }
func (machine) newBell() *bell    { return &bell{rung: make(chan struct{}, 1)} }

func (machine) wait(ctx context.Context, b *bell, until time.Time) {
	var rung <-chan struct{}
	if b != nil {
		rung = b.rung
		select {
		case <-rung: // as under load, where a timer would be made for nothing
			return
		default:
		}
	}
	var come <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		come = timer.C
	}
	select {
	case <-ctx.Done():
	case <-rung:
	case <-come:
	}
}

func (machine) timeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

// group is tasks whose end one other task waits for.
type group struct {
	sys  system
	idle *bell

	mu sync.Mutex
	n  int
}

func newGroup(sys system) *group { return &group{sys: sys, idle: sys.newBell()} }

// begin starts a task.
func (g *group) begin(task func()) {
	g.mu.Lock()
	g.n++
	g.mu.Unlock()
	g.sys.spawn(func() {
		defer g.end() // also where the task ends its goroutine
		task()
	})
}

func (g *group) end() {
	g.mu.Lock()
	g.n--
	over := g.n == 0
	g.mu.Unlock()
	if over {
		g.idle.ring()
	}
}

func (g *group) empty() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n == 0
}

// wait says whether all tasks have ended by then; zero: it waits until they have.
func (g *group) wait(until time.Time) bool {
	for !g.empty() {
		if !until.IsZero() && !g.sys.now().Before(until) {
			return false
		}
		g.sys.wait(context.Background(), g.idle, until)
	}
	return true
}
