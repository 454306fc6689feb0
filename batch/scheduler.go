package batch

import (
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// scheduler decides for one organisation which recipients are dialled next. It is a plain
// struct: no goroutine, no channel, no clock, no I/O. It is told what happened and what
// time it is (this file, attempt.go), answers with the next step for the store (plan.go),
// and is told what came of it (advanced). The loop around it does the rest.
//
// It keeps a job for each batch that has something to do and an attempt for each call of
// this node. A queued recipient is nothing here but a part of a count.
type scheduler struct {
	org       string
	node      string
	regions   []string // empty: all
	grace     time.Duration
	maxStep   int
	newIDs    func(now time.Time, n int) ([]string, error)
	capacity  *capacity                  // the organisation's
	carrier   func(name string) *carrier // nil: there is none
	resuming  func(name string) *carrier // over which a call that was placed under the name can be taken up; nil: none
	canResume func(*carrier) bool        // whether its calls go on when this session ends
	balancers *balancers
	wake      func()                     // for seats: a carrier has room again
	directed  func(*job, time.Time) bool // its number was asked for since then, with the carriers as they are now

	fresh func(*job, time.Time) bool // what the directory said of its agent and number is not too old

	limit    int  // the organisation's
	other    int  // calls in flight of other nodes
	held     bool // no call begins yet
	draining bool // no call begins any more

	jobs      map[string]*job  // by batch id
	needs     map[question]int // of the directory: by how many jobs
	wanted    []question       // those that are new there since the directory was last consulted
	routes    map[string]*route
	ways      []*route          // the same: walking over a map costs much more
	wentRoute bool              // one of them is gone since forgetTurns
	ready     *priority[*route] // while units are shared: those that may get one
	due       *priority[*job]   // scheduled for later
	rest      *priority[*job]   // that rest
	stale     []*job            // that would have got a unit, but that are not fresh
	seats     []seating
	agents    map[string]*breaker // of agents that could not be reached

	calls         map[string]*attempt // by call id
	unweighed     []*attempt          // that were taken over, and of which it is not known yet what they weigh
	deadlines     *priority[*attempt]
	stranded      []*attempt // that their carrier refused and that wait for another one
	strandedUntil time.Time  // when one of them may find one without being woken
	ending        int        // calls that ended and whose end is not written yet

	events  []store.Event
	planned []plan
	order   []int // room for that of a number's carriers
	hangUps []hangUp

	full   bool               // the last step stopped at the organisation's limit
	more   bool               // it stopped at maxStep, or queued somebody again: there may be more to begin
	passed float64            // job.passed of the last one served: newcomers start there
	turns  map[string]float64 // job.turn of the last one served, by route.first
}

// hangUp tells the loop to end a call.
type hangUp struct {
	call  string
	cause error
}

func (s *scheduler) init() {
	s.jobs = map[string]*job{}
	s.needs = map[question]int{}
	s.routes = map[string]*route{}
	s.turns = map[string]float64{}
	s.agents = map[string]*breaker{}
	s.ready = newPriority(
		routeBefore, func(r *route) *int { return &r.inReady })
	s.calls = map[string]*attempt{}
	s.due = newPriority(
		func(a, b *job) bool { return a.batch.ScheduledAt.Before(b.batch.ScheduledAt) },
		func(j *job) *int { return &j.inDue })
	s.rest = newPriority(
		func(a, b *job) bool { return a.restUntil.Before(b.restUntil) },
		func(j *job) *int { return &j.inRest })
	s.deadlines = newPriority(
		func(a, b *attempt) bool { return a.deadline.Before(b.deadline) },
		func(a *attempt) *int { return &a.inDeadlines })
}

// setLimit tells the organisation's limit.
func (s *scheduler) setLimit(limit int) {
	s.limit = limit
	s.capacity.setLimit(limit)
}

// load tells what the store says of a batch. What it said before of a later revision counts.
func (s *scheduler) load(b store.Batch, now time.Time) {
	j := s.jobs[b.ID]
	if j == nil {
		if b.Counts.Over() {
			s.capacity.setOther(s.other) // its calls may have been counted by advanced
			return
		}
		j = &job{limit: newCapacity(b.Target), batch: b}
		s.add(j)
	}
	if b.Rev < j.batch.Rev {
		return
	}
	if b.Target != j.batch.Target {
		j.limit.setLimit(b.Target)
	}
	if b.AgentID != j.batch.AgentID || b.NumberID != j.batch.NumberID { // it was taken over without its batch
		s.needNoMore(j)
		j.batch = b
		s.need(j)
	}
	j.batch = b
	j.queued = b.Counts.Queued
	j.inFlight = b.Counts.InFlight() - j.ending
	s.setOther(j, j.inFlight-j.own)
	s.capacity.setOther(s.other)
	if b.Counts.Over() && j.own == 0 {
		s.forget(j)
		return
	}
	s.enlist(j, now)
}

func (s *scheduler) dials(region string) bool {
	return len(s.regions) == 0 || slices.Contains(s.regions, region)
}

func (s *scheduler) add(j *job) {
	s.jobs[j.batch.ID] = j
	s.need(j)
}

func (j *job) asks() [2]question {
	return [...]question{{anAgent, j.batch.AgentID}, {aNumber, j.batch.NumberID}}
}

func (s *scheduler) need(j *job) {
	for _, q := range j.asks() {
		if s.needs[q]++; s.needs[q] == 1 {
			s.wanted = append(s.wanted, q)
		}
	}
}

func (s *scheduler) needNoMore(j *job) {
	for _, q := range j.asks() {
		if s.needs[q]--; s.needs[q] <= 0 {
			delete(s.needs, q)
		}
	}
}

func (s *scheduler) forget(j *job) {
	s.leaveRoute(j)
	s.setOther(j, 0)
	s.capacity.setOther(s.other)
	delete(s.jobs, j.batch.ID)
	s.needNoMore(j)
}

// setRoute tells how a batch's calls leave, or why they cannot.
func (s *scheduler) setRoute(j *job, n Number, to endpoint, unable refusal, now time.Time) {
	s.leaveRoute(j)
	j.endpoint, j.unable = to, unable
	if unable.reason == "" {
		key := routeKey(n, to.agent.ID)
		r := s.routes[key]
		if r == nil {
			r = newRoute(key, n, to.agent.ID, s.balancers.use(n), now)
			s.open(r)
		}
		j.route = r
		r.jobs++
	}
	s.enlist(j, now)
}

func (s *scheduler) leaveRoute(j *job) {
	s.delist(j)
	if r := j.route; r != nil {
		j.route = nil
		if r.jobs--; r.jobs == 0 {
			s.balancers.leave(r.balancer)
			s.shut(r)
		}
	}
}

func (s *scheduler) open(r *route) {
	s.routes[r.key] = r
	r.at = len(s.ways)
	s.ways = append(s.ways, r)
}

func (s *scheduler) shut(r *route) {
	delete(s.routes, r.key)
	last := len(s.ways) - 1
	s.ways[r.at] = s.ways[last]
	s.ways[r.at].at = r.at
	s.ways[last] = nil
	s.ways = s.ways[:last]
	s.wentRoute = true
}

// enlist puts a batch where it belongs: among the scheduled, in its route's line at the
// place that it has now, or nowhere.
func (s *scheduler) enlist(j *job, now time.Time) {
	switch {
	case j.queued == 0 || !s.dials(j.batch.Region) || !j.batch.PausedAt.IsZero() || !j.batch.CancelledAt.IsZero():
		s.delist(j)
	case j.batch.ScheduledAt.After(now):
		s.delist(j)
		s.due.put(j)
	case now.Before(j.restUntil):
		s.delist(j)
		s.rest.put(j)
	case j.route == nil:
		s.delist(j)
	default:
		s.due.drop(j)
		s.rest.drop(j)
		if j.inLine == 0 {
			j.passed = max(j.passed, s.passed) // who had no use for units saves none up
			j.turn = max(j.turn, s.turns[j.route.first()])
		}
		j.route.line.put(j)
	}
}

func (s *scheduler) delist(j *job) {
	s.due.drop(j)
	s.rest.drop(j)
	if j.route != nil {
		j.route.line.drop(j)
	}
}

// promote enlists the batches whose time has come.
func (s *scheduler) promote(now time.Time) {
	for s.due.len() > 0 && !s.due.first().batch.ScheduledAt.After(now) {
		s.enlist(s.due.first(), now)
	}
	for s.rest.len() > 0 && !now.Before(s.rest.first().restUntil) {
		s.enlist(s.rest.first(), now)
	}
}

// idle says that there is nothing left to do or to wait for but what others ask for.
func (s *scheduler) idle() bool {
	return len(s.jobs) == 0 && len(s.calls) == 0 && len(s.events) == 0
}

// advanced tells what the store made of the last step. It returns the calls to place.
func (s *scheduler) advanced(step store.Step, res store.Advanced, now time.Time) []*placement {
	for i := range step.Events {
		ev := &step.Events[i]
		if ev.Status.InFlight() {
			continue
		}
		s.more = s.more || ev.Status == fsm.Queued // what it freed may be for itself
		s.ending--
		if j := s.jobs[ev.BatchID]; j != nil {
			j.ending--
		}
	}
	for _, id := range res.Lost {
		s.lose(id, now)
	}
	starts := append(s.start(res.Claimed, now), s.moved(step)...)
	for _, b := range res.Batches {
		s.load(b, now)
	}
	// The store may know of calls in batches that are not known here yet.
	s.capacity.setOther(max(s.other, res.InFlight-s.ending-len(s.calls)))
	return starts
}

// setOther tells how many calls of a batch other nodes have in flight. They count against
// its limit and the organisation's.
func (s *scheduler) setOther(j *job, n int) {
	n = max(n, 0)
	s.other += n - j.other
	j.other = n
	j.limit.setOther(n)
}

// start turns what was claimed into calls, and gives back what was taken for more.
func (s *scheduler) start(claimed []store.Claimed, now time.Time) []*placement {
	starts := make([]*placement, 0, len(claimed))
	for _, p := range s.planned {
		begun := 0
		for _, id := range p.ids {
			if len(claimed) > 0 && claimed[0].Call.ID == id {
				starts = append(starts, s.begin(&p, &claimed[0], now))
				claimed = claimed[1:]
				begun++
				continue
			}
			s.capacity.release(1)
			p.job.limit.release(1)
			s.unused(p)
		}
		p.job.pace.add(begun, now)
	}
	s.planned = s.planned[:0]
	return starts
}

// placement is a call that the loop is to place.
type placement struct {
	call    dialer.Call
	carrier *carrier
	start   *start
}

func (s *scheduler) begin(p *plan, c *store.Claimed, now time.Time) *placement {
	a := &attempt{
		id: c.Call.ID, index: c.Call.Index, number: c.Call.Attempt, job: p.job, carrier: p.carrier,
		dispatched: c.Call.DispatchedAt, start: &start{carrier: p.carrier},
		units: p.route.units, from: c.Call.From, status: fsm.Dispatched, begun: p.begun,
	}
	p.job.own++
	s.calls[a.id] = a
	s.setDeadline(a, now.Add(p.job.batch.RingTimeout+s.grace))
	return &placement{call: dialerCall(c, &p.job.batch, &p.job.endpoint.agent), carrier: p.carrier, start: a.start}
}

func dialerCall(c *store.Claimed, b *store.Batch, agent *dialer.Agent) dialer.Call {
	placed := c.Call.DispatchedAt
	if n := len(c.Call.Tries); n > 0 {
		placed = later(placed, c.Call.Tries[n-1].At) // the present carrier got it then
	}
	return dialer.Call{
		ID: c.Call.ID, Org: c.Call.Org, Batch: c.Call.BatchID, Recipient: c.Call.RecipientID(),
		Attempt: c.Call.Attempt, From: c.Call.From, To: c.Call.To, Agent: *agent, Metadata: c.Metadata,
		RingTimeout: b.RingTimeout, MaxDuration: b.MaxDuration,
		Ref: c.Call.Ref, PlacedAt: placed,
	}
}
