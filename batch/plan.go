package batch

import (
	"slices"
	"time"

	"github.com/outdial/outdial/store"
)

// plan is the units taken for calls of one batch over one carrier, until the store
// has said how many recipients there are for them.
type plan struct {
	job     *job
	route   *route
	carrier *carrier
	n       int
	begun   time.Time // when its carrier was chosen
	ids     []string
}

// plan returns the next step: what happened since the last one, and claims for every
// unit that is free. reserved is what the host has taken of the organisation's limit.
// Nothing may be told to the scheduler until advanced was called with the step.
func (s *scheduler) plan(now time.Time, reserved int) (store.Step, error) {
	s.expire(now)
	s.promote(now)
	s.full, s.more = false, false
	for _, x := range s.seats {
		x.wanted, x.rested = false, false
	}
	if !s.held {
		s.redirect(now)
	}
	if !s.draining && !s.held {
		s.share(now)
	}
	s.retireSeats()
	step := store.Step{Org: s.org, Owner: s.node, Now: stored(now), Limit: max(s.limit-reserved, 0), Events: s.events}
	if err := s.name(&step, now); err != nil {
		return store.Step{}, err
	}
	for i := range step.Events {
		if a := s.calls[step.Events[i].CallID]; a != nil {
			a.pending = 0
		}
	}
	if len(step.Events) > 0 {
		s.events = make([]store.Event, 0, len(step.Events)) // most likely the next step has about as many
	}
	return step, nil
}

// share takes units for as many calls as may begin now.
func (s *scheduler) share(now time.Time) {
	s.lineUp()
	for n := 0; n < s.maxStep; {
		j := s.next()
		if j == nil {
			return
		}
		if !s.fresh(j, now) {
			if !j.stale {
				j.stale = true
				s.stale = append(s.stale, j)
			}
			j.route.line.drop(j) // until the directory has answered
			s.relist(j.route)
			continue
		}
		if !s.capacity.try(1) {
			s.full = true
			return
		}
		if !j.limit.try(1) {
			s.capacity.release(1)
			j.route.line.drop(j) // until one of its calls ends or its target is raised
			s.relist(j.route)
			continue
		}
		c, r := s.carrierFor(j.route, now)
		if c == nil {
			s.capacity.release(1)
			j.limit.release(1)
			j.route.blocked = r
			s.ready.drop(j.route)
			continue
		}
		s.take(j, c, now)
		n++
	}
	s.more = true
}

// lineUp has the routes with calls to begin stand in line.
func (s *scheduler) lineUp() {
	s.ready.clear()
	for _, r := range s.ways {
		if r.blocked.reason != "" {
			s.wait(r)
		}
		r.blocked = refusal{}
		s.relist(r)
	}
}

// relist gives a route the place that it has now, as its first batch is another one or has another place.
func (s *scheduler) relist(r *route) {
	if r.line.len() == 0 {
		s.ready.drop(r)
		return
	}
	s.ready.put(r)
}

// next returns the batch that gets the next unit, of those whose route is not blocked.
func (s *scheduler) next() *job {
	if s.ready.len() == 0 {
		return nil
	}
	return s.ready.first().line.first()
}

// carrierFor takes what a call needs from the first carrier of the route that has it.
// Where none has, it says why the preferred one has not, and when the first may.
func (s *scheduler) carrierFor(r *route, now time.Time) (*carrier, refusal) {
	agent := s.agents[r.agent]
	if agent != nil {
		if until, ok := agent.allows(now); !ok {
			return nil, refusal{reason: WaitAgent, until: until}
		}
	}
	var why refusal
	s.order = r.balancer.inOrder(s.order[:0])
	order := s.order
	for _, i := range order {
		c := s.carrier(r.carriers[i])
		if c == nil {
			continue
		}
		no, ok := c.try(s.seat(c, r.units), r.from, now, r.units)
		if ok {
			r.balancer.gave(order, i)
			if agent != nil {
				agent.begin(now)
			}
			return c, refusal{}
		}
		if why.reason == "" {
			why.reason = no.reason
		}
		why.until = earliest(why.until, no.until)
	}
	if why.reason == "" {
		why.reason = WaitNoCarrier
	}
	return nil, why
}

// stand is what a seat is for. Calls that need more channels than others have one of their own, and with it a
// place in the queue that those others do not take from them.
type stand struct {
	carrier *carrier
	units   int
}

// seating is a seat that the organisation has, and where.
type seating struct {
	stand
	*seat
}

// seat looks through all, since there are a few for each carrier of the organisation's numbers at most.
func (s *scheduler) seat(c *carrier, units int) *seat {
	for i := range s.seats {
		if x := &s.seats[i]; x.carrier == c && x.stand.units == units {
			return x.seat
		}
	}
	one := &seat{wake: s.wake}
	s.seats = append(s.seats, seating{stand{c, units}, one})
	return one
}

// unused gives back what was taken for a call that there was no recipient for.
func (s *scheduler) unused(p plan) {
	p.carrier.unused(p.route.from, p.begun, p.route.units)
	p.route.balancer.unused(slices.Index(p.route.carriers, p.carrier.name))
	if agent := s.agents[p.route.agent]; agent != nil {
		agent.tried(p.begun)
	}
}

// take books one call of the batch over the carrier.
func (s *scheduler) take(j *job, c *carrier, now time.Time) {
	s.serve(j)
	j.queued--
	j.inFlight++
	if j.queued == 0 {
		j.route.line.drop(j)
	} else {
		j.route.line.put(j)
	}
	s.relist(j.route)
	if i := j.planned - 1; i >= 0 && i < len(s.planned) && s.planned[i].job == j && s.planned[i].carrier == c {
		s.planned[i].n++
		return
	}
	s.planned = append(s.planned, plan{job: j, route: j.route, carrier: c, n: 1, begun: now})
	j.planned = len(s.planned)
}

// name gives each planned call its id and asks the store for its recipient.
func (s *scheduler) name(step *store.Step, now time.Time) error {
	total := 0
	for _, p := range s.planned {
		total += p.n
	}
	if total == 0 {
		return nil
	}
	ids, err := s.newIDs(now, total)
	if err != nil {
		s.undo(now)
		return err
	}
	for i := range s.planned {
		p := &s.planned[i]
		p.ids, ids = ids[:p.n:p.n], ids[p.n:]
		step.Claims = append(step.Claims, store.Claim{
			BatchID: p.job.batch.ID, CallIDs: p.ids, Carrier: p.carrier.name, From: p.job.endpoint.from,
		})
	}
	return nil
}

// undo gives back everything that was taken for a step that is not made.
func (s *scheduler) undo(now time.Time) {
	for _, p := range s.planned {
		s.capacity.release(p.n)
		p.job.limit.release(p.n)
		for range p.n {
			s.unused(p)
		}
		p.job.queued += p.n
		p.job.inFlight -= p.n
		s.enlist(p.job, now)
	}
	s.planned = s.planned[:0]
}

// retireSeats gives up what carriers hold for this organisation where it cannot use it: others wait for it. That a call
// may not begin for another reason than the want of what is held may last.
func (s *scheduler) retireSeats() {
	s.seats = slices.DeleteFunc(s.seats, func(x seating) bool {
		switch {
		case s.draining || s.held || !s.wants(x.stand):
			x.carrier.retire(x.seat)
			return true
		case !x.wanted && !s.undecided(x.stand):
			x.carrier.yield(x.seat)
		}
		return false
	})
}

// yieldSeats gives up what carriers hold for this organisation, which can begin no call for who knows how long.
func (s *scheduler) yieldSeats() {
	for _, x := range s.seats {
		x.carrier.yield(x.seat)
	}
}

// undecided says that not all calls which may begin at a stand have been tried, as there were too many for one step.
func (s *scheduler) undecided(at stand) bool {
	for _, r := range s.ways {
		if !s.full && r.blocked.reason == "" && r.leadsTo(at) {
			return true
		}
	}
	return false
}

// leadsTo says that the route has calls to begin that would take their channels at a stand.
func (r *route) leadsTo(at stand) bool {
	return r.line.len() > 0 && r.units == at.units && slices.Contains(r.carriers, at.carrier.name)
}

// stuck says that a changed directory could set something free.
func (s *scheduler) stuck() bool {
	for _, r := range s.ways {
		if r.line.len() > 0 && r.blocked.reason != "" {
			return true
		}
	}
	return s.full
}

// wants says whether there is a call to begin at a stand. Where the organisation's limit is in use, only those that
// are stranded have a place in that.
func (s *scheduler) wants(at stand) bool {
	name := at.carrier.name
	if s.carrier(name) != at.carrier { // it was replaced
		return false
	}
	for _, r := range s.ways {
		if !s.full && r.leadsTo(at) {
			return true
		}
	}
	return slices.ContainsFunc(s.stranded, func(a *attempt) bool {
		return a.mayGoOver(name) && a.job.route.units == at.units
	})
}

// next moment at which there may be something to do without anything happening; zero: none.
func (s *scheduler) wakeAt(now time.Time) time.Time {
	var at time.Time
	if s.due.len() > 0 {
		// As a difference, since deadlines are on the monotonic clock, and soon, since the other one may be
		// set meanwhile.
		at = now.Add(min(s.due.first().batch.ScheduledAt.Sub(now), time.Minute))
	}
	if s.rest.len() > 0 {
		at = earliest(at, s.rest.first().restUntil)
	}
	if s.deadlines.len() > 0 {
		at = earliest(at, s.deadlines.first().deadline)
	}
	if s.held {
		return at
	}
	at = earliest(at, s.strandedUntil)
	if s.draining || s.full {
		return at
	}
	for _, r := range s.ways {
		if r.line.len() > 0 {
			at = earliest(at, r.blocked.until)
		}
	}
	return at
}

// earliest returns the earlier of two times, a zero time being none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
