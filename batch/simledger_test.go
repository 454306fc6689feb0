package batch

import (
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// simLedger knows what must be true. It is told of everything that takes effect at the store and at the
// carriers, at the moment at which it does, and judges it by what the project promises. It does not
// look into the engine or the store.
type simLedger struct {
	w       *simWorld
	batches map[string]*simBatch
	order   []*simBatch
	calls   map[string]*simCall
	flying  map[string]int    // calls in flight, by organisation
	leases  map[string]int64  // until when, by node
	beats   map[string]int64  // the latest that arrived, by node
	open    int               // batches that are not over
	revs    map[planner]int64 // that a node knows of an organisation

	asked, got map[*simBatch]int // scratch of weighed
	scratch    []*simBatch       // of advanced

	plans   map[planner][2]simPlan // of each loop's latest step
	begunAt map[string][]*simCall  // calls that were given to a dialer of a carrier, those that are not over among them
}

// simBatch is what is true of a batch.
type simBatch struct {
	org, id   string
	size      int
	target    int
	flying    int
	retries   int // that were asked for
	cancelled bool
	paused    bool
	over      bool
	rev       int64
	counts    fsm.Counts
	accepted  []int // by recipient: calls that a carrier took
	queue     simQueue
	retried   int // times
	agent     string
	region    string
	weight    int
	scheduled bool
	putBack   int64            // when somebody was last queued again
	served    [maxSlots]string // by slot: the node that claimed from it last, since it was last over
}

// simCall is what is true of an attempt.
type simCall struct {
	id       string
	batch    *simBatch
	index    int
	owner    string
	claimer  string
	carrier  string
	ending   bool // its end is on its way to the store
	over     bool
	unplaced bool
	reason   dialer.EndReason
	taken    bool       // by a carrier
	rec      *simRecord // that has it
	hangUp   bool
	stranded bool     // a carrier refused it, and it is not at another one yet
	asked    []string // carriers that were asked to place it
	dial     *simDial // that it was given to last by who claimed it
	plan     simPlan  // by which it was to begin there
	adopted  int64    // when it was last taken over
}

func newSimLedger(w *simWorld) *simLedger {
	return &simLedger{
		w: w, batches: map[string]*simBatch{}, calls: map[string]*simCall{},
		flying: map[string]int{}, leases: map[string]int64{}, beats: map[string]int64{},
		revs: map[planner]int64{}, plans: map[planner][2]simPlan{},
		asked: map[*simBatch]int{}, got: map[*simBatch]int{}, begunAt: map[string][]*simCall{},
	}
}

func (l *simLedger) fail(format string, args ...any) { l.w.fail(format, args...) }

// created tells of a batch that exists.
func (l *simLedger) created(b store.Batch) {
	if l.batches[b.ID] == nil {
		k := &simBatch{org: b.Org, id: b.ID, size: b.Counts.Scheduled(), target: b.Target, accepted: make([]int, b.Counts.Scheduled())}
		k.paused, k.scheduled = !b.PausedAt.IsZero(), !b.ScheduledAt.IsZero()
		k.agent, k.region, k.weight, k.queue = b.AgentID, b.Region, b.Weight, newSimQueue(k.size)
		l.batches[b.ID] = k
		l.order = append(l.order, k)
		l.open++
	}
	l.saw(b)
}

// saw judges a batch that was read at this moment.
func (l *simLedger) saw(b store.Batch) {
	k, c := l.batches[b.ID], b.Counts
	if k == nil {
		l.fail("batch %s was read, and nobody created it", b.ID)
		return
	}
	least := min(c.Queued, c.Dispatched, c.Started, c.Completed, c.Failed, c.Cancelled)
	switch {
	case c.Scheduled() != k.size || least < 0 || c.Unplaced > c.Failed:
		l.fail("status identity: batch %s has %d recipients, its counts are %+v", b.ID, k.size, c)
	case c.Queued != k.queue.waiting:
		l.fail("%d recipients of batch %s wait, its counts say %d", k.queue.waiting, b.ID, c.Queued)
	case c.InFlight() != k.flying:
		l.fail("batch %s has %d calls in flight, its counts say %d", b.ID, k.flying, c.InFlight())
	case b.Rev < k.rev:
		l.fail("the revision of batch %s went back from %d to %d", b.ID, k.rev, b.Rev)
	case b.Rev == k.rev && c != k.counts:
		l.fail("batch %s changed from %+v to %+v and kept its revision", b.ID, k.counts, c)
	}
	k.rev, k.counts = b.Rev, c
	if over := c.Over(); over != k.over {
		if k.over = over; over {
			l.open--
			k.served = [maxSlots]string{}
		} else {
			l.open++
		}
	}
}

// changed tells of a change that somebody asked for.
func (l *simLedger) changed(p *simProc, b store.Batch, c store.Change) {
	k := l.batches[b.ID]
	if k == nil {
		l.fail("batch %s was changed, and nobody created it", b.ID)
		return
	}
	switch c.Action {
	case store.ActionCancel:
		k.queue.emptied()
		if b.Counts.Queued > 0 {
			l.fail("batch %s was cancelled and has %d recipients queued", b.ID, b.Counts.Queued)
		}
		for _, call := range l.calls {
			if call.batch == k && !call.over && !call.taken {
				l.w.seen.branch(cancelledDuringDispatch)
				break
			}
		}
	case store.ActionSetTarget:
		k.target = c.Target
	case store.ActionHangUp:
		if call := l.calls[c.CallID]; call != nil && !call.over {
			call.hangUp = true
			l.askedToEnd(p, call)
		}
	case store.ActionRetry:
		if b.RetryCount > k.retried {
			k.retried = b.RetryCount
			k.queue.retried()
		}
	case store.ActionPause, store.ActionResume:
	}
	k.cancelled, k.paused = !b.CancelledAt.IsZero(), !b.PausedAt.IsZero()
	l.saw(b)
}

// leased tells that a heartbeat arrived. One that was overtaken is to change nothing, neither shares nor the lease.
func (l *simLedger) leased(node *store.Node, knew [2]int, lease time.Duration) {
	if until, known := l.leases[node.ID]; known && until <= l.w.now {
		l.fail("%s renewed a lease that had run out", node.ID)
	}
	if node.Beat < l.beats[node.ID] {
		l.w.seen.branch(beatOvertaken)
		return
	}
	l.leases[node.ID], l.beats[node.ID] = l.w.now+int64(lease), node.Beat
	l.learned(node.ID, knew)
}

func (l *simLedger) alive(node string) bool { return l.leases[node] > l.w.now }

// issued judges a step when the engine asks for it.
func (l *simLedger) issued(p *simProc, s *store.Step) {
	for i := range s.Events {
		if c := l.calls[s.Events[i].CallID]; c != nil && !s.Events[i].Status.InFlight() {
			c.ending = true
		}
	}
	l.crowded(p, s)
	l.planned(p, s)
	if len(s.Claims) == 0 {
		return
	}
	o, prof := l.org(s.Org), &l.w.prof
	lag := int64(2*prof.ttl + prof.storeTimeout + time.Second)
	trouble := o.down || o.seenAt > 0 && o.seenAt > l.w.now-2*lag
	if most := o.most(l.w.now - lag); s.Limit > most && !trouble {
		l.fail("%s claims for %s up to a limit of %d, which was %d at most for %v", p.name, s.Org, s.Limit, most, time.Duration(lag))
	}
}

// advanced judges a step that was carried out.
func (l *simLedger) advanced(p *simProc, s *store.Step, res *store.Advanced) {
	if !l.alive(s.Owner) {
		l.fail("a step of %s was carried out after its lease", s.Owner)
	}
	for i := range s.Events {
		if ev := &s.Events[i]; !slices.Contains(res.Lost, ev.CallID) {
			l.applied(s, ev)
		}
	}
	claimed := l.scratch[:0]
	for i := range res.Claimed {
		c := &res.Claimed[i].Call
		if old := l.calls[c.ID]; old != nil {
			if !s.Replay || old.owner != s.Owner {
				l.fail("%s was claimed a second time", c.ID)
			}
			l.w.seen.branch(replayedClaims)
			continue
		}
		l.claimed(s, c)
		if k := l.batches[c.BatchID]; !slices.Contains(claimed, k) {
			claimed = append(claimed, k)
		}
	}
	l.scratch = claimed
	for _, k := range claimed {
		k.served[p.slot.index] = s.Owner
		switch {
		case !p.slot.serves(k):
			l.fail("batch %s is of %s, and recipients of it were claimed by %s, which serves %v", k.id, k.region, s.Owner, p.slot.regions())
		case k.cancelled:
			l.fail("batch %s is cancelled, and recipients of it were claimed", k.id)
		case k.paused:
			l.fail("batch %s is paused, and recipients of it were claimed", k.id)
		case k.flying > k.target:
			l.fail("batch %s has %d calls in flight, its target is %d", k.id, k.flying, k.target)
		case l.flying[k.org] > s.Limit:
			l.fail("organisation %s has %d calls in flight, its limit is %d", k.org, l.flying[k.org], s.Limit)
		}
	}
	if res.InFlight != l.flying[s.Org] {
		l.fail("organisation %s has %d calls in flight, the store says %d", s.Org, l.flying[s.Org], res.InFlight)
	}
	for i := range res.Batches {
		l.saw(res.Batches[i])
	}
}

func (l *simLedger) claimed(s *store.Step, c *store.Call) {
	k := l.batches[c.BatchID]
	l.dequeued(k, c)
	k.flying++
	l.flying[k.org]++
	call := &simCall{id: c.ID, batch: k, index: c.Index, owner: s.Owner, claimer: s.Owner, carrier: c.Carrier}
	call.plan = l.planOf(s, c.Carrier)
	l.calls[c.ID] = call
	l.w.clients.latest = append(l.w.clients.latest, call)
}

// applied judges an event that was written, or had been.
func (l *simLedger) applied(s *store.Step, ev *store.Event) {
	c := l.calls[ev.CallID]
	switch {
	case c == nil:
		l.fail("an event of %s was written, and nobody claimed it", ev.CallID)
		return
	case c.owner != s.Owner:
		l.fail("an event of %s was written for %s, which does not own it", ev.CallID, s.Owner)
		return
	case c.over:
		if !s.Replay {
			l.fail("%s ended a second time, as %v", c.id, ev.Status)
		}
		l.w.seen.branch(replayedEvents)
		return
	}
	if ev.Carrier != "" {
		c.carrier, c.stranded = ev.Carrier, false
		c.plan = l.planOf(s, c.carrier)
		l.w.seen.branch(movedOn)
	} else if len(ev.Tries) > 0 {
		c.stranded = true
		l.w.seen.branch(strandedCall)
	}
	if !ev.Status.InFlight() {
		l.ended(c, ev)
	}
}

// ended judges the end of an attempt.
func (l *simLedger) ended(c *simCall, ev *store.Event) {
	c.over = true
	c.batch.flying--
	l.flying[c.batch.org]--
	c.unplaced = ev.Status == fsm.Queued || ev.Unplaced
	c.reason = ev.EndReason
	switch {
	case c.unplaced == c.reason.Valid():
		l.fail("%s ended unplaced: %v, and for the reason %q", c.id, c.unplaced, c.reason)
	case c.unplaced && c.taken:
		l.fail("%s is said not to have been placed, and %s took it", c.id, c.rec.c.name)
	case c.reason != dialer.Error && c.rec != nil && !c.rec.over:
		l.fail("%s ended as %v/%s while it goes on at %s", c.id, ev.Status, c.reason, c.rec.c.name)
	}
	l.endedUnknown(c)
	l.resumedToAnEnd(c, ev)
	c.requeued(ev.Status)
	if ev.Status == fsm.Queued {
		c.batch.putBack = l.w.now
	}
	l.branches(c, ev)
}

func (l *simLedger) branches(c *simCall, ev *store.Event) {
	seen := l.w.seen
	if ev.Error != "" {
		for _, x := range simEndTexts {
			if strings.Contains(ev.Error, x.text) {
				seen.branch(x.b)
			}
		}
	}
	switch {
	case ev.Status == fsm.Queued && c.hangUp && c.owner != c.claimer:
		seen.branch(sparedStranded)
		seen.branch(cancelledBefore)
	case ev.Status == fsm.Queued && c.hangUp:
		seen.branch(cancelledBefore)
	case ev.Status == fsm.Queued:
		seen.branch(queuedAgain)
	case c.reason == dialer.APICancelled:
		seen.branch(cancelledCall)
	case c.reason == dialer.MaxDuration:
		seen.branch(lastedTooLong)
	}
}
