package batch

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/outdial/outdial/dialer"
)

// How long a carrier that takes no calls is left alone: it doubles with each try.
// A probe that was not refused within probeTime is taken for a good one, since a carrier
// need not report anything before its call is over.
const (
	minRest   = time.Second
	maxRest   = time.Minute
	probeTime = 5 * time.Second
)

// maxProbes is how many calls try out a carrier after a rest. With one, a recipient that the
// carrier always refuses, being the first in its batch each time, would keep it closed to all.
const maxProbes = 2

// carrier is one dialer and what it admits: so many calls at once, so many starts a
// second, and none while it rests. All organisations share it, each through a seat.
//
// Organisations that find it full wait in a queue: a channel that becomes free is
// handed to the first of them, so one with thousands of recipients does not keep another
// from its turn. It is safe for concurrent use.
type carrier struct {
	name    string
	dialer  dialer.Dialer
	resumer dialer.Resumer // nil: calls end with this process
	pace    *rate.Limiter  // nil: no limit

	mu       sync.Mutex
	channels *capacity // nil: no limit
	most     int       // channels that there are
	queue    []*seat

	restUntil time.Time
	rests     int       // that there were, ever
	refusals  int       // rests in a row; above 0, few calls are let through, as probes
	probe     time.Time // no further probes before this
	probes    int       // of those that may be under way together
	taken     bool      // it has taken a call since the last refusal
}

// seat is an organisation's place at a carrier. Only the organisation's loop uses it,
// but for the fields that the carrier's lock guards.
type seat struct {
	wake func() // has the loop try again; does not block

	units   int               // guarded by carrier.mu: what it waits for; 0: it does not wait
	granted bool              // guarded by carrier.mu: the units are held for it
	start   *rate.Reservation // the next start that is set aside for it
	rests   int               // carrier.rests when it was
}

func newCarrier(name string, d dialer.Dialer) *carrier {
	c := &carrier{name: name, dialer: d}
	c.resumer, _ = d.(dialer.Resumer)
	l, ok := d.(dialer.Limiter)
	if !ok {
		return c
	}
	limits := l.Limits()
	if limits.Channels > 0 {
		c.channels, c.most = newCapacity(limits.Channels), limits.Channels
	}
	if limits.CPS > 0 {
		burst := limits.Burst
		if burst == 0 {
			const tenth = 10
			burst = max(int(limits.CPS)/tenth, 1)
		}
		c.pace = rate.NewLimiter(rate.Limit(limits.CPS), burst)
	}
	return c
}

// refusal says why a carrier takes no call now, and when to ask again; a zero time means
// that the seat is woken.
type refusal struct {
	reason WaitReason
	until  time.Time
}

// try takes what one call needs: units channels, then one start. The channels are kept while it
// waits for the start, and not the other way round: starts kept for many organisations would
// begin in one instant when channels become free.
func (c *carrier) try(s *seat, now time.Time, units int) (refusal, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.rested(s, now); !ok {
		return r, false
	}
	if c.channels != nil && units > c.most { // it would wait for ever, and all others behind it
		return refusal{reason: WaitNoCarrier}, false
	}
	if !c.takeChannels(s, units) {
		return refusal{reason: WaitChannels}, false
	}
	if at, ok := c.setStartAside(s, now); !ok {
		s.granted, s.units = c.channels != nil, units
		return refusal{reason: WaitPacing, until: at}, false
	}
	s.start = nil
	if c.refusals > 0 {
		if !now.Before(c.probe) {
			c.probes = 0
		}
		c.probes++
		c.probe = now.Add(probeTime)
	}
	return refusal{}, true
}

func (c *carrier) rested(s *seat, now time.Time) (refusal, bool) {
	switch {
	case now.Before(c.restUntil):
		return refusal{reason: WaitNoCarrier, until: c.restUntil}, false
	case now.Before(c.probe) && c.probes >= maxProbes:
		if s.granted {
			c.leave(s)
		}
		c.enqueue(s, 0)
		return refusal{reason: WaitNoCarrier, until: c.probe}, false
	}
	return refusal{}, true
}

// setStartAside takes the next start of the carrier's pace for the seat, so organisations
// take turns, and says when that is.
func (c *carrier) setStartAside(s *seat, now time.Time) (time.Time, bool) {
	if c.pace == nil {
		return time.Time{}, true
	}
	if s.start != nil && s.rests != c.rests { // those from before a rest would begin all at once
		s.start.CancelAt(now)
		s.start = nil
	}
	if s.start == nil {
		s.start, s.rests = c.pace.ReserveN(now, 1), c.rests
	}
	wait := s.start.DelayFrom(now)
	return now.Add(wait), wait == 0
}

func (c *carrier) takeChannels(s *seat, units int) bool {
	switch {
	case c.channels == nil:
		return true
	case s.granted && s.units == units:
		s.granted, s.units = false, 0
		return true
	case s.granted, s.units == 0: // for a call of another weight; or it waited for a probe
		c.leave(s)
	}
	if !c.contended() && c.channels.try(units) {
		return true
	}
	c.enqueue(s, units)
	return false
}

// contended says that somebody waits for channels. Who waits for a probe stands in nobody's way.
func (c *carrier) contended() bool {
	return slices.ContainsFunc(c.queue, func(s *seat) bool { return s.units > 0 })
}

func (c *carrier) enqueue(s *seat, units int) {
	s.units = units
	if !slices.Contains(c.queue, s) {
		c.queue = append(c.queue, s)
	}
}

// release gives back the channels of a call that is over.
func (c *carrier) release(units int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveBack(units)
}

// unused gives back what was taken for a call that there was no recipient for.
func (c *carrier) unused(units int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveBack(units)
	c.probe, c.probes = time.Time{}, 0
	c.wakeAll()
}

// force takes channels for a call that is in flight already.
func (c *carrier) force(units int) {
	if c.channels != nil {
		c.channels.force(units)
	}
}

func (c *carrier) giveBack(units int) {
	if c.channels == nil {
		return
	}
	c.channels.release(units)
	c.handOver()
}

// handOver gives the channels that are free to those who wait for them, in their turn.
func (c *carrier) handOver() {
	for c.channels != nil && len(c.queue) > 0 {
		s := c.queue[0]
		if s.units > 0 && !c.channels.try(s.units) {
			return
		}
		c.queue = c.queue[1:]
		s.granted = s.units > 0
		s.wake()
	}
}

// retire gives up what was set aside for a seat that has no use for it now.
func (c *carrier) retire(s *seat, now time.Time) {
	if s.start != nil {
		s.start.CancelAt(now)
		s.start = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leave(s)
}

func (c *carrier) leave(s *seat) {
	if i := slices.Index(c.queue, s); i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
	}
	units, granted := s.units, s.granted
	s.units, s.granted = 0, false
	if granted {
		c.channels.release(units)
	}
	if c.contended() {
		c.handOver() // it may have stood before one who needs less
	}
}

// refused lets the carrier rest: a call was given to it that it could not take.
func (c *carrier) refused(now time.Time, after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probe, c.probes, c.taken = time.Time{}, 0, false
	if now.Before(c.restUntil) {
		return // one of several calls that were under way together
	}
	rest := after
	if rest <= 0 {
		rest = min(minRest<<min(c.refusals, 6), maxRest)
	}
	c.refusals++
	c.rests++
	c.restUntil = now.Add(rest)
	c.wakeAll() // they wait for the probe, and now for the time
}

// works says whether the carrier has taken a call since it last refused one.
func (c *carrier) works() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken
}

// took ends the probing: the carrier has taken a call.
func (c *carrier) took() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = true
	if c.refusals == 0 {
		return
	}
	c.refusals, c.probe, c.probes = 0, time.Time{}, 0
	c.wakeAll()
}

// wakeAll wakes those that wait for a probe. Those that wait for channels stay queued.
func (c *carrier) wakeAll() {
	kept := c.queue[:0]
	for _, s := range c.queue {
		s.wake()
		if s.units > 0 {
			kept = append(kept, s)
		}
	}
	clear(c.queue[len(kept):])
	c.queue = kept
}
