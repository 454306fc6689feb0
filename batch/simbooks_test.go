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
	l.channels(d)
}

// channels judges how many channels of a carrier are used by calls of nodes whose lease runs. Those taken
// over do not count: they go beyond what there is, or what is kept for somebody.
func (l *simLedger) channels(d *simDial) {
	most, used := d.c.limits.Channels, 0
	if most == 0 {
		return
	}
	for _, s := range l.w.slots {
		if s.proc == nil || s.proc.letsGo() {
			continue
		}
		for _, o := range s.proc.dials[d.c.name] {
			if !o.resumed && s.proc.holds(d.c, o) {
				used += o.units
			}
		}
	}
	if used <= most {
		return
	}
	for _, s := range l.w.slots {
		if s.proc != nil {
			for _, o := range s.proc.dials[d.c.name] {
				l.w.tell("a dialer of %s has %s, for %d units", s.proc.name, o.call.id, o.units)
			}
			s.proc.describe()
		}
	}
	l.fail("%d channels of %s are used, which has %d", used, d.c.name, most)
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
