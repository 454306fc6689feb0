package batch

import (
	"context"
	"hash/fnv"
	"math"
	"time"

	"github.com/outdial/outdial/store"
)

// A carrier is shared by the nodes that have it: each may use a share of its channels and of its pace,
// and the shares of all that live are never more than the whole. A node tells its shares with each
// heartbeat. One that has more than is fair begins no call until it has not, and gives up what its calls
// do not use. One that has less first says what it would like, then looks at what the others say, and
// takes it only if all of that fits: of two that want the same at least one sees the other. What is fair
// decides only what a node asks for and what it gives up, so nodes that see it differently lose time, and
// nothing else.
//
// What is fair is a question of demand, see demand.go.
//
// The share of a node that died stays its own until the calls that it leaves behind have been taken over, see
// takeover.go.

// whole is all of a carrier. Shares are counted in millionths.
const whole = 1_000_000

// tell puts into n what the node says of its carriers: in Shares first what it keeps others from using
// of each, then what it needs of each, then its tickets; behind them, in pairs, marks of carriers that it does not have
// and what it keeps of them all the same: what its calls use where one was taken away from it, everything while it
// takes calls over. It returns the takeover that it has told; 0: none.
func (c *carriers) tell(n *store.Node) (takeover int64) {
	takeover = c.takeover.Load() // first: what is taken over counts by the time that it is over
	c.swapping.Lock()
	defer c.swapping.Unlock()
	n.Carriers = c.names()
	k := len(n.Carriers)
	n.Shares = make([]int, 3*k)
	for i, name := range n.Carriers {
		t := c.get(name).told()
		n.Shares[i], n.Shares[k+i], n.Shares[2*k+i] = t.share, t.need, t.ticket
		if takeover != 0 {
			n.Shares[i] = whole
		}
	}
	for _, one := range inOrder(c.retiring) {
		if share := one.inUseShare(); share > 0 {
			n.Shares = append(n.Shares, mark(one.name), share)
		}
	}
	if takeover != 0 {
		n.Shares = append(n.Shares, anyCarrier, whole)
	}
	return takeover
}

// mark stands for a carrier's name where there is only room for numbers. Two names with one mark keep each other's
// channels, no more.
func mark(name string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // it never fails
	return max(int(h.Sum32()&math.MaxInt32), anyCarrier+1)
}

const anyCarrier = 0 // the mark of all

// keptBy returns what n keeps of a carrier that it does not have.
func keptBy(n store.Node, carrier int) (share int) {
	const perCarrier = 3
	for i := perCarrier * len(n.Carriers); i+1 < len(n.Shares); i += 2 {
		if n.Shares[i] == carrier || n.Shares[i] == anyCarrier {
			share += n.Shares[i+1]
		}
	}
	return share
}

// told is what a node tells of a carrier.
type told struct {
	share  int // what it keeps others from using
	need   int // without which it cannot begin the calls that it has to begin; 0: it has none
	ticket int // its place among those that have less than they need; 0: it has enough
}

// toldBy returns what n tells of its carrier at an index. One that only tells shares may need some.
func toldBy(n store.Node, i int) told {
	k := len(n.Carriers)
	at := func(i int) int {
		if i < len(n.Shares) {
			return n.Shares[i]
		}
		return 0
	}
	t := told{share: at(i), need: at(k + i), ticket: at(2*k + i)}
	if len(n.Shares) <= k {
		t.need = 1
	}
	return t
}

// settle brings this node's shares nearer to what is fair, and says whether there is something new to tell.
func (s *session) settle(nodes []store.Node) (news bool) {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	now := s.e.sys.now()
	for _, name := range s.e.carriers.names() {
		c := s.e.carriers.get(name)
		if c == nil {
			continue
		}
		of := shareOf(name, s.node.ID, nodes)
		of.lease, of.none, of.takeover = s.e.cfg.Lease, draining, s.e.carriers.takeover.Load() != 0
		if c.settle(of, now) {
			news = true
		}
	}
	return news
}

// renew renews the lease and with it the shares: what is wanted is told, and then taken if it is free.
func (s *session) renew(ctx context.Context) error {
	const most = 4 // a ticket is told, what is wanted is told, what was told is taken
	for range most {
		s.node.Beat++ // by one goroutine at a time
		if err := s.heartbeat(ctx, s.e.cfg.Lease); err != nil {
			return err
		}
		nodes, err := s.nodes(ctx)
		if err != nil { // the lease runs, and what others have they do not have from this node
			s.e.cfg.Logger.WarnContext(ctx, "asking for the nodes that share carriers failed", "error", err)
			return nil
		}
		if !s.settle(s.look(nodes)) {
			return nil
		}
	}
	return nil
}

func (s *session) nodes(ctx context.Context) ([]store.Node, error) {
	ctx, cancel := s.e.sys.timeout(ctx, s.patience()) // the next heartbeat comes behind it
	defer cancel()
	return s.e.cfg.Store.Nodes(ctx)
}

// hungry says that this node has less of a carrier than is fair or than it needs, so that it is worth asking soon.
func (s *session) hungry() bool {
	for _, name := range s.e.carriers.names() {
		if c := s.e.carriers.get(name); c != nil && c.lacks() {
			return true
		}
	}
	return false
}

func (c *carrier) lacks() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.share < c.due || c.ticket > 0
}

func (c *carrier) told() told {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tells()
}

// tells is what this node tells: the share that it may use, or would like to, or that calls use which
// it has taken over, or that are on their way since it had a larger one.
func (c *carrier) tells() told {
	share := max(c.share, c.wants, c.used(), min(c.share+c.startsAbove(), whole))
	return told{share: share, need: c.need, ticket: c.ticket}
}

// startsAbove is the share that those calls need which a slow store holds up and that the present one does not allow
// for: they begin all the same.
func (c *carrier) startsAbove() int {
	const rounding = 1e-6
	if c.pace == nil || c.pace.above() <= rounding {
		return 0
	}
	return int(math.Ceil(c.pace.above() * whole / (c.cps + float64(c.burst))))
}

func (c *carrier) settle(s share, now time.Time) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone { // who has its name in a moment goes on with what was told last
		return false
	}
	before, had := c.tells(), c.enough()
	if c.wants > c.share && c.wants+s.others <= whole && !s.takeover {
		c.setShare(c.wants)
	}
	c.wants = 0
	c.makeRoom(s)
	if c.enough() && !had {
		c.turn = now
	}
	c.need = c.demand(s, now)
	fair := c.fair(s, now)
	c.due = fair
	switch free := whole - s.others; {
	case c.share > fair:
		c.setShare(fair) // no call begins until they fit; what the others have until then is in told
	case c.share < fair && free > c.share && !s.takeover:
		c.wants = min(fair, free)
	}
	c.drawTicket(s)
	c.setPace(now)
	return c.tells() != before
}

// makeRoom gives up what calls of other nodes have above their shares, as the carrier has fewer channels by now: none
// begins here before enough of them have ended. It is not for who takes calls over, who keeps everything from others
// and uses none of it.
func (c *carrier) makeRoom(s share) {
	over := c.share + s.others - whole
	rounding := 1 + s.tell // each tells whole parts of what its calls use
	if c.most > 0 && over > rounding && !s.takeover && !s.announced {
		c.setShare(max(c.share-over, 0))
	}
}

// used is the share that its calls have, those that are left behind, and those that are about to begin.
func (c *carrier) used() int {
	if c.most == 0 {
		return 0
	}
	return min(((c.units+c.before+c.behind+c.kept)*whole+c.most-1)/c.most, whole)
}

func (c *carrier) inUseShare() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used()
}

// setShare changes what this node may use. The pace follows: at once where that is less, else as setPace says.
func (c *carrier) setShare(share int) {
	if share == c.share {
		return
	}
	if share > c.share {
		c.paceFrom = time.Time{}
	}
	c.share = share
	if c.pace != nil && c.paced > share {
		c.goBy(share)
	}
	if c.channels != nil {
		c.channels.setLimit(portion(c.most, share))
		c.handOver()
	}
	c.wakeAll()
}

// portion is the part of n that a share is.
func portion(n, share int) int { return n * (share + 1) / whole } // 1, since fair rounds down

// surrender gives up all shares: whoever begins a session has none yet.
func (c *carriers) surrender() {
	c.swapping.Lock()
	defer c.swapping.Unlock()
	c.shared = true
	c.takeover.Store(0)
	for _, one := range c.all() {
		one.mu.Lock()
		one.behind = 0 // whoever is left behind is told of by the session that was
		one.setShare(0)
		one.mu.Unlock()
	}
	for _, one := range c.retiring {
		one.mu.Lock()
		one.behind = 0
		one.mu.Unlock()
	}
}
