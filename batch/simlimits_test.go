package batch

import (
	"cmp"
	"math"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// A carrier whose limits are changed is called by the former ones as long as somebody does not know. What each knows
// is counted in changes: whoever knows of n of them goes by the limits after the n-th. Nobody can begin a call at a
// carrier that is full of what others use if they have not said so; hence what a call is judged by is what its node
// knew, and which of the others had told what they use of the limits as they are by then, when it last asked them.

// simTold is when a node has first told its shares, knowing of so many changes.
type simTold struct {
	at      int64
	changes int
}

// simPlan is what a process goes by at a carrier.
type simPlan struct {
	knew int   // the changes that it knows of
	read int64 // when the other nodes were last read of which none was taking calls over, so that it made room for them
}

// largestSince is, of each limit, the largest that somebody may go by who knows of so many changes at least.
func (c *simCarrier) largestSince(changes int) dialer.Limits {
	most := c.limits
	most.Burst = burstOf(most)
	for _, l := range c.former[min(changes, len(c.former)):] {
		most.Channels = max(most.Channels, l.Channels)
		most.CPS = max(most.CPS, l.CPS)
		most.Burst = max(most.Burst, burstOf(l))
	}
	return most
}

// burstOf is how many calls a carrier takes in one instant.
func burstOf(l dialer.Limits) int {
	const tenth = 10
	if l.Burst > 0 {
		return l.Burst
	}
	return max(int(l.CPS)/tenth, 1)
}

// knows is of how many changes of a carrier's limits the process knows. Of one that was taken away from it, it tells
// what its calls use of the channels as they were then.
func (p *simProc) knows(c *simCarrier) int {
	k := cmp.Or(p.engine.carriers.get(c.name), p.engine.carriers.retiring[c.name])
	if k == nil {
		return len(c.former)
	}
	if d, ok := k.dialer.(*simResumer); ok {
		return d.knows
	}
	return k.dialer.(*simDialer).knows
}

func (p *simProc) known() (all [2]int) {
	for _, c := range p.w.carriers {
		all[c.index] = p.knows(c)
	}
	return all
}

// learned takes note of what a node knew when it told its shares.
func (l *simLedger) learned(node string, knew [2]int) {
	for _, c := range l.w.carriers {
		if knew[c.index] > c.toldBy(node, math.MaxInt64) {
			c.told[node] = append(c.told[node], simTold{l.w.now, knew[c.index]})
		}
	}
}

// toldBy is what a node knew when it had last told its shares before some time.
func (c *simCarrier) toldBy(node string, at int64) (changes int) {
	for _, t := range c.told[node] {
		if t.at < at {
			changes = t.changes
		}
	}
	return changes
}

// heard takes note that the process has read the other nodes, as they were at some time. A node that takes calls over
// keeps all of every carrier from the others meanwhile, also when it has died of it: nobody can know then what it uses
// in the end, and the others keep their shares.
func (p *simProc) heard(nodes []store.Node, at int64) {
	w := p.w
	if p.engine.carriers.takeover.Load() != 0 {
		return
	}
	for _, n := range nodes {
		mourned := n.Lapsed && w.now-w.ledger.leases[n.ID] >= int64(mourning*w.prof.lease)
		if n.ID != p.node && !mourned && keptBy(n, anyCarrier) > 0 {
			return
		}
	}
	for i := range p.plan {
		p.plan[i].read = at
	}
}

// planned takes note of what a step is planned by.
func (l *simLedger) planned(p *simProc, s *store.Step) {
	if l.w.prof.changing {
		known, plan := p.known(), p.plan
		for i := range plan {
			plan[i].knew = known[i]
		}
		l.plans[planner{s.Owner, s.Org}] = plan
	}
}

func (l *simLedger) planOf(s *store.Step, carrier string) simPlan {
	if !l.w.prof.changing {
		return simPlan{}
	}
	return l.plans[planner{s.Owner, s.Org}][l.w.carrier(carrier).index]
}

// counts says whether who was to begin a call must have known what another one uses of so many channels: it is its own,
// or who began the other one had told its use, and that it goes by no more than those, when the nodes were read. What a
// node died with before it told that counts by its share of the channels as they were, whoever has it now.
func (d *simDial) counts(c *simCall, most int) bool {
	if c.claimer == d.call.claimer || len(d.c.former) == 0 {
		return true
	}
	return d.c.largestSince(d.c.toldBy(c.claimer, d.call.plan.read)).Channels <= most
}

// mostPace is the fastest that a process goes by which runs now and has the carrier: its tokens come by that.
func (c *simCarrier) mostPace() dialer.Limits {
	changes := len(c.former)
	for _, s := range c.w.slots {
		if p := s.proc; changes > 0 && p != nil && p.engine != nil && p.engine.carriers.get(c.name) != nil {
			changes = min(changes, p.knows(c))
		}
	}
	return c.largestSince(changes)
}

// faster says that limits allow more calls in some time than others do.
func faster(a, b dialer.Limits) bool { return a.CPS > b.CPS || burstOf(a) > burstOf(b) }

// usedLate says that a call was planned by a pace that nobody goes by any more: the store has held it up. It has had
// its token by then.
func (d *simDial) usedLate(now dialer.Limits) bool {
	return faster(d.c.largestSince(d.call.plan.knew), now)
}
