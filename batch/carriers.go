package batch

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/dialer"
)

// carriers are those that an engine has now, by name. It is safe for concurrent use.
type carriers struct {
	swapping sync.Mutex
	now      atomic.Pointer[carrierSet]
	shared   bool // with other nodes: a session has begun. Guarded by swapping

	// takeover is the number of the one that is under way: until it is over this node tells that it keeps all of every
	// carrier from others. 0: none is.
	takeover atomic.Int64

	// retiring are those that were taken away while calls used them, by the name that nobody has now: should it
	// return, they count against it. Guarded by swapping.
	retiring map[string]*carrier
}

// carrierSet does not change.
type carrierSet struct {
	byName map[string]*carrier
	names  []string  // ascending
	since  time.Time // when they were set; zero: from the beginning
}

func newCarrierSet(byName map[string]*carrier, since time.Time) *carrierSet {
	return &carrierSet{byName: byName, names: slices.Sorted(maps.Keys(byName)), since: since}
}

func newCarriers(dialers map[string]dialer.Dialer) *carriers {
	all := map[string]*carrier{}
	for name, d := range dialers {
		all[name] = newCarrier(name, d)
	}
	c := &carriers{retiring: map[string]*carrier{}}
	c.now.Store(newCarrierSet(all, time.Time{}))
	return c
}

// get returns nil for one that there is not.
func (c *carriers) get(name string) *carrier { return c.now.Load().byName[name] }

func (c *carriers) all() map[string]*carrier { return c.now.Load().byName }

// names returns them in ascending order. They are not to be modified.
func (c *carriers) names() []string { return c.now.Load().names }

// swap replaces them. The channel is closed when nobody uses those that went. Once a session has
// begun, one with a new name has no share yet.
func (c *carriers) swap(dialers map[string]dialer.Dialer, now time.Time) <-chan struct{} {
	c.swapping.Lock()
	defer c.swapping.Unlock()
	old, next := c.all(), map[string]*carrier{}
	for name, d := range dialers {
		before := cmp.Or(old[name], c.retiring[name])
		if before != nil && same(before.dialer, d) {
			next[name] = before
			if old[name] == nil {
				before.revive(c.shared)
			}
			continue
		}
		next[name] = newCarrier(name, d)
		if old[name] == nil && c.shared {
			next[name].setShare(0)
		}
		if before != nil && old[name] == nil { // it returns
			before.replace(next[name], now, func() {})
		}
	}
	maps.DeleteFunc(c.retiring, func(name string, r *carrier) bool { return next[name] != nil || !r.inUse() })
	gone := make([]*carrier, 0, len(old))
	for _, before := range inOrder(old) {
		if next[before.name] != before {
			gone = append(gone, before)
		}
	}
	retired := make(chan struct{})
	var left atomic.Int64
	left.Store(int64(len(gone)))
	for _, before := range gone {
		if next[before.name] == nil {
			c.retiring[before.name] = before
		}
		before.replace(next[before.name], now, func() {
			if left.Add(-1) == 0 {
				close(retired)
			}
		})
	}
	c.now.Store(newCarrierSet(next, now)) // only now: what the former ones hold counts before anything else begins
	if len(gone) == 0 {
		close(retired)
	}
	return retired
}

// goOn has a carrier go on where the one before it, which is locked, ends: with the calls that are on their way, and
// with its share if it was present until now.
func (c *carrier) goOn(before *carrier, present bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if present {
		c.asked, c.turn = before.asked, before.turn
		c.heaviest, c.heavyAt = min(before.heaviest, c.most), before.heavyAt
		c.setShare(before.share)
	}
	if c.pace != nil && before.pace != nil { // the carrier has had those calls, whatever it is reached by
		c.pace.inherit(before.pace, now)
		if present && before.paced < c.paced { // its share grew a moment ago
			c.goBy(before.paced)
			c.paceFrom = before.paceFrom
		}
	}
}

// same says that two dialers are one. Those of a type that cannot be compared never are.
func same(a, b dialer.Dialer) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

func checkDialers(dialers map[string]dialer.Dialer) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(dialers)) {
		if name == "" || dialers[name] == nil {
			errs = append(errs, fmt.Errorf("carrier %q: expected a name and a dialer", name))
		}
	}
	return errors.Join(errs...)
}

// SetDialers replaces Config.Dialers. Calls in flight end over the dialer where they began; every
// later one goes over what its name stands for now. A dialer that is the same value as the
// one that had its name before keeps what is known of it: channels in use, pace, rest. Where the
// value is another one, the calls that are in flight over the former one still count against
// the name's channels; so they do where the name was away for a while.
//
// Where names change, the directory has Config.DirectoryTTL's time to name the new ones: until then an attempt that
// was refused waits for a carrier that is not there, and after that it has failed if no other one is left.
//
// retired is closed when no call uses any of those that were replaced, so that the host may
// close them. An error names what cannot be used, and nothing is changed.
func (e *Engine) SetDialers(dialers map[string]dialer.Dialer) (retired <-chan struct{}, err error) {
	if err := checkDialers(dialers); err != nil {
		return nil, fmt.Errorf("batch: dialers: %w", err)
	}
	retired = e.carriers.swap(dialers, e.sys.now())
	if s := e.current(); s != nil {
		s.pulse.ring()
		for _, l := range s.running() {
			l.ring()
		}
	}
	return retired, nil
}

// BreakerPosition says whether calls pass.
type BreakerPosition string

// The positions of a breaker.
const (
	BreakerClosed   BreakerPosition = "closed"    // calls pass
	BreakerHalfOpen BreakerPosition = "half_open" // a few at a time, to try it out
	BreakerOpen     BreakerPosition = "open"      // none, until a time
)

// BreakerState is what the engine has learned of a carrier from its calls.
type BreakerState struct {
	Position BreakerPosition
	Until    time.Time // open until then
	Cause    string    // why it is not closed, for a person to read
	Calls    int       // the latest calls whose end is known: at most 20
	Broken   int       // those of them whose fate is unknown
}

// CarrierState is a carrier as an engine sees it.
type CarrierState struct {
	Name     string
	InUse    int // channels that its calls hold, those of a dialer that had its name before too
	Channels int // that there are; 0: no limit
	Breaker  BreakerState

	// Callers are the numbers to call from that have trouble there, while others may have none.
	Callers map[dialer.Phone]BreakerState
}

// Carriers tells of every carrier what this engine knows, by name in ascending order.
func (e *Engine) Carriers() []CarrierState {
	now := e.sys.now()
	all := e.carriers.all()
	states := make([]CarrierState, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		states = append(states, all[name].state(now))
	}
	return states
}

func (c *carrier) state(now time.Time) CarrierState {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := CarrierState{Name: c.name, InUse: c.units + c.before, Channels: c.most, Breaker: c.breaker.state(now)}
	for from, b := range c.callers {
		if state := b.state(now); state.Position != BreakerClosed {
			if s.Callers == nil {
				s.Callers = map[dialer.Phone]BreakerState{}
			}
			s.Callers[from] = state
		}
	}
	return s
}
