package batch

import (
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
)

// begun judges that a process gives a call to a dialer.
func (l *simLedger) begun(d *simDial, call dialer.Call) {
	c := d.call
	if c == nil {
		l.fail("%s dials %s, which is not durable", d.p.name, call.ID)
		return
	}
	d.owner = c.owner
	if c.over || c.owner != c.claimer || !l.alive(c.owner) {
		l.fail("%s dials %s, which is not its own any more", d.p.name, c.id)
		return
	}
	if c.carrier != d.c.name {
		l.fail("%s dials %s over %s; by what is durable it would be over %s", d.p.name, c.id, d.c.name, c.carrier)
	}
	c.dial = d
	l.begunAt[d.c.name] = append(l.begunAt[d.c.name], c)
	l.channels(d)
}

// channels judges how many channels of a carrier are used by calls in flight, whosever they are and whether or not
// their node still lives. Where its channels have changed, see counts.
func (l *simLedger) channels(d *simDial) {
	used := 0
	if d.c.limits.Channels == 0 {
		return
	}
	most := d.c.largestSince(d.call.plan.knew).Channels
	if most > d.c.limits.Channels {
		l.w.seen.branch(unknowingCall)
	}
	l.begunAt[d.c.name] = slices.DeleteFunc(l.begunAt[d.c.name], func(c *simCall) bool { return c.over || c.dial.c != d.c })
	for _, c := range l.begunAt[d.c.name] {
		if d.counts(c, most) {
			used += c.channels(l)
		}
	}
	if n := len(d.c.former); n > 0 && d.c.former[n-1].Channels > most && d.call.plan.knew == n {
		l.w.seen.branch(beganAfterLowering)
	}
	if used <= most {
		return
	}
	for _, c := range l.begunAt[d.c.name] {
		l.w.tell("%s is %s's, %s began it, for %d units, counted: %v", c.id, c.owner, c.claimer, c.channels(l), d.counts(c, most))
	}
	for _, s := range l.w.slots {
		if s.proc != nil {
			s.proc.describe()
		}
	}
	l.fail("%d channels of %s are used, of which %s was to know that it has %d", used, d.c.name, d.p.name, most)
}

// channels is how many of its carrier's it uses.
func (c *simCall) channels(l *simLedger) int {
	waited := l.w.now-l.leases[c.claimer] >= int64(mourning*l.w.prof.lease) // for it to be taken over and weighed
	switch {
	case c.ending, c.stranded, c.carrier != c.dial.c.name, c.dial.left && c.dial.rec == nil:
		return 0 // it is over, or the carrier did not take it
	case waited && c.owner == c.claimer:
		return 0
	case waited:
		return 1
	}
	return c.dial.units
}

// dialled judges that a carrier is asked for a call. Nil: it must not be.
func (l *simLedger) dialled(c *simCarrier, call dialer.Call) *simCall {
	k := l.calls[call.ID]
	switch {
	case k == nil:
		l.fail("%s was asked for %s, which is not durable", c.name, call.ID)
		return nil
	case k.taken:
		l.fail("%s was asked for %s, which %s had taken", c.name, k.id, k.rec.c.name)
		return nil
	case slices.Contains(k.asked, c.name):
		l.fail("%s was asked for %s twice", c.name, k.id)
		return nil
	}
	k.asked = append(k.asked, c.name)
	return k
}

// accepted judges that a carrier takes a call: from now on a phone may ring.
func (l *simLedger) accepted(p *simProc, r *simRecord) {
	c := r.call
	c.taken, c.rec = true, r
	b := c.batch
	b.accepted[c.index]++
	if most := 1 + b.retries; b.accepted[c.index] > most {
		l.fail("recipient %d of %s is called for the %d. time; asked for: %d (%s, %s)",
			c.index, b.id, b.accepted[c.index], most, c.id, p.name)
	}
	if c.hangUp {
		l.w.seen.branch(placedAfterHangUp)
	}
}

// hungUp tells that a call is over at its carrier.
func (l *simLedger) hungUp(r *simRecord) {
	if l.w.telling() {
		l.w.tell("%s ends %s as %s after %v", r.c.name, r.call.id, r.reason, time.Duration(r.ends-r.rings))
	}
	if r.call.over && r.call.reason == dialer.Error {
		l.w.seen.branch(wentOnUnknown)
	}
}
