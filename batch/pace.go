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
// so one that is used late comes on top of a bucket that has filled up again. A pace is not safe for
// concurrent use.
type pace struct {
	rate   float64 // tokens a second
	burst  float64
	tokens float64
	free   float64   // what would be in it if all had come in their time; below zero: the next time is so much later
	at     time.Time // as of when

	waiting int // times that are set aside
}

func newPace(rate, burst float64) *pace {
	return &pace{rate: rate, burst: burst, tokens: burst, free: burst}
}

// set changes rate and burst. What is in the bucket stays in it, as far as it has room; the time since it was last
// looked at counts at the new rate, unless it is filled before.
func (p *pace) set(rate, burst float64) {
	p.rate, p.burst = rate, burst
	p.tokens, p.free = min(p.tokens, burst), min(p.free, burst)
}

// inherit takes over what is in the bucket of another one, whose waiters begin anew.
func (p *pace) inherit(q *pace) {
	p.tokens, p.free, p.at = min(q.tokens, p.burst), min(q.tokens, p.burst), q.at
}

func (p *pace) fill(now time.Time) {
	if !p.at.IsZero() && now.After(p.at) {
		more := p.rate * now.Sub(p.at).Seconds()
		p.tokens, p.free = min(p.tokens+more, p.burst), min(p.free+more, p.burst)
	}
	p.at = now
}

// setAside returns the time of the next call after those that others wait for.
func (p *pace) setAside(now time.Time) time.Time {
	p.fill(now)
	p.waiting++
	p.free--
	return p.in(now, -p.free)
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

// take has the call begin for which due was set aside, or says when to try again.
func (p *pace) take(now, due time.Time) (again time.Time, ok bool) {
	if due.After(now) {
		return due, false
	}
	p.fill(now)
	if again = p.in(now, 1-p.tokens); again.After(now) {
		return again, false
	}
	p.tokens--
	p.waiting--
	return now, true
}

// giveUp is told that a time which was set aside will not be used.
func (p *pace) giveUp() {
	p.waiting--
	p.free = min(p.free+1, p.burst)
}
