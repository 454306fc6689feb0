package batch

import (
	"sync/atomic"
	"time"
)

// start is what was taken from a carrier's pace for a call. It is on its way until the carrier gets the call, or it
// is known that it does not: no recipient was left for it, the step could not be made, the lease ran out, the engine
// stops. It is used or given back once. Plans have theirs by number; each attempt that became of them has its own. A
// nil one is nothing, as where the call was begun by another process.
type start struct {
	carrier *carrier
	over    atomic.Bool // the call's task uses it, the loop gives it back
}

// use tells that the dialer gets the call now. It is told by the call's own task: one that has to wait for its turn,
// as the machine is busy or stood still, is on its way until then.
func (s *start) use(now time.Time) {
	if s != nil && s.over.CompareAndSwap(false, true) {
		s.carrier.placed(now)
	}
}

// giveBack tells that the carrier does not get the call, if it has not.
func (s *start) giveBack() {
	if s != nil && s.over.CompareAndSwap(false, true) {
		s.carrier.unplaced()
	}
}

// placed tells that the carrier gets a call now for which a start was taken.
func (c *carrier) placed(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pace == nil {
		return
	}
	c.pace.spend(now)
	if c.heir != nil { // which has counted it since it has the name
		c.heir.placed(now)
	}
}

// unplaced tells that a call for which a start was taken does not reach the carrier.
func (c *carrier) unplaced() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putBack()
}

func (c *carrier) putBack() {
	if c.pace == nil {
		return
	}
	c.pace.putBack()
	if c.heir != nil {
		c.heir.unplaced()
	}
}
