package batch

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// maxUnits is the size of every semaphore. What a limit leaves of it is ballast.
const maxUnits int64 = 1 << 40

// capacity is a limit on calls in flight that can be changed while it is in use.
//
// A semaphore of x/sync cannot be resized, so each one has the same huge size, and the
// difference to the limit is held as ballast. Raising the limit releases ballast. Lowering
// it acquires ballast as far as there are free units; the rest is a debt which
// is paid from the units that calls give back, so no call is cut short and none
// starts before the use is below the new limit.
//
// It is safe for concurrent use.
type capacity struct {
	sem *semaphore.Weighted

	mu    sync.Mutex
	held  int64 // ballast held; may be below want, never above
	want  int64 // ballast that the limit and the foreign calls ask for
	limit int64
	other int64 // calls in flight that others placed, which count as well
}

func newCapacity(limit int) *capacity {
	c := &capacity{sem: semaphore.NewWeighted(maxUnits), held: maxUnits}
	c.sem.TryAcquire(maxUnits) // a fresh semaphore has that many
	c.setLimit(limit)
	return c
}

// setLimit changes the limit. Below 0 counts as 0, and what no number of calls reaches as what the semaphore has.
func (c *capacity) setLimit(limit int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = min(max(int64(limit), 0), maxUnits)
	c.settle()
}

// setOther tells how many units are in use that were not acquired here: those of other nodes.
func (c *capacity) setOther(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.other = max(int64(n), 0)
	c.settle()
}

// settle moves ballast towards what the limit asks for.
func (c *capacity) settle() {
	c.want = min(maxUnits-c.limit+c.other, maxUnits)
	if c.held > c.want {
		c.sem.Release(c.held - c.want)
		c.held = c.want
	}
	// As much as is free now, by halving: the semaphore does not say how much that is.
	for n := c.want - c.held; n > 0; n = min(n, c.want-c.held) {
		if c.sem.TryAcquire(n) {
			c.held += n
		} else {
			n /= 2
		}
	}
}

// try takes n units if they are free. It fails while a host waits in acquire.
func (c *capacity) try(n int) bool { return c.sem.TryAcquire(int64(n)) }

// acquire waits for n units, before everybody who comes later and before try.
func (c *capacity) acquire(ctx context.Context, n int) error {
	err := c.sem.Acquire(ctx, int64(n))
	if err != nil { // what was free beside the waiting may be owed to the ballast
		c.mu.Lock()
		defer c.mu.Unlock()
		c.settle()
	}
	return err
}

// force takes n units for a call that is in flight already, whatever the limit says.
func (c *capacity) force(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held -= int64(n) // a unit of ballast becomes one in use; the debt grows by it
	c.settle()         // and what is free pays it
}

// owes says that more units are in use than the limit allows.
func (c *capacity) owes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held < c.want
}

// release gives n units back: first to the debt, the rest to whoever waits.
func (c *capacity) release(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	debt := min(c.want-c.held, int64(n))
	c.held += debt
	if rest := int64(n) - debt; rest > 0 {
		c.sem.Release(rest)
	}
}
