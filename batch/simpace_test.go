package batch

import (
	"time"

	"github.com/outdial/outdial/store"
)

// simPace judges how fast calls begin at a carrier, whoever calls. In no second more may begin than its pace and its
// burst together; and in no window of any length more than the pace times its length, the burst, and one more for
// each node but the first, as a node cannot begin less than a call at a time; and what comes into the bucket while
// the store takes as long as it usually does. For the latter it is a bucket that leaks as fast as the carrier takes
// calls and that each call fills by one.
type simPace struct {
	at     int64
	level  float64
	latest []int64 // when each call of the latest second began
}

// burst is how many calls the carrier takes in one instant.
func (c *simCarrier) burst() float64 {
	const tenth = 10
	if c.limits.Burst > 0 {
		return float64(c.limits.Burst)
	}
	return max(float64(int(c.limits.CPS)/tenth), 1)
}

// leak brings the bucket to the present moment.
func (c *simCarrier) leak() {
	p := &c.pace
	p.level = max(p.level-time.Duration(c.w.now-p.at).Seconds()*c.limits.CPS, 0)
	p.at = c.w.now
}

// paced judges a call that an engine hands to its dialer, however long the store took to agree.
func (l *simLedger) paced(p *simProc, c *simCarrier) {
	if c.limits.CPS == 0 {
		return
	}
	c.leak()
	if c.pace.level > 0 {
		l.w.seen.branch(pacedStart)
	}
	c.pace.level++
	const rounding = 1e-3
	most := c.burst() + float64(len(l.w.slots)-1) + c.limits.CPS*usualStep.Seconds()
	if c.pace.level > most+rounding {
		l.fail("%s begins a call at %s, which is %.2f above its pace of %v a second; at most %v may be",
			p.name, c.name, c.pace.level, c.limits.CPS, most)
	}
	if begun, most := c.pace.second(l.w.now), int(c.limits.CPS+c.burst()); begun > most {
		l.fail("%s begins a call at %s, the %dth within a second; at most %d may be", p.name, c.name, begun, most)
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
