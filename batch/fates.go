package batch

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
)

// fate is what a call told of its carrier.
type fate uint8

const (
	fateTook        fate = iota + 1 // it has taken the call
	fateWent                        // the call went as calls do
	fateBroke                       // what became of the call is unknown
	fateUnavailable                 // it took no call
	fateCaller                      // it took no call from this number
	fateUnasked                     // nothing: it was not asked for the call, or had no time to answer
)

// learn takes up what a call from a number told that was begun then.
func (c *carrier) learn(f fate, from dialer.Phone, begun, now time.Time, why complaint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	caller := c.callers[from]
	if caller == nil && (f == fateBroke || f == fateCaller) {
		caller = c.newCaller(from)
	}
	changed := false
	switch f {
	case fateUnavailable:
		c.breaker.refused(begun, now, why)
		if caller != nil {
			caller.tried(begun)
		}
		changed = true
	case fateCaller:
		c.breaker.tried(begun)
		caller.refused(begun, now, why)
		changed = true
	case fateBroke:
		changed = c.breaker.broke(begun, now, why.cause)
		changed = caller.broke(begun, now, why.cause) || changed
	case fateTook:
		changed = c.breaker.took(begun)
		changed = caller != nil && caller.took(begun) || changed
	case fateWent:
		changed = c.breaker.went(begun)
		changed = caller != nil && caller.went(begun) || changed
	case fateUnasked:
		changed = c.breaker.tried(begun)
		changed = caller != nil && caller.tried(begun) || changed
	}
	if changed {
		c.wakeAll() // they wait for a probe, and now for a time or for nothing
	}
}

// newCaller keeps no more than are needed by those whose calls are in flight, give or take: numbers are
// the host's, who may have millions.
func (c *carrier) newCaller(from dialer.Phone) *breaker {
	const most = 1000
	if c.callers == nil {
		c.callers = map[dialer.Phone]*breaker{}
	}
	if len(c.callers) >= most {
		c.forgetCallers(most / 4)
	}
	b := &breaker{}
	c.callers[from] = b
	return b
}

// forgetCallers forgets so many numbers at once, since finding them looks at all: first those that never rested, then
// those whose rest was over first. The next call from one that rests is refused anew.
func (c *carrier) forgetCallers(n int) {
	oldest := slices.SortedFunc(maps.Keys(c.callers), func(x, y dialer.Phone) int {
		return cmp.Or(c.callers[x].restUntil.Compare(c.callers[y].restUntil), cmp.Compare(x, y))
	})
	for _, from := range oldest[:n] {
		delete(c.callers, from)
	}
}

// heard tells whether the carrier has taken a call that was begun then. Other than learn it is told once of each.
func (c *carrier) heard(begun time.Time, taken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.breaker.heard(begun, taken) {
		c.wakeAll()
	}
}

// excuses says whether it may be the recipient that is meant where the carrier refuses it once more, since it has taken
// others. The former attempt was begun then. It is asked once of each refusal.
func (c *carrier) excuses(since time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.breaker.excuse(since)
}

// works says whether the carrier has taken a call from the number since it last refused one.
func (c *carrier) works(from dialer.Phone) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	caller := c.callers[from]
	return c.breaker.taken && (caller == nil || caller.taken)
}
