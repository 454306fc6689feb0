package batch

import (
	"time"

	"github.com/outdial/outdial/dialer"
)

// simFaults has things go wrong, as long as it is active.
type simFaults struct{ active bool }

func (w *simWorld) beginFaults() {
	w.faults.active = true
	for _, f := range []struct {
		kind  faultKind
		every time.Duration
		do    func()
	}{
		{nodeCrash, 12 * time.Minute, w.crashOne},
		{nodePause, 12 * time.Minute, w.pauseOne},
		{nodeRestart, 20 * time.Minute, w.restartOne},
		{clockJump, 15 * time.Minute, w.setClock},
		{storeCut, 15 * time.Minute, w.cutOne},
		{swapDialers, 15 * time.Minute, w.swapOne},
		{carrierDown, 15 * time.Minute, w.carrierGoesDown},
		{limitChanges, 3 * time.Minute, w.changeLimit},
		{directoryFails, 15 * time.Minute, w.directoryGoesDown},
		{channelsChange, 6 * time.Minute, w.changeChannels},
		{paceChanges, 10 * time.Minute, w.changePace},
		{numberChanges, 5 * time.Minute, w.changeNumber},
	} {
		if w.prof.on[f.kind] {
			w.again(f.kind, w.prof.scaled(f.every)/time.Duration(w.prof.storm), f.do)
		}
	}
	w.inspect()
}

func (w *simWorld) again(k faultKind, every time.Duration, do func()) {
	w.do(w.between(every/4, every*7/4), func() {
		if w.faults.active {
			do()
			w.again(k, every, do)
		}
	})
}

// inspect looks now and then into the engines for what is not seen from outside.
func (w *simWorld) inspect() {
	w.do(30*time.Second, func() {
		for _, s := range w.slots {
			if s.proc != nil && s.proc.engine != nil {
				s.proc.inspect()
			}
		}
		if w.faults.active {
			w.inspect()
		}
	})
}

func (p *simProc) inspect() {
	now := p.clock()
	for _, c := range p.w.carriers {
		k := p.engine.carriers.get(c.name)
		if k == nil {
			continue
		}
		if now.Before(k.breaker.restUntil) {
			p.w.seen.branch(carrierRested)
		}
		if k.breaker.tripped {
			p.w.seen.branch(breakerTripped)
		}
		for _, b := range k.callers {
			if now.Before(b.restUntil) {
				p.w.seen.branch(callerRested)
			}
		}
	}
}

// someProc returns one that runs, nil where there is none.
func (w *simWorld) someProc() *simProc {
	at := w.rng.IntN(len(w.slots))
	for i := range w.slots {
		if p := w.slots[(at+i)%len(w.slots)].proc; p != nil && !p.dead {
			return p
		}
	}
	return nil
}

func (w *simWorld) crashOne() {
	if p := w.someProc(); p != nil {
		p.crash(nodeCrash)
	}
}

func (p *simProc) crash(k faultKind) {
	w := p.w
	w.seen.fault(k)
	w.tell("%s: %v", p.name, k)
	s, node := p.slot, p.node
	p.kill()
	w.do(w.between(0, w.prof.lease/2), func() { w.cancelStranded(node) })
	s.startIn(w.between(500*time.Millisecond, 2*w.prof.lease))
}

// crashAt crashes the process now and then just after something happened on its behalf.
func (p *simProc) crashAt(k faultKind, what string) {
	w := p.w
	if !w.faults.active || !w.prof.on[k] || p.dead || p.slot == nil || what == "active" || what == "heartbeat" ||
		!w.chance(400/w.prof.storm) {
		return
	}
	w.do(0, func() {
		if !p.dead {
			p.crash(k)
		}
	})
}

// pauseAt pauses it now and then at the moment at which it learns what it has claimed, which is
// before it dials or after it has decided to.
func (p *simProc) pauseAt(k faultKind, after time.Duration) {
	w := p.w
	if !w.faults.active || !w.prof.on[k] || !w.chance(60/w.prof.storm) {
		return
	}
	w.do(after, func() {
		if !p.dead && !p.paused {
			p.pauseFor(k)
		}
	})
}

func (w *simWorld) pauseOne() {
	if p := w.someProc(); p != nil && !p.paused {
		p.pauseFor(nodePause)
	}
}

// pauseFor pauses it for a moment, or until its lease is long over.
func (p *simProc) pauseFor(k faultKind) {
	w := p.w
	w.seen.fault(k)
	p.pause()
	d := w.between(0, w.prof.lease/2)
	if w.chance(2) {
		d = w.between(w.prof.lease, 4*w.prof.lease)
	}
	w.do(d, p.resume)
}

func (w *simWorld) restartOne() {
	if p := w.someProc(); p != nil {
		w.seen.fault(nodeRestart)
		p.askToStop()
		p.swapAtTheEnd()
	}
}

func (w *simWorld) setClock() {
	s := w.slots[w.rng.IntN(len(w.slots))]
	w.seen.fault(clockJump)
	s.skew = int64(w.between(-time.Hour, time.Hour))
	if s.skew == 0 || w.chance(3) {
		s.skew = 0
	}
	if s.proc != nil {
		s.proc.skew = s.skew
	}
	w.tell("the clock of slot %d is set %v off", s.index, time.Duration(s.skew))
}

func (w *simWorld) cutOne() {
	s := w.slots[w.rng.IntN(len(w.slots))]
	if s.cut {
		return
	}
	w.seen.fault(storeCut)
	s.cut = true
	s.trouble()
	w.tell("slot %d is cut from the store", s.index)
	w.do(w.between(time.Second, 3*w.prof.lease), func() { s.cut = false; s.trouble(); w.tell("slot %d reaches the store", s.index) })
}

// trouble tells that the process of the slot is kept from its work.
func (s *simSlot) trouble() {
	if s.proc != nil {
		s.proc.troubled = s.w.now
	}
}

// swapOne gives a process other dialers for its carriers, or the same.
func (w *simWorld) swapOne() {
	p := w.someProc()
	if p == nil || p.paused {
		return
	}
	w.seen.fault(swapDialers)
	keep := map[string]dialer.Dialer{}
	for _, c := range w.carriers {
		if k := p.engine.carriers.get(c.name); k != nil && w.chance(2) {
			keep[c.name] = k.dialer
		}
	}
	p.without = nil
	if w.chance(3) {
		p.without = w.carriers[w.rng.IntN(len(w.carriers))]
	}
	p.swap(keep)
}

// swapAtTheEnd has a process that stops get another dialer when it has let go of its calls.
func (p *simProc) swapAtTheEnd() {
	w := p.w
	if w.prof.on[swapStopping] {
		c := w.carriers[w.rng.IntN(len(w.carriers))]
		w.do(max(w.prof.drain, 0)+w.between(0, 2*w.prof.grace), func() {
			if !p.dead {
				w.seen.fault(swapStopping)
				p.renew(c)
			}
		})
	}
}

// swap gives it the dialers that it should have.
func (p *simProc) swap(keep map[string]dialer.Dialer) {
	w := p.w
	w.tell("%s gets other dialers, keeps %d, without one: %v", p.name, len(keep), p.without != nil)
	t := w.spawn(p, func() {
		if _, err := p.engine.SetDialers(p.dialers(keep)); err != nil {
			w.fail("SetDialers: %v", err)
		}
	})
	t.client = true
}

func (w *simWorld) carrierGoesDown() {
	c := w.carriers[w.rng.IntN(len(w.carriers))]
	w.seen.fault(carrierDown)
	c.down = true
	if w.prof.on[carrierReplyLost] && w.chance(3) {
		c.answers()
		c.breaks = true
	}
	w.tell("%s is down, or breaks its calls: %t", c.name, c.breaks)
	w.do(w.between(5*time.Second, 5*time.Minute), c.comeUp)
}

func (c *simCarrier) comeUp() {
	c.answers()
	c.breaks = false
	c.w.tell("%s is up", c.name)
}

// answers has it be down no more.
func (c *simCarrier) answers() {
	if c.down {
		c.down, c.wasDown = false, c.w.now
	}
}

func (w *simWorld) changeLimit() {
	o := w.orgs[w.rng.IntN(len(w.orgs))]
	w.seen.fault(limitChanges)
	o.setLimit(w, w.rng.IntN(w.prof.mostLimit+2))
}

func (w *simWorld) directoryGoesDown() {
	o := w.orgs[w.rng.IntN(len(w.orgs))]
	w.seen.fault(directoryFails)
	o.down = true
	w.tell("the directory of %s is down", o.name)
	w.do(w.between(time.Second, 5*time.Minute), func() { o.recover(w) })
}
