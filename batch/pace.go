package batch

import (
	"math"
	"time"
)

// pace is how fast calls may begin: a bucket that fills at a rate up to its burst, and from which each
// call that begins takes one token. Those that wait each have a time set aside for them, one after the other,
// which says whose turn it is. Whether a call may begin then is the bucket's to say: one that comes late
// finds no more in it than anybody else, and one that never comes takes nothing from the others.
//
// That is what a limiter of x/time/rate cannot do: its reservations take their token before they are used,
// so one that is used late comes on top of a bucket that has filled up again.
//
// A token is taken when a call is planned, and on its way until the carrier gets the call, which is when the store
// has written that. Those on their way have their place in the bucket all the while, so what a slow store holds up
// does not come on top of a bucket that has filled up again either. So no more calls begin than the burst in the time
// that a step to the store takes.
//
// A pace is not safe for concurrent use.
type pace struct {
	rate   float64 // tokens a second
	burst  float64
	spare  float64 // how far those on their way may be above the burst, with what is in the bucket; below 1
	tokens float64
	free   float64   // what would be in it if all had come in their time; below zero: the next time is so much later
	at     time.Time // as of when

	onWay   int           // tokens
	stood   time.Duration // how long, ever, no token could come because of those; times set aside do not count it
	waiting int           // times that are set aside
}

// usualStep is how long a step to the store may take without the pace becoming slower for it, where the burst is one
// call: the next token goes on coming for so long while that call is on its way.
const usualStep = 20 * time.Millisecond

func newPace(rate, burst float64) *pace {
	return &pace{rate: rate, burst: burst, tokens: burst, free: burst}
}

// set changes rate and burst, and how many calls may reach the carrier within a second, which rate and burst together
// must not exceed. What is in the bucket stays in it, as far as it has room; the time since it was last looked at
// counts at the new rate, unless it is filled before.
func (p *pace) set(rate, burst, most float64) {
	const rounding = 1e-6
	p.rate, p.burst = rate, burst
	// One call more would be begun in a second if the bucket with those on their way held one more than is missing to
	// that.
	p.spare = max(min(most-burst-rate+1, 1)-rounding, 0)
	p.spare = min(p.spare, rate*usualStep.Seconds())
	p.tokens, p.free = min(p.tokens, p.room()), min(p.free, p.room())
}

// room is how many tokens the bucket holds, at most, beside those on their way.
func (p *pace) room() float64 {
	return max(min(p.burst, p.burst+p.spare-float64(p.onWay)), 0)
}

// above is how many tokens are on their way that the bucket would not hold, as its rate was lowered meanwhile.
func (p *pace) above() float64 { return max(float64(p.onWay)-p.burst-p.spare, 0) }

// inherit takes over what is in the bucket of another one and on its way, whose waiters begin anew.
func (p *pace) inherit(q *pace, now time.Time) {
	q.fill(now) // the time until now counts at its rate
	p.onWay += q.onWay
	p.tokens = min(q.tokens, p.room())
	p.free, p.at = p.tokens, q.at
}

// fill brings the bucket to the present moment. Loops that look at their clocks one after the other may come in
// another order: no time counts twice.
func (p *pace) fill(now time.Time) {
	if p.at.IsZero() {
		p.at = now
	}
	if !now.After(p.at) {
		return
	}
	passed := now.Sub(p.at)
	p.at = now
	more, room := p.rate*passed.Seconds(), p.room()
	if room < 1 && p.rate > 0 { // it is not that somebody comes late for a token
		more = min(more, max(room-p.tokens, 0))
		p.stood += passed - time.Duration(more/p.rate*float64(time.Second))
	}
	p.tokens, p.free = min(p.tokens+more, room), min(p.free+more, room)
}

// setAside returns the time of the next call after those that others wait for, by a clock that stands still while the
// bucket does.
func (p *pace) setAside(now time.Time) time.Time {
	p.fill(now)
	p.waiting++
	p.free--
	return p.in(now, -p.free).Add(-p.stood)
}

// in is the time at which so many more tokens have come.
func (p *pace) in(now time.Time, missing float64) time.Time {
	const rounding = 1e-9
	switch {
	case missing <= rounding:
		return now
	case p.rate <= 0:
		return now.Add(paceWindow) // the share has gone: it is looked at again
	}
	return now.Add(time.Duration(math.Ceil(missing / p.rate * float64(time.Second))))
}

// take has the call be planned for which due was set aside, or says when to try again. Its token is on its way until
// spend or putBack is called.
func (p *pace) take(now, due time.Time) (again time.Time, ok bool) {
	p.fill(now)
	missing := 1 - p.tokens
	if p.room() < 1 {
		missing = 1 // and nobody knows how long those on their way take
	}
	if again = later(p.in(now, missing), due.Add(p.stood)); again.After(now) {
		return again, false
	}
	p.tokens--
	p.waiting--
	p.onWay++
	return now, true
}

// spend tells that the carrier gets a call now for which a token was taken.
func (p *pace) spend(now time.Time) {
	p.fill(now) // until now it kept others out
	p.onWay--
}

// putBack tells that a call for which a token was taken does not reach the carrier.
func (p *pace) putBack() {
	p.onWay--
	p.tokens, p.free = min(p.tokens+1, p.room()), min(p.free+1, p.room())
}

// giveUp is told that a time which was set aside will not be used.
func (p *pace) giveUp() {
	p.waiting--
	p.free = min(p.free+1, p.room())
}
