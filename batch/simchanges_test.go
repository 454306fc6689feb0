package batch

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
)

// changing is the bit of a seed that has what usually stays change as well: the limits of carriers and the carriers of
// numbers. There both carriers have limits of their own, calls are heavier, nodes have regions, there may be more of
// them, and the directory fails for agents, too. A seed without it is the play that it always was.
const changing = 1 << 63

// many is how many nodes are.
const many = 5

// drawChanges adds that to a profile.
func (p *profile) drawChanges(r *rand.Rand) {
	const plays = 100 // of which a few have many nodes: those take long
	p.changing = true
	switch n := r.IntN(plays); {
	case n < 1:
		p.nodes = maxSlots
	case n < 6:
		p.nodes = many
	}
	for k := channelsChange; k < faultKinds; k++ {
		p.on[k] = r.IntN(2) == 0
	}
	if p.on[channelsChange] {
		p.channels, p.mostLimit = both(pick(r, 3, 5, 8, 20)), max(p.mostLimit, 12)
	}
	p.regions = r.IntN(3) == 0
	if p.channels[0] > 0 && r.IntN(2) == 0 {
		p.channels = [2]int{pick(r, 0, 2, 3, 5, 7), pick(r, 2, 3, 4, 9)}
	}
	p.heaviest = pick(r, 2, 3)
	for _, n := range p.channels {
		if n > 0 {
			p.heaviest = min(p.heaviest, n)
		}
	}
}

// usualLimits are those of a carrier where nobody changes them.
func (w *simWorld) usualLimits(carrier int) dialer.Limits {
	return dialer.Limits{Channels: w.prof.channels[carrier], CPS: w.prof.cps, Burst: w.prof.burst}
}

// regions are those that the node serves: whoever is asked for, some node does.
func (s *simSlot) regions() []string {
	const every = 2
	switch {
	case !s.w.prof.regions:
		return nil
	case s.index%every == 0:
		return []string{"EU"}
	}
	return []string{"US", "EU"}
}

// serves says whether the node may claim from a batch.
func (s *simSlot) serves(k *simBatch) bool {
	served := s.regions()
	if served == nil {
		return true
	}
	s.w.seen.branch(regionServed)
	return slices.Contains(served, k.region)
}

// changeChannels has a carrier take more calls at once, or fewer: often fewer than it has.
func (w *simWorld) changeChannels() {
	const most = 2 // times as many as usual
	c := w.carriers[w.rng.IntN(len(w.carriers))]
	for _, o := range w.carriers {
		if w.prof.channels[o.index] > 0 && o.inUse() > c.inUse() { // there it matters
			c = o
		}
	}
	usual := w.prof.channels[c.index]
	if usual == 0 {
		return
	}
	w.seen.fault(channelsChange)
	l := c.limits
	l.Channels = 1 + w.rng.IntN(most*usual)
	if used := c.inUse(); used > most && w.chance(2) {
		l.Channels = most + w.rng.IntN(used-most)
	}
	c.setLimits(l)
}

// inUse is how many channels calls use.
func (c *simCarrier) inUse() (n int) {
	for _, k := range c.w.ledger.begunAt[c.name] {
		if !k.over && k.dial.c == c {
			n += k.channels(c.w.ledger)
		}
	}
	return n
}

// changePace has a carrier take calls faster, or more slowly.
func (w *simWorld) changePace() {
	c := w.carriers[w.rng.IntN(len(w.carriers))]
	if w.prof.cps > 0 {
		w.seen.fault(paceChanges)
		l := c.limits
		l.CPS, l.Burst = pick(w.rng, 0.2, 0.5, 1, 2, 5, 20), pick(w.rng, 0, 0, 1, 3)
		c.setLimits(l)
	}
}

// setLimits has the carrier have other limits from now on, of which each process learns within a while, as its host
// reads the configuration again.
func (c *simCarrier) setLimits(l dialer.Limits) {
	const latest = 10 * time.Second
	w := c.w
	c.fill()
	c.former, c.limits = append(c.former, c.limits), l
	w.tell("%s takes %d calls at once, and %v a second after %d", c.name, l.Channels, l.CPS, l.Burst)
	for _, s := range w.slots {
		if p := s.proc; p != nil {
			w.do(w.between(0, latest), func() { p.renew(c) })
		}
	}
}

// renew gives it another dialer for the carrier, and leaves the others.
func (p *simProc) renew(c *simCarrier) {
	if p.dead || p.engine == nil {
		return
	}
	keep := map[string]dialer.Dialer{}
	for _, o := range p.w.carriers {
		if k := p.engine.carriers.get(o.name); k != nil && o != c {
			keep[o.name] = k.dialer
		}
	}
	p.swap(keep)
}

// changeNumber has an organisation's number leave over other carriers, or by other weights.
func (w *simWorld) changeNumber() {
	o := w.orgs[w.rng.IntN(len(w.orgs))]
	w.seen.fault(numberChanges)
	n := o.number
	n.Weights = nil
	switch w.rng.IntN(4) {
	case 0:
		n.Carriers = []string{w.carriers[w.rng.IntN(len(w.carriers))].name}
	case 1:
		n.Carriers = []string{"west", "east"}
	case 2:
		n.Carriers = []string{"east", "west"}
	default:
		n.Carriers, n.Weights = []string{"east", "west"}, []int{1 + w.rng.IntN(3), 1 + w.rng.IntN(3)}
	}
	o.number = n
	w.tell("%s calls over %v, weights %v", o.name, n.Carriers, n.Weights)
}
