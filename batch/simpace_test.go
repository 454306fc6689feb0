package batch

import (
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// simPace judges how fast calls begin at a carrier, whoever calls. In no second more may begin than its pace and its
// burst together; and in no window of any length more than the pace times its length, the burst, and one more for
// each node but the first, as a node cannot begin less than a call at a time; and what comes into the bucket while
// the store takes as long as it usually does. For the latter it is a bucket that fills as fast as the carrier takes
// calls and from which each call takes one. What is in it stays when the pace changes, as far as it has room.
type simPace struct {
	at     int64
	begun  bool
	room   float64       // what is in the bucket
	limits dialer.Limits // by which it was filled last
	latest []int64       // when each call of the latest second began

	before dialer.Limits // by which it was filled before
	until  int64         // when that was last so
}

// bucket is how much the bucket of all nodes together holds.
func (w *simWorld) bucket(l dialer.Limits) float64 {
	return float64(l.Burst) + float64(len(w.slots)-1) + l.CPS*usualStep.Seconds()
}

// fill brings the bucket to the present moment. Where the pace changed meanwhile, nobody knows when it did: then it
// fills by the faster one.
func (c *simCarrier) fill() {
	p, l := &c.pace, c.mostPace()
	if !p.begun {
		p.begun, p.limits, p.room = true, l, c.w.bucket(l)
	}
	rate := max(l.CPS, p.limits.CPS)
	if p.limits != l {
		p.before, p.until = p.limits, c.w.now
	}
	p.room = min(p.room+time.Duration(c.w.now-p.at).Seconds()*rate, c.w.bucket(l))
	p.at, p.limits = c.w.now, l
}

// paced judges a call that an engine hands to its dialer, however long the store took to agree.
func (l *simLedger) paced(d *simDial) {
	c, p := d.c, &d.c.pace
	if c.limits.CPS == 0 || d.call == nil {
		return
	}
	if c.fill(); d.usedLate(p.limits) {
		return
	}
	most := l.w.bucket(p.limits)
	if p.room < most {
		l.w.seen.branch(pacedStart)
	}
	const rounding = 1e-3
	if p.room--; p.room < -rounding {
		l.fail("%s begins a call at %s, which is %.2f above its pace of %v a second; at most %v may be",
			d.p.name, c.name, most-p.room, p.limits.CPS, most)
	}
	atOnce := int(p.limits.CPS + float64(p.limits.Burst))
	if l.w.now-p.until < int64(time.Second) {
		atOnce = max(atOnce, int(p.before.CPS+float64(p.before.Burst)))
	}
	if begun := p.second(l.w.now); begun > atOnce {
		l.fail("%s begins a call at %s, the %dth within a second; at most %d may be", d.p.name, c.name, begun, atOnce)
	}
}

// second counts the calls of the second that ends now, with one that begins now.
func (p *simPace) second(now int64) int {
	p.latest = append(p.latest, now)
	for now-p.latest[0] >= int64(time.Second) {
		p.latest = p.latest[1:]
	}
	return len(p.latest)
}

// begins counts the calls that a step has begin at a carrier, also those that move there from another one.
func begins(s *store.Step, carrier string) (n int) {
	for i := range s.Claims {
		if s.Claims[i].Carrier == carrier {
			n += len(s.Claims[i].CallIDs)
		}
	}
	for i := range s.Events {
		if s.Events[i].Carrier == carrier {
			n++
		}
	}
	return n
}
