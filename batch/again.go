package batch

import "time"

// A recipient whom no carrier took is queued again as long as one may take it later: one that takes no calls at
// present, of which nobody can say whether it is down, or one that was not asked. Where all of them take others, they
// mean this recipient, and after a while that is the answer. So nobody has failed because a carrier is down, and
// whoever only such a carrier could call waits for it.

// maxRefusals is how often a recipient is queued again because carriers are unavailable that take other calls all
// the while. A carrier that is full now and then, without having said how many calls it takes, refuses the first of
// a batch often. It is counted by the node that has the attempts: another one begins anew.
const maxRefusals = 100

// declined tells that a carrier of the attempt takes no calls at present, or was not asked. It is told before the
// carrier's breaker is, which does not know any more then whether others were taken.
//
// A carrier that does not take whom it refused before, and others in between, may mean this recipient: then it is the
// batch that rests, and not the carrier, which is everybody's. One that is full, and has not said how many calls it
// takes, looks the same to each who is refused, but it refuses more than it takes. So each call that it has taken
// excuses one refusal, and those beyond that are the carrier's: then it rests, and none of them is counted before it
// takes somebody again.
func (a *attempt) declined(v verdict) {
	a.busy = true
	before, known := a.job.refused[a.index]
	a.meant = known && !v.unasked && !v.busy.CallerOnly && a.carrier != nil && a.carrier.excuses(before.begun)
	a.putOff = a.putOff || v.unasked || a.meant
	a.open = a.open || v.unasked || a.carrier == nil || !a.carrier.works(a.from)
}

// mayBeTaken says of an attempt that was refused whether a carrier may take it later.
func (a *attempt) mayBeTaken(v verdict) bool {
	if v.busy != nil && !v.busy.AgentOnly {
		a.declined(v)
	}
	switch {
	case v.agentOnly(), a.open:
		return true
	case !a.busy:
		return false
	}
	return a.job.refused[a.index].counted+1 < maxRefusals
}

// after tells how an attempt of the batch ended, and whether its recipient is queued again.
func (j *job) after(a *attempt, v verdict, again bool, now time.Time) {
	before := j.wasPutOff.Bit(a.index) == 1
	switch {
	case !again:
		delete(j.refused, a.index)
		j.setPutOff(a.index, false)
	case a.busy && !v.unasked && !v.again && !v.agentOnly():
		j.refuse(a)
	}
	switch {
	case v.again:
	case again && a.putOff:
		j.putOff(a, now)
	case before:
		j.rests = 0
	}
}

// refusals are those of one recipient, by carriers that take no calls at present.
type refusals struct {
	counted int       // by carriers that take others
	begun   time.Time // the latest attempt that was refused
}

func (j *job) refuse(a *attempt) {
	if j.refused == nil {
		j.refused = map[int]refusals{}
	}
	r := j.refused[a.index]
	r.begun = a.begun
	if !a.open {
		r.counted++
	}
	j.refused[a.index] = r
}

// meantDoublings is how often the rest of a batch is doubled at most whose recipients are refused by carriers that take
// others.
const meantDoublings = 3

// putOff tells that nobody was asked to take a recipient, who may be called later, or only carriers that take others.
// The first time that nobody was asked the batch goes on, as there may be others who can be called: they come first.
// Else it rests, twice as long each time, or who is left would be claimed and put off as often as the machine can.
func (j *job) putOff(a *attempt, now time.Time) {
	first := j.wasPutOff.Bit(a.index) == 0
	j.setPutOff(a.index, true)
	if first && !a.meant || now.Before(j.restUntil) { // one of several that were claimed together
		return
	}
	doublings := 6
	if a.meant { // it is counted how often it is refused, and to be known soon
		doublings = meantDoublings
	}
	j.restUntil = now.Add(min(minRest<<min(j.rests, doublings), maxRest))
	j.rests++
}

// setPutOff remembers of a recipient that it was put off, or forgets it.
func (j *job) setPutOff(index int, was bool) {
	bit := uint(0)
	if was {
		bit = 1
	}
	if j.wasPutOff.Bit(index) != bit {
		j.wasPutOff.SetBit(&j.wasPutOff, index, bit)
	}
}
