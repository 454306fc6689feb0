package batch

import (
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/dialer"
)

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
	pace    *pace          // nil: no limit

	cps   float64 // of all nodes together
	burst int

	mu       sync.Mutex
	channels *capacity     // nil: no limit
	most     int           // channels that there are
	heaviest int           // the most channels that one call needs of those that were to begin of late; 0: there were none
	heavyAt  time.Time     // when one that heavy last asked
	asking   map[*seat]int // what calls need that are to begin
	queue    []*seat       // that wait for channels
	watchers []*seat       // that are woken when there is news of a probe, or the share is another one
	missed   *seat         // that found no probe left, and gets one before another seat gets a second one; nil: none
	missedAt *breaker      // the carrier's or a number's
	prober   *seat         // that had the latest one
	kept     int           // channels that are held for seats

	share int // that this node may use, see nodes.go
	wants int // that it would like to; 0: it is content
	due   int // that would be fair

	asked  time.Time // when a call was last to begin
	woken  bool      // since settle was last called seats were, which may ask in a moment
	need   int       // see told
	ticket int       // see told
	turn   time.Time // since when the share has been enough for a call

	paced    int       // the share that the pace goes by
	paceFrom time.Time // when it may go by a larger one; zero: that is not settled yet

	breaker breaker
	callers map[dialer.Phone]*breaker // of the numbers to call from that it did not take

	users  int      // calls that have units of it, and calls whose dialer has not returned
	units  int      // in use by its calls
	before int      // channels in use by calls of those that had the name before
	behind int      // channels in use by calls that this session leaves behind
	heir   *carrier // that has the name by now; nil: it has it itself, or nobody has
	gone   bool     // it was replaced or taken away: no call begins there
	over   []func() // called when it is gone and its last user too
}

// seat is an organisation's place at a carrier. Only the organisation's loop uses it,
// but for the fields that the carrier's lock guards.
type seat struct {
	wake func() // has the loop try again; does not block

	units   int       // guarded by carrier.mu: the channels that it waits for; 0: it does not wait
	granted bool      // guarded by carrier.mu: the units are held for it
	watches bool      // guarded by carrier.mu: it is one of carrier.watchers
	start   time.Time // guarded by carrier.mu: the next start, which is set aside for it; zero: none is
	rests   int       // carrier.breaker.rests when it was

	wanted bool // in the latest plan a call needed nothing else than channels and a start here
	rested bool // in the latest plan a call found the carrier at rest, or its number to call from
}

func newCarrier(name string, d dialer.Dialer) *carrier {
	c := &carrier{name: name, dialer: d, share: whole, paced: whole, breaker: breaker{ramps: true}}
	c.resumer, _ = d.(dialer.Resumer)
	l, ok := d.(dialer.Limiter)
	if !ok {
		return c
	}
	limits := l.Limits()
	const countless = 1 << 30 // so many are no limit, and what shares are made of stays within its numbers
	if limits.Channels > 0 && limits.Channels < countless {
		c.channels, c.most = newCapacity(limits.Channels), limits.Channels
	}
	if limits.CPS > 0 {
		burst := limits.Burst
		if burst == 0 {
			const tenth = 10
			burst = max(int(limits.CPS)/tenth, 1)
		}
		c.cps, c.burst = limits.CPS, burst
		c.pace = newPace(limits.CPS, float64(burst))
		c.goBy(whole)
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
func (c *carrier) try(s *seat, from dialer.Phone, now time.Time, units int) (refusal, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.channels != nil && units > c.most { // it would wait for ever, and all others behind it, at other nodes as well
		return refusal{reason: WaitNoCarrier}, false
	}
	c.asks(s, units, now)
	if c.gone { // a moment ago: whoever asks is told
		return refusal{reason: WaitNoCarrier}, false
	}
	caller := c.callers[from]
	for _, b := range []*breaker{&c.breaker, caller} {
		if r, ok := c.rested(b, s, now); !ok {
			s.rested = true
			return r, false
		}
	}
	c.asked, s.wanted = now, true
	if c.startsWithin(c.share) == 0 {
		if s.granted { // before the share was given up
			c.leave(s)
		}
		c.watch(s)
		return refusal{reason: WaitChannels}, false
	}
	if s.granted && c.channels.owes() {
		c.withdraw(s)
	}
	if !c.takeChannels(s, units) {
		return refusal{reason: WaitChannels}, false
	}
	if at, ok := c.begins(s, now); !ok {
		if s.granted, s.units = c.channels != nil, units; s.granted {
			c.kept += units
		}
		return refusal{reason: WaitPacing, until: at}, false
	}
	c.users++
	c.units += units
	c.prober = s
	c.forgetMissed(s)
	c.breaker.begin(now)
	if caller != nil {
		caller.begin(now)
	}
	return refusal{}, true
}

func (c *carrier) rested(b *breaker, s *seat, now time.Time) (refusal, bool) {
	if b == nil {
		return refusal{}, true
	}
	until, ok := b.allows(now)
	if ok && c.missed != nil && c.missed != s && c.missedAt == b && b.scarce(now) {
		until, ok = b.probe, false // the last one is for who came too late before
	}
	if ok {
		return refusal{}, true
	}
	if b.probing(now) {
		c.watch(s) // and what is held for it stays: it is held for calls from other numbers, too
		if c.missed == nil && c.prober != s {
			c.missed, c.missedAt = s, b
		}
	}
	return refusal{reason: WaitNoCarrier, until: until}, false
}

// begins takes a start of the carrier's pace for the seat. One that finds none has the next one set aside, so
// organisations take turns.
func (c *carrier) begins(s *seat, now time.Time) (again time.Time, ok bool) {
	if c.pace == nil {
		return time.Time{}, true
	}
	c.setPace(now)
	if c.startsWithin(c.paced) == 0 {
		return c.paceFrom, false
	}
	if s.rests != c.breaker.rests { // those from before a rest would all have come
		c.giveStartUp(s)
	}
	if s.start.IsZero() {
		s.start, s.rests = c.pace.setAside(now), c.breaker.rests
	}
	if again, ok = c.pace.take(now, s.start); !ok {
		return again, false
	}
	s.start = time.Time{}
	return time.Time{}, true
}

func (c *carrier) giveStartUp(s *seat) {
	if !s.start.IsZero() {
		c.pace.giveUp()
		s.start = time.Time{}
	}
}

func (c *carrier) takeChannels(s *seat, units int) bool {
	switch {
	case c.channels == nil:
		return true
	case s.granted && s.units == units:
		s.granted, s.units = false, 0
		c.kept -= units
		return true
	case s.units != units: // it was for a call of another weight
		c.leave(s)
	}
	if len(c.queue) == 0 && c.channels.try(units) {
		return true
	}
	c.enqueue(s, units)
	return false
}

// withdraw takes back the channels that are kept for a seat, since calls that were taken over have them, or the share
// was lowered. It is the first to get them again.
func (c *carrier) withdraw(s *seat) {
	units := s.units
	c.leave(s)
	s.units = units
	c.queue = slices.Insert(c.queue, 0, s)
}

func (c *carrier) enqueue(s *seat, units int) {
	s.units = units
	if !slices.Contains(c.queue, s) {
		c.queue = append(c.queue, s)
	}
}

func (c *carrier) watch(s *seat) {
	if !s.watches {
		s.watches = true
		c.watchers = append(c.watchers, s)
	}
}

// release gives back the channels of a call that is over.
func (c *carrier) release(units int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveBack(units)
}

// unused gives back what was taken then for a call that there was no recipient for.
func (c *carrier) unused(from dialer.Phone, begun time.Time, units int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putBack()
	c.giveBack(units)
	freed := c.breaker.tried(begun)
	freed = c.breaker.heard(begun, false) || freed
	if b := c.callers[from]; b != nil {
		freed = b.tried(begun) || freed
	}
	if freed {
		c.wakeAll()
	}
}

// force takes channels for a call that is in flight already.
func (c *carrier) force(units int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
	c.units += units
	if c.channels != nil {
		c.channels.force(units)
	}
	if c.heir != nil {
		c.heir.inherited(units)
	}
}

// leaveBehind tells of channels that go on being used when this session is over.
func (c *carrier) leaveBehind(units int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behind += units
	if c.heir != nil {
		c.heir.leaveBehind(units)
	}
}

// reweigh takes more channels for a call that has some, or gives some back where more is below 0.
func (c *carrier) reweigh(more int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.units += more
	switch {
	case c.channels == nil:
	case more > 0:
		c.channels.force(more)
	default:
		c.channels.release(-more)
		c.handOver()
	}
	if c.heir != nil {
		c.heir.inherited(more)
	}
}

func (c *carrier) giveBack(units int) {
	c.units -= units
	if c.channels != nil {
		c.channels.release(units)
		c.handOver()
	}
	if c.heir != nil {
		c.heir.inherited(-units)
	}
	c.leaveOne()
}

// inherited tells that the calls of those that had the name before hold more channels or fewer.
func (c *carrier) inherited(units int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before += units
	if c.channels != nil {
		c.channels.setOther(c.before)
		c.handOver()
	}
	if c.heir != nil {
		c.heir.inherited(units)
	}
}

// handOver gives the channels that are free to those who wait for them, in their turn.
func (c *carrier) handOver() {
	for c.channels != nil && len(c.queue) > 0 {
		s := c.queue[0]
		if !c.channels.try(s.units) {
			return
		}
		c.queue = c.queue[1:]
		s.granted = true
		c.kept += s.units
		s.wake()
	}
}

// retire gives up a seat that there is no use for now.
func (c *carrier) retire(s *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asking, s)
	c.giveStartUp(s)
	c.leave(s)
	c.forgetMissed(s)
	if s.watches {
		s.watches = false
		c.watchers = slices.DeleteFunc(c.watchers, func(other *seat) bool { return other == s })
	}
}

// yield gives up what is set aside for a seat, or will be, that has no use for it now. It is woken all the same.
func (c *carrier) yield(s *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.watches {
		delete(c.asking, s)
	}
	if !s.watches && !s.rested { // else it has just asked, and is to use a probe as soon as there is one
		c.forgetMissed(s)
	}
	c.giveStartUp(s)
	c.leave(s)
}

func (c *carrier) forgetMissed(s *seat) {
	if c.missed == s {
		c.missed = nil
	}
}

// leave gives up a seat's channels, or its place in the queue for them.
func (c *carrier) leave(s *seat) {
	if i := slices.Index(c.queue, s); i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
	}
	units, granted := s.units, s.granted
	s.units, s.granted = 0, false
	if granted {
		c.kept -= units
		c.channels.release(units)
	}
	c.handOver() // it may have stood before one who needs less
}

// wakeAll wakes those that watch, and those that wait for channels, which stay queued.
func (c *carrier) wakeAll() {
	c.woken = c.woken || len(c.queue)+len(c.watchers) > 0
	for _, s := range c.queue {
		s.wake()
	}
	for _, s := range c.watchers {
		s.watches = false
		s.wake()
	}
	clear(c.watchers) // or the slice keeps them alive
	c.watchers = c.watchers[:0]
}
