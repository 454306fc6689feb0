package batch

import (
	"context"
	"slices"

	"golang.org/x/time/rate"

	"github.com/outdial/outdial/store"
)

// A carrier is shared by the nodes that have it: each may use a share of its channels and of its pace,
// and the shares of all that live are never more than the whole. A node tells its shares with each
// heartbeat. One that has more than is fair begins no call until it has not, and gives up what its calls
// do not use. One that has less first says what it would like, then looks at what the others say, and
// takes it only if all of that fits: of two that want the same at least one sees the other.
//
// The shares of a node that died are free when its lease has run out. The calls that it leaves behind
// then count where they are taken over.

// whole is all of a carrier. Shares are counted in millionths.
const whole = 1_000_000

// tell puts into n what the node says of its carriers.
func (c *carriers) tell(n *store.Node) {
	n.Carriers = c.names()
	n.Shares = make([]int, len(n.Carriers))
	for i, name := range n.Carriers {
		if one := c.get(name); one != nil { // it may have been taken away since
			n.Shares[i] = one.told()
		}
	}
}

// share is what other nodes say of a carrier.
type share struct {
	others int // their shares, together
	nodes  int // that have it, this one too
	rank   int // of this one among them, from 0

	none bool // this node begins no more calls
}

func shareOf(carrier, me string, nodes []store.Node) share {
	s := share{nodes: 1}
	for _, n := range nodes {
		i := slices.Index(n.Carriers, carrier)
		if n.ID == me || i < 0 {
			continue
		}
		s.nodes++
		if n.ID < me {
			s.rank++
		}
		if i < len(n.Shares) {
			s.others += n.Shares[i]
		}
	}
	return s
}

// settle brings this node's shares nearer to what is fair, and says whether there is something new to tell.
func (s *session) settle(nodes []store.Node) (news bool) {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	for _, name := range s.e.carriers.names() {
		c := s.e.carriers.get(name)
		if c == nil {
			continue
		}
		of := shareOf(name, s.node.ID, nodes)
		of.none = draining
		if c.settle(of) {
			news = true
		}
	}
	return news
}

// renew renews the lease and with it the shares: what is wanted is told, and then taken if it is free.
func (s *session) renew(ctx context.Context) error {
	const most = 3 // what changed is told, what was told is taken
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
		if !s.settle(nodes) {
			return nil
		}
	}
	return nil
}

func (s *session) nodes(ctx context.Context) ([]store.Node, error) {
	ctx, cancel := s.e.sys.timeout(ctx, s.e.cfg.StoreTimeout)
	defer cancel()
	return s.e.cfg.Store.Nodes(ctx)
}

// hungry says that this node has less of a carrier than is fair, so that it is worth asking soon.
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
	return c.share < c.due
}

// told is the share that this node tells: what it may use, or would like to, or what calls use that
// it has taken over.
func (c *carrier) told() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.share, c.wants, c.used())
}

func (c *carrier) settle(s share) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := max(c.share, c.wants, c.used())
	if c.wants > c.share && c.wants+s.others <= whole {
		c.setShare(c.wants)
	}
	c.wants = 0
	fair := c.fair(s)
	c.due = fair
	switch free := whole - s.others; {
	case c.share > fair:
		c.setShare(fair) // no call begins until they fit; what the others have until then is in told
	case c.share < fair && free > c.share:
		c.wants = min(fair, free)
	}
	return max(c.share, c.wants, c.used()) != before
}

// fair is an equal share: of the channels, where those are limited, as far as they can be divided without
// leaving every node less than one call needs.
func (c *carrier) fair(s share) int {
	switch {
	case s.none:
		return 0
	case c.channels == nil:
		return whole / s.nodes
	}
	call := max(c.heaviest, 1)
	calls := c.most / call
	mine := (calls*(s.rank+1)/s.nodes - calls*s.rank/s.nodes) * call
	if s.rank == s.nodes-1 {
		mine += c.most % call
	}
	return mine * whole / c.most
}

// used is the share that its calls have, and those that are about to begin.
func (c *carrier) used() int {
	if c.most == 0 {
		return 0
	}
	return min(((c.units+c.before+c.kept)*whole+c.most-1)/c.most, whole)
}

// setShare changes what this node may use.
func (c *carrier) setShare(share int) {
	if share == c.share {
		return
	}
	c.share = share
	part := float64(share) / whole
	if c.channels != nil {
		c.channels.setLimit(c.most * (share + 1) / whole) // 1, since fair rounds down
		c.handOver()
	}
	if c.pace != nil {
		c.pace.SetLimit(rate.Limit(c.cps * part))
		c.pace.SetBurst(max(int(float64(c.burst)*part), 1))
	}
	c.wakeAll()
}

// surrender gives up all shares: whoever begins a session has none yet.
func (c *carriers) surrender() {
	c.swapping.Lock()
	defer c.swapping.Unlock()
	c.shared = true
	for _, one := range c.all() {
		one.mu.Lock()
		one.setShare(0)
		one.mu.Unlock()
	}
}
