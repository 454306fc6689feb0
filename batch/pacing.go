package batch

import (
	"math"
	"time"
)

// paceSpan is how far back the pace of a batch looks.
const paceSpan = 30 * time.Second

// pacing measures how many calls a second a batch begins, giving less weight to what is
// longer ago. The zero value has begun none.
type pacing struct {
	since time.Time // of the first call
	at    time.Time // of the latest
	sum   float64   // calls, each faded by its age
}

func (p *pacing) add(calls int, now time.Time) {
	if p.since.IsZero() {
		p.since, p.at = now, now
	}
	p.sum = p.sum*fade(now.Sub(p.at)) + float64(calls)
	p.at = now
}

// rate returns calls a second as of now, 0 where it is too early to say.
func (p *pacing) rate(now time.Time) float64 {
	const least = 2 * time.Second
	age := now.Sub(p.since)
	if p.since.IsZero() || age < least {
		return 0
	}
	window := paceSpan.Seconds() * (1 - fade(age)) // what the faded calls are spread over
	return p.sum * fade(now.Sub(p.at)) / window
}

func fade(age time.Duration) float64 { return math.Exp(-age.Seconds() / paceSpan.Seconds()) }
