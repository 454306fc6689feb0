package batch

import (
	"math"
	"slices"
	"time"

	"github.com/outdial/outdial/store"
)

// A carrier is divided equally among the nodes that have calls to begin over it; where none has, among
// all. It cannot be divided at will: a part that does not hold one call, or allows less than one start
// a second, is of no use. Where there are fewer parts than nodes that need one, they take turns. Who has
// less than it needs draws a ticket, above all that it sees, and keeps it until it has enough: so the
// order of those that wait is the same for all who look, and who gave a part up comes last. Who has had
// one for leasesPerTurn leases while others waited gives it up.
//
// The pace holds over all nodes: in no second more calls begin than the carrier's rate and burst together.
// A node whose share grew goes by its former share for one more second. So what any node goes by, at any moment of a
// second, is no more than its share was when that second began, and those fit together. Each keeps
// within the whole calls that its share of rate and burst allows in a second.

const (
	leasesPerTurn = 3 // long against what passing a part on takes

	paceWindow = time.Second
)

// share is what other nodes say of a carrier.
type share struct {
	me     string
	others int // their shares, together
	tell   int // how many tell of one
	all    place
	needy  place      // among those that need some
	need   int        // the most that one of them needs
	queue  []lastDrew // that have less than they need

	lease time.Duration
	none  bool // this node begins no more calls

	announced bool // one of the others takes calls over

	takeover bool // this node may have calls by now that it has not counted yet
}

// place is that of this node, by id.
type place struct {
	others int
	rank   int // from 0
}

type lastDrew struct {
	ticket int
	node   string
}

func (p *place) count(other, me string) {
	p.others++
	if other < me {
		p.rank++
	}
}

func shareOf(carrier, me string, nodes []store.Node) share {
	s, marked := share{me: me}, mark(carrier)
	for _, n := range nodes {
		if n.ID == me {
			continue
		}
		s.announced = s.announced || keptBy(n, anyCarrier) > 0
		i := slices.Index(n.Carriers, carrier)
		if i < 0 {
			s.others += keptBy(n, marked)
			s.tell++
			continue
		}
		t := toldBy(n, i)
		s.tell++
		s.others += t.share
		if n.Lapsed { // it keeps what it had, and asks for nothing
			continue
		}
		s.all.count(n.ID, me)
		if t.need > 0 {
			s.needy.count(n.ID, me)
			s.need = max(s.need, t.need)
		}
		if t.ticket > 0 {
			s.queue = append(s.queue, lastDrew{t.ticket, n.ID})
		}
	}
	return s
}

// demand is the share without which this node cannot begin the calls that it has to begin; 0: it has none.
func (c *carrier) demand(s share, now time.Time) int {
	waiting := c.woken || len(c.queue)+len(c.watchers) > 0 || c.kept > 0 || (c.pace != nil && c.pace.waiting > 0)
	c.woken = false
	c.weigh(s, now)
	if s.none || (!waiting && (c.asked.IsZero() || now.Sub(c.asked) >= s.lease)) {
		return 0
	}
	if c.channels == nil {
		return 1
	}
	return (max(c.heaviest, 1)*whole + c.most - 1) / c.most
}

// asks tells that a call is to begin.
func (c *carrier) asks(s *seat, units int, now time.Time) {
	if c.asking == nil {
		c.asking = map[*seat]int{}
	}
	units = min(units, c.most)
	c.asking[s] = units
	if units >= c.heaviest {
		c.heaviest, c.heavyAt = units, now
	}
}

// weigh works out anew what the heaviest call needs, where none that heavy has asked for a lease: it is what those
// need that still wait.
func (c *carrier) weigh(s share, now time.Time) {
	if now.Sub(c.heavyAt) < s.lease {
		return
	}
	c.heaviest, c.heavyAt = 0, now
	for _, units := range c.asking {
		c.heaviest = max(c.heaviest, units)
	}
}

// enough says that one call fits into the share.
func (c *carrier) enough() bool {
	return c.startsWithin(c.share) > 0 && (c.channels == nil || portion(c.most, c.share) >= max(c.heaviest, 1))
}

// drawTicket has this node wait for its turn if it has less than it needs.
func (c *carrier) drawTicket(s share) {
	switch {
	case c.need == 0 || c.enough():
		c.ticket = 0
	case c.ticket == 0:
		c.ticket = 1
		for _, other := range s.queue {
			c.ticket = max(c.ticket, other.ticket+1)
		}
	}
}

// fair is the share that this node should have.
func (c *carrier) fair(s share, now time.Time) int {
	nodes, rank := s.all.others+1, s.all.rank
	switch {
	case s.none, c.need == 0 && s.needy.others > 0:
		return 0
	case c.need > 0:
		nodes, rank = s.needy.others+1, s.needy.rank
	}
	calls, starts := c.parts(max(c.need, s.need))
	parts := min(calls, starts)
	switch {
	case c.need > 0 && nodes > parts:
		return c.inTurn(s, parts, now)
	case calls == math.MaxInt && starts == math.MaxInt:
		return whole / nodes
	case calls == math.MaxInt, starts < math.MaxInt && c.startsWithin(calls/nodes*(whole/calls)) == 0:
		return divide(starts, nodes, rank) * whole / starts
	}
	call := c.most / calls // what does not divide into calls of the heaviest kind serves others
	mine := divide(calls, nodes, rank) * call
	if rank == nodes-1 {
		mine += c.most - calls*call
	}
	return mine * whole / c.most
}

// divide is how many of n parts the node with that rank gets.
func divide(n, nodes, rank int) int { return n*(rank+1)/nodes - n*rank/nodes }

// parts is how many calls there is room for and how many may start in a second, at least one; as many as
// there are numbers where there is no limit.
func (c *carrier) parts(need int) (calls, starts int) {
	calls, starts = math.MaxInt, math.MaxInt
	if c.channels != nil {
		calls = max(c.most/max(c.most*need/whole, 1), 1)
	}
	if c.pace != nil {
		starts = max(int(c.cps), 1)
	}
	return calls, starts
}

// inTurn is the share of a node where fewer than need one can have one.
func (c *carrier) inTurn(s share, parts int, now time.Time) int {
	part := whole / parts
	if c.enough() {
		if len(s.queue) > 0 && now.Sub(c.turn) >= leasesPerTurn*s.lease {
			return 0
		}
		return part
	}
	if c.ticket == 0 {
		return 0 // it draws one now
	}
	ahead := 0
	for _, o := range s.queue {
		if o.ticket < c.ticket || (o.ticket == c.ticket && o.node < s.me) {
			ahead++
		}
	}
	if ahead < (whole-s.others)/part {
		return part
	}
	return 0
}

// startsWithin is how many calls a share allows in a second. Those of all shares are no more than the
// carrier's rate and burst together.
func (c *carrier) startsWithin(share int) int {
	switch {
	case share == 0:
		return 0
	case c.pace == nil:
		return math.MaxInt
	}
	return int((c.cps + float64(c.burst)) * float64(share+1) / whole)
}

// setPace has the pace follow a share that grew, a second after it did.
func (c *carrier) setPace(now time.Time) {
	if c.pace == nil || c.paced >= c.share {
		return
	}
	if c.paceFrom.IsZero() {
		c.paceFrom = now.Add(paceWindow)
	}
	if !now.Before(c.paceFrom) {
		c.pace.fill(now)
		c.goBy(c.share)
	}
}

// goBy sets the pace to what a share allows.
func (c *carrier) goBy(share int) {
	c.paced = share
	part, most := float64(share)/whole, float64(c.startsWithin(share))
	if most == 0 {
		c.pace.set(0, 0, 0)
		return
	}
	c.pace.set(min(c.cps*part, most), max(float64(c.burst)*part, 1), most)
}
