package batch

import "time"

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

// A carrier that takes calls again after a rest is not given all that there are at once: it may be full but for one
// line, or about to go down again. It is asked for few calls until it has answered, and for twice as many with each
// that it takes, until fullSpeed.
const fullSpeed = 256

// A breaker trips when of the last windowSize calls, but at least minResults, every second one
// broke down: what became of those is not known, and each one more would be a person written off.
const (
	windowSize = 20
	minResults = 10
)

// maxCredit is how many refusals are excused at most by the calls that were taken before, however many those were.
// When a carrier goes down it is asked so much more often.
const maxCredit = 20

// breaker keeps calls from what does not take them, or breaks them down: a carrier, a number to
// call from at a carrier, an agent. It is closed, or open until a time, or half open: then a few
// calls try it out. Whoever has it guards it.
type breaker struct {
	restUntil time.Time
	refusedAt time.Time // the latest refusal
	rests     int       // that there were, ever
	refusals  int       // rests in a row; above 0, few calls are let through, as probes
	probe     time.Time // no further probes before this; where it is tripped, none while there are some
	probes    int       // of those that may be under way together
	triedFrom time.Time // the calls that were begun later are probes, as long as it is not closed
	taken     bool      // a call was taken since the last refusal
	tookAt    time.Time // when the latest one was begun that was taken
	credit    int       // calls that were taken since the last refusal, less those that excused one
	tripped   bool      // it rests because calls broke down: only one that does not ends that
	trippedAt time.Time // when it last opened for that
	cause     string    // why it rests, for the host to read
	notice    string    // what of that everybody may read

	ramps   bool // whoever has it tells of each call, by heard
	window  int  // calls that it may be asked for before it has answered; 0: any number, or it rests
	unheard int  // of those begun since the latest rest

	results [windowSize]bool // of the latest calls: it broke down
	n       int              // results that there are, ever
	broken  int              // of those in the window
}

// allows says whether a call may begin, and else when to ask again; a zero time means when there is news of the
// probes. A probe is counted by begin.
func (b *breaker) allows(now time.Time) (until time.Time, ok bool) {
	switch {
	case now.Before(b.restUntil):
		return b.restUntil, false
	case b.busy(now):
		return b.probe, false
	case b.probes < maxProbes:
		return time.Time{}, true
	case b.tripped: // a call that breaks down may take its time
		return time.Time{}, false
	case now.Before(b.probe):
		return b.probe, false
	}
	return time.Time{}, true
}

// probing says that it is the probes under way which keep others out.
func (b *breaker) probing(now time.Time) bool { return !now.Before(b.restUntil) }

// busy says that it has yet to answer as many calls as it may be asked for.
func (b *breaker) busy(now time.Time) bool {
	return b.window > 0 && b.unheard >= b.window && now.Before(b.probe)
}

// scarce says that only one more call may begin before there is news of those under way.
func (b *breaker) scarce(now time.Time) bool {
	return now.Before(b.probe) && (b.probes == maxProbes-1 || b.window > 0 && b.unheard == b.window-1)
}

// begin tells that a call begins.
func (b *breaker) begin(now time.Time) {
	if b.window > 0 {
		if !now.Before(b.probe) { // it need not report anything before a call is over
			b.unheard = 0
		}
		b.unheard++
		b.probe = now.Add(probeTime)
	}
	if b.refusals == 0 {
		return
	}
	if !b.tripped && !now.Before(b.probe) {
		b.probes = 0
	}
	b.probes++
	b.probe = now.Add(probeTime)
}

// tried tells that nothing more will be learned from a call that was begun then: it may have been a probe, and makes
// room for another one. It says whether it did.
func (b *breaker) tried(begun time.Time) (freed bool) {
	if b.refusals == 0 || b.probes == 0 || !begun.After(b.triedFrom) {
		return false
	}
	b.probes--
	return true
}

// forgetProbes tells that it is known now what calls under way were to find out.
func (b *breaker) forgetProbes() { b.probe, b.probes = time.Time{}, 0 }

// complaint is what was said when a call was not taken.
type complaint struct {
	after  time.Duration // how long to leave the other side alone; 0: it does not say
	cause  string
	notice string
}

// refused opens it: a call that was begun then was not taken.
func (b *breaker) refused(begun, now time.Time, why complaint) {
	b.tried(begun)
	b.open(now, why)
}

func (b *breaker) open(now time.Time, why complaint) {
	if !b.tripped || b.refusals == 0 { // else each of those under way counts until its own end
		b.forgetProbes()
		b.triedFrom = now
	}
	b.taken, b.credit, b.refusedAt = false, 0, now
	b.window, b.unheard = 0, 0
	b.cause, b.notice = why.cause, why.notice
	after := why.after
	if now.Before(b.restUntil) {
		return // one of several calls that were under way together
	}
	if after <= 0 {
		const doublings = 6
		after = min(minRest<<min(b.refusals, doublings), maxRest)
	}
	b.refusals++
	b.rests++
	b.restUntil = now.Add(after)
}

// news says whether a call that was begun then can tell anything of what came after the latest refusal.
func (b *breaker) news(begun time.Time) bool { return b.refusedAt.IsZero() || begun.After(b.refusedAt) }

// took tells that a call was taken, whatever becomes of it. It says whether that closed it.
func (b *breaker) took(begun time.Time) (closed bool) {
	b.tookAt = later(b.tookAt, begun)
	if !b.news(begun) {
		return false
	}
	b.taken = true
	return !b.tripped && b.close()
}

// went tells that a call went as calls do. It says whether others may begin now.
func (b *breaker) went(begun time.Time) (freed bool) {
	freed = b.tried(begun)
	b.tookAt = later(b.tookAt, begun)
	b.count(false)
	if !b.news(begun) {
		return freed
	}
	b.taken = true
	return b.close() || freed
}

// heard tells once of each call that was begun then whether it was taken, or that nothing will be learned of it. It
// says whether others may begin now.
func (b *breaker) heard(begun time.Time, taken bool) (freed bool) {
	news := b.news(begun)
	if taken && news {
		b.credit = min(b.credit+1, maxCredit)
	}
	if b.window == 0 || !news {
		return false
	}
	b.unheard = max(b.unheard-1, 0)
	if taken {
		b.window *= 2
	}
	if b.window >= fullSpeed {
		b.window, b.unheard = 0, 0
	}
	return true
}

// excuse says whether a refusal is excused, which does not open it then: a call was taken that was begun no earlier
// than then, which is when the one was that was refused before, and there is one that has not excused another refusal.
func (b *breaker) excuse(since time.Time) bool {
	if b.credit == 0 || b.tookAt.Before(since) {
		return false
	}
	b.credit--
	return true
}

func (b *breaker) close() bool {
	if b.refusals == 0 {
		return false
	}
	if b.tripped {
		b.n, b.broken = 0, 0
	}
	b.refusals, b.tripped, b.cause, b.notice = 0, false, "", ""
	b.forgetProbes()
	if b.ramps {
		b.window = maxProbes
	}
	return true
}

// broke tells that a call broke down. It says whether that opened it, or whether others may begin now. That calls
// break which were begun before it tripped was to be expected.
func (b *breaker) broke(begun, now time.Time, cause string) (changed bool) {
	freed := b.tried(begun)
	if !b.trippedAt.IsZero() && !begun.After(b.trippedAt) {
		return freed
	}
	b.count(true)
	known := min(b.n, windowSize)
	if !b.tripped && (known < minResults || 2*b.broken < known) {
		return freed
	}
	if now.Before(b.restUntil) {
		return freed
	}
	b.tripped, b.trippedAt = true, now
	b.open(now, complaint{cause: cause})
	return true
}

func (b *breaker) count(broke bool) {
	at := &b.results[b.n%windowSize]
	if b.n >= windowSize && *at {
		b.broken--
	}
	*at = broke
	if broke {
		b.broken++
	}
	b.n++
}

// state is what is seen of it from outside.
func (b *breaker) state(now time.Time) BreakerState {
	s := BreakerState{Cause: b.cause, Calls: min(b.n, windowSize), Broken: b.broken}
	switch {
	case now.Before(b.restUntil):
		s.Position, s.Until = BreakerOpen, stored(b.restUntil)
	case b.refusals > 0:
		s.Position = BreakerHalfOpen
	default:
		s.Position = BreakerClosed
	}
	return s
}
