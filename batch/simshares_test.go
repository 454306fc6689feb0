package batch

import (
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// planner is who makes the steps of an organisation: one node's loop.
type planner struct{ owner, org string }

// inStep says that nobody has written to the organisation since this node last did, so that it knew what is true
// when it planned the step: what it decides can be judged to the unit.
func (l *simLedger) inStep(s *store.Step, res *store.Advanced) bool {
	known, ok := l.revs[planner{s.Owner, s.Org}]
	return ok && !s.Replay && len(res.Lost) == 0 && known == res.PrevRev
}

// answered tells that a node has the answer to a step. As nobody takes calls over from a node whose lease runs, it
// can have lost none: it took one for its own that was over, or never was.
func (l *simLedger) answered(s *store.Step, res *store.Advanced) {
	for _, id := range res.Lost {
		l.fail("%s has written an event of %s, which is not in flight, or not its own", s.Owner, id)
	}
	l.revs[planner{s.Owner, s.Org}] = res.Rev
}

// weighed judges how a step shares units between the batches of one route: the next one is due to the batch that
// has the fewest calls in flight for its weight. flying is what each had in flight before the step's claims.
func (l *simLedger) weighed(p *simProc, s *store.Step, res *store.Advanced) {
	if !l.inStep(s, res) {
		return
	}
	asked := l.asked
	clear(asked)
	for i := range s.Claims {
		asked[l.batches[s.Claims[i].BatchID]] += len(s.Claims[i].CallIDs)
	}
	got := l.got
	clear(got)
	for i := range res.Claimed {
		got[l.batches[res.Claimed[i].Call.BatchID]]++
	}
	for i := range s.Claims {
		a := l.batches[s.Claims[i].BatchID]
		for _, b := range l.order {
			if a != b && b.org == a.org && b.agent == a.agent {
				l.weighedAgainst(p, s, a, b)
			}
		}
	}
}

// weighedAgainst judges that a was given units while b waited for some.
func (l *simLedger) weighedAgainst(p *simProc, s *store.Step, a, b *simBatch) {
	asked, got := l.asked, l.got
	x, y := a.flying-got[a]+asked[a], b.flying-got[b]+asked[b]
	waits := b.queue.waiting + got[b] - asked[b] - requeues(s, b) // who is queued again by this step it cannot claim
	if waits <= 0 || y >= b.target || b.paused || b.cancelled || b.scheduled || b.served[p.slot.index] != s.Owner {
		return // it may have had no use for another unit, or nobody knew how its calls are to leave
	}
	if b.putBack > 0 && l.w.now < b.putBack+int64(minRest<<meantDoublings) {
		return // it may rest, since it was put off
	}
	if a.weight != b.weight {
		l.w.seen.branch(weighedUnits)
	}
	if (x-1)*b.weight > y*a.weight {
		p.describe()
		l.fail("%s has %d calls of %s begin, to %d in flight for a weight of %d, while %s waits with %d in flight for a weight of %d",
			s.Owner, asked[a], a.id, x, a.weight, b.id, y, b.weight)
	}
}

// requeues counts the recipients of a batch that a step queues again.
func requeues(s *store.Step, b *simBatch) (n int) {
	for i := range s.Events {
		if s.Events[i].BatchID == b.id && s.Events[i].Status == fsm.Queued {
			n++
		}
	}
	return n
}
