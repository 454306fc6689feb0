package batch

import (
	"context"
	"slices"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// settle ends the faults. Then everything must end, nothing may be left in use, and the processes stop
// when they are asked to.
func (w *simWorld) settle() {
	w.faults.active = false
	w.tell("all is well from now on")
	for _, c := range w.carriers {
		c.answers()
		if usual := w.usualLimits(c.index); c.limits != usual {
			c.setLimits(usual)
		}
	}
	for _, o := range w.orgs {
		o.down, o.number = false, o.usual
		o.setLimit(w, max(o.limit, 4))
	}
	for _, s := range w.slots {
		s.cut = false
		if s.proc != nil {
			s.proc.resume()
			if s.proc.without != nil {
				s.proc.without = nil
				s.proc.swap(nil)
			}
		} else if s.wait == 0 {
			s.start()
		}
	}
	w.unpauseAll()
	w.do(w.between(time.Minute, 3*time.Minute), func() { // while calls are under way, and nothing hinders it
		if p := w.someProc(); p != nil && !p.stopping {
			p.askToStop()
			p.calmly = true
		}
	})
	late := w.now + int64(2*w.prof.storeTimeout+simLatest+time.Minute) // until then something may arrive
	w.run(w.now+int64(10*time.Hour), func() bool { return w.now > late && w.quiet() && w.full() })
	if w.failure == "" && (!w.quiet() || !w.full()) {
		w.stuck()
	}
	// What was left behind, and what is late, comes to its end.
	rest := 2*w.prof.lease + 4*w.prof.poll + 2*w.prof.grace + 2*w.prof.storeTimeout + 2*w.prof.ttl
	w.run(w.now+int64(rest), func() bool { return false })
	if w.failure == "" && (!w.quiet() || !w.full()) {
		w.stuck()
	}
	w.checkEnds()
	if w.failure != "" {
		return
	}
	for _, s := range w.slots {
		if s.proc == nil {
			w.fail("slot %d has no process", s.index)
			continue
		}
		s.proc.checkFree()
	}
	w.stopAll()
}

// full says that a process runs in every slot, and goes on.
func (w *simWorld) full() bool {
	return !slices.ContainsFunc(w.slots, func(s *simSlot) bool { return s.proc == nil || s.proc.stopping })
}

func (w *simWorld) stuck() {
	for _, s := range w.slots {
		if s.proc != nil {
			s.proc.describe()
		}
	}
	for _, c := range w.clients.latest {
		if !c.over {
			w.tell("%s of %s is in flight, owned by %s (alive: %v), taken: %v", c.id, c.batch.id, c.owner, w.ledger.alive(c.owner), c.taken)
		}
	}
	for _, k := range w.ledger.order {
		if !k.over {
			w.fail("batch %s of %s never ends: %+v, %d in flight, paused: %v, cancelled: %v", k.id, k.org, k.counts, k.flying, k.paused, k.cancelled)
		}
	}
	w.fail("requests are never answered: %d, %d", w.clients.left, w.clients.busy)
}

// describe tells in the trace what an engine has of its carriers, and what waits.
func (p *simProc) describe() {
	for _, k := range inOrder(p.engine.carriers.all()) {
		p.w.tell("%s has a share of %d of %s, due %d, wants %d, heaviest %d, used %d, most %d, %d seats, %v", p.name, k.share, k.name,
			k.due, k.wants, k.heaviest, k.units, k.most, len(k.queue), k.breaker.state(p.clock()).Position)
		for _, s := range k.queue {
			p.w.tell("  a seat waits for %d, granted %v", s.units, s.granted)
		}
		if k.channels != nil {
			p.w.tell("  of channels %d are held, %d wanted, limit %d, others %d", k.channels.held, k.channels.want, k.channels.limit, k.channels.other)
			for n := k.most; n > 0; n-- {
				if k.channels.try(n) {
					p.w.tell("  %d of them are free", n)
					break
				}
			}
		}
	}
	s := p.engine.current()
	if s == nil {
		return
	}
	for _, l := range s.running() {
		for _, r := range inOrder(l.sched.routes) {
			p.w.tell("%s: %s: a route is blocked by %q until %v, %d in line", p.name, l.org.id, r.blocked.reason, r.blocked.until, r.line.len())
		}
		for _, j := range inOrder(l.sched.jobs) {
			p.w.tell("%s: %s: %s has %d queued, %d in flight, %d of them here, %d ending, a target of %d, is in line: %v",
				p.name, l.org.id, j.batch.ID, j.queued, j.inFlight, j.own, j.ending, j.limit.limit, j.inLine > 0)
		}
		p.w.tell("%s: %s: held %v, full %v, limit %d, %d calls", p.name, l.org.id, l.sched.held, l.sched.full, l.sched.limit, len(l.sched.calls))
	}
}

func (w *simWorld) stopAll() {
	if w.failure != "" {
		return
	}
	w.phase = "stopping"
	for _, s := range w.slots {
		s.proc.askToStop()
	}
	gone := func() bool {
		for _, s := range w.slots {
			if s.proc != nil {
				return false
			}
		}
		return true
	}
	w.run(w.now+int64(w.prof.drain+10*time.Minute), gone)
	if w.failure == "" && !gone() {
		w.fail("a process does not stop")
	}
}

// checkStopped judges what Run has left behind: dialers that do not end.
func (p *simProc) checkStopped() {
	w := p.w
	for _, t := range p.tasks {
		if t != w.current && !t.client && !t.dialing {
			w.fail("%s: Run has returned, and task %d goes on, which began at %v and went on %d times", p.name, t.id, time.Duration(t.born), t.turn-t.first)
		}
	}
	if until, known := w.ledger.leases[p.node]; known && until > w.now && w.phase == "stopping" {
		w.fail("%s: Run has returned, and %s has a lease", p.name, p.node)
	}
	for _, c := range w.clients.latest {
		if p.calmly && c.taken && !c.over && c.owner == p.node && c.claimer == p.node && !w.carrier(c.carrier).resumes && !p.dialing(c) {
			w.fail("%s: Run has returned and what became of %s is not written", p.name, c.id)
		}
	}
	w.seen.branch(drainedRun)
}

func (w *simWorld) carrier(name string) *simCarrier {
	for _, c := range w.carriers {
		if c.name == name {
			return c
		}
	}
	return nil
}

// dialing says that a dialer has the call yet.
func (p *simProc) dialing(c *simCall) bool {
	return slices.ContainsFunc(p.dials[c.carrier], func(d *simDial) bool { return d.call == c })
}

// checkFree judges an engine that has nothing to do: nothing is in use.
func (p *simProc) checkFree() {
	w, e := p.w, p.engine
	for _, o := range p.orgs {
		if e.orgs[o.id] != o || o.users != 1 {
			w.fail("%s: a loop of %s is left: %d users", p.name, o.id, o.users)
		}
		if !o.capacity.unused() {
			w.fail("%s: units of %s are in use, and no call is", p.name, o.id)
		}
	}
	switch s := e.current(); {
	case s == nil || len(s.loops) > 0 || !s.working.empty():
		w.fail("%s: loops are left", p.name)
	case s.readiness() != nil:
		w.fail("%s is not ready: %v", p.name, s.readiness())
	}
	for _, c := range w.carriers {
		k := e.carriers.get(c.name)
		if k == nil {
			w.fail("%s has no %s", p.name, c.name)
			return
		}
		k.mu.Lock()
		if k.units != 0 || k.kept != 0 || k.before != 0 || len(k.queue) > 0 {
			w.fail("%s: %d channels of %s are in use, %d kept, %d of former ones, %d wait", p.name, k.units, c.name, k.kept, k.before, len(k.queue))
		}
		if k.pace != nil && k.pace.onWay != 0 {
			w.fail("%s: %d calls are on their way to %s, and none is begun", p.name, k.pace.onWay, c.name)
		}
		if k.channels != nil && !k.channels.unused() {
			w.fail("%s: channels of %s are in use, and no call is", p.name, c.name)
		}
		k.mu.Unlock()
	}
}

// unused says that nobody has units.
func (c *capacity) unused() bool {
	free := c.sem.TryAcquire(maxUnits - c.held)
	if free {
		c.sem.Release(maxUnits - c.held)
	}
	return free
}

// checkEnds judges what is written of every recipient and call at last.
func (w *simWorld) checkEnds() {
	if w.failure != "" {
		return
	}
	ctx := context.Background()
	for _, k := range w.ledger.order {
		b, err := w.store.Batch(ctx, k.org, k.id)
		if err != nil {
			w.fail("batch %s: %v", k.id, err)
			return
		}
		w.ledger.saw(b)
		rs, err := w.store.Recipients(ctx, store.RecipientQuery{Org: k.org, BatchID: k.id})
		if err != nil || len(rs) != k.size {
			w.fail("batch %s has %d recipients of %d: %v", k.id, len(rs), k.size, err)
			return
		}
		counts := fsm.Counts{Unplaced: b.Counts.Unplaced}
		for i := range rs {
			counts.Add(rs[i].Status, 1)
			w.checkRecipient(k, &rs[i])
		}
		if counts != b.Counts {
			w.fail("batch %s counts %+v, its recipients are %+v", k.id, b.Counts, counts)
		}
		w.checkCalls(k)
	}
}

func (w *simWorld) checkRecipient(k *simBatch, r *store.Recipient) {
	placed := k.accepted[r.Index]
	switch {
	case !r.Status.Terminal():
		w.fail("recipient %d of %s ends as %v", r.Index, k.id, r.Status)
	case r.Status == fsm.Completed && placed == 0:
		w.fail("recipient %d of %s is completed, and no carrier ever took a call", r.Index, k.id)
	case r.Status != fsm.Cancelled && (r.CallID != "") == (r.Error != ""):
		w.fail("recipient %d of %s has a call or a message why there was none: %+v", r.Index, k.id, *r)
	}
}

func (w *simWorld) checkCalls(k *simBatch) {
	calls, err := w.store.Calls(context.Background(), store.CallQuery{Org: k.org, BatchID: k.id})
	if err != nil {
		w.fail("calls of %s: %v", k.id, err)
	}
	for i := range calls {
		c, known := &calls[i], w.ledger.calls[calls[i].ID]
		switch {
		case known == nil || !known.over || c.Status.InFlight():
			w.fail("%s is in flight at last", c.ID)
		case c.EndReason != known.reason || c.Unplaced != known.unplaced || c.EndReason.Valid() == c.Unplaced:
			w.fail("%s ended as %q (unplaced: %v); by its row it was %q (%v)",
				c.ID, known.reason, known.unplaced, c.EndReason, c.Unplaced)
		}
	}
}
