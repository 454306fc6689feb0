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
func (a *attempt) declined(v verdict) {
	a.busy = true
	a.putOff = a.putOff || v.unasked
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
	return a.job.refused[a.index]+1 < maxRefusals
}

// after tells how an attempt of the batch ended, and whether its recipient is queued again.
func (j *job) after(a *attempt, v verdict, again bool, now time.Time) {
	switch {
	case !again:
		delete(j.refused, a.index)
	case a.busy && !a.open && !v.again && !v.agentOnly():
		if j.refused == nil {
			j.refused = map[int]int{}
		}
		j.refused[a.index]++
	}
	switch {
	case v.again:
	case again && a.putOff:
		j.putOff(a, now)
	case a.number > 1:
		j.rests = 0
	}
}

// putOff tells that nobody was asked to take a recipient, who may be called later. The first time the batch goes on,
// as there may be others who can be called: they come first. After that it rests, twice as long each time, or who is
// left would be claimed and put off as often as the machine can.
func (j *job) putOff(a *attempt, now time.Time) {
	if a.number <= 1 || now.Before(j.restUntil) { // one of several that were claimed together
		return
	}
	const doublings = 6
	j.restUntil = now.Add(min(minRest<<min(j.rests, doublings), maxRest))
	j.rests++
}
