package batch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/store"
)

// Calls of a dead node go on at their carriers, so their channels must not be given to others while they pass from
// one node to the next. Three rules see to it: the share that a dead node told of stays its own while calls are its
// own (store.Node.Lapsed); who takes calls over first announces that it keeps everything, and takes no larger share,
// until it has counted all of them; and who stops tells what the calls use that it leaves behind.
//
// Somebody may keep an organisation locked, and so a call from being taken over. That is not to stop all others for
// ever: mourning leases after a node's was over its share is nobody's, and a takeover that lasts as long is over,
// whatever is missing.
const mourning = 6

// lapses are the nodes that have left calls behind, as the nodes were last read.
type lapses struct {
	ids   string // empty: there are none
	fresh bool   // one of them is still mourned, so a takeover is to be announced
}

// look takes note of the nodes that have left calls behind, and returns those whose shares count.
func (s *session) look(nodes []store.Node) []store.Node {
	var now time.Time // at the store, a moment ago
	for _, n := range nodes {
		if n.ID == s.node.ID {
			now = n.ExpiresAt.Add(-s.e.cfg.Lease)
		}
	}
	var l lapses
	var ids []string
	nodes = slices.DeleteFunc(nodes, func(n store.Node) bool {
		if !n.Lapsed {
			return false
		}
		ids = append(ids, n.ID)
		fresh := now.Sub(n.ExpiresAt) < mourning*s.e.cfg.Lease
		l.fresh = l.fresh || fresh
		return !fresh
	})
	slices.Sort(ids)
	l.ids = strings.Join(ids, " ")
	if before := s.lapses.Swap(&l); before == nil || *before != l {
		s.bell.ring()
	}
	return nodes
}

// adopt takes over the calls of nodes whose lease ran out: each is resumed where its
// carrier can tell what became of it, and otherwise ends, its fate unknown. Nobody is
// dialled again because of it. It says whether there are none left, by what was last read of the nodes.
func (s *session) adopt(ctx context.Context) bool {
	l := s.lapses.Load()
	if l == nil {
		s.pulse.ring() // they were not read
		return false
	}
	var err error
	if s.adopts(l) {
		if (l.fresh || l.ids == "") && !s.announce() {
			return false
		}
		if err = s.adoptAll(ctx); err == nil {
			s.adoptedOf, s.adopted = l.ids, s.e.sys.now()
		}
		s.late = s.late || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	}
	if err == nil && s.doubts() {
		err = s.reclaim(ctx)
	}
	if err == nil {
		return true
	}
	s.unsure.Store(true)
	if ctx.Err() == nil {
		s.e.cfg.Logger.WarnContext(ctx, "taking over calls failed", "error", err)
	}
	return false
}

// adopts says whether to look for calls to take over. Those of nodes for which it was all done are left to somebody
// else, who has their carrier. A store may fail to list who has left some, so it is looked now and then in any case.
func (s *session) adopts(l *lapses) bool {
	since := s.e.sys.now().Sub(s.adopted)
	if l.ids != "" && l.ids != s.adoptedOf {
		return true
	}
	return l.ids != "" && since >= s.e.cfg.Lease || since >= mourning*s.e.cfg.Lease
}

func (s *session) adoptAll(ctx context.Context) error {
	const page = 500
	for ctx.Err() == nil {
		asked := s.e.sys.now()
		orphans, err := s.adoptPage(ctx, page)
		if err != nil { // what it told of them may be old, and reclaim finds them
			return err
		}
		for _, c := range orphans {
			s.handOver(c, asked) //nolint:contextcheck // a call outlives the loop that follows it: see place
		}
		if len(orphans) == 0 { // fewer than were asked for does not mean that
			return nil
		}
	}
	return ctx.Err()
}

func (s *session) adoptPage(ctx context.Context, limit int) ([]store.Claimed, error) {
	ctx, cancel := s.e.sys.timeout(ctx, s.e.cfg.StoreTimeout)
	defer cancel()
	return s.e.cfg.Store.Adopt(ctx, s.node.ID, limit)
}

// announce has the other nodes told that a takeover is under way, and says whether they have been.
func (s *session) announce() bool {
	under := &s.e.carriers.takeover
	if under.Load() == 0 {
		s.takeovers++
		s.takeoverBegan = s.e.sys.now()
		under.Store(s.takeovers)
		s.pulse.ring()
		return false
	}
	return s.announced.Load() == under.Load()
}

// endTakeover has the other nodes told what is in use now: all calls that were taken over are counted, and as many
// channels as each needs, or the time for it is over. Before it is over, what came late is looked for once more.
func (s *session) endTakeover(counted bool) {
	under := &s.e.carriers.takeover
	if under.Load() == 0 {
		s.late = false // what it may bring was given up for lost before
		return
	}
	since, most := s.e.sys.now().Sub(s.takeoverBegan), mourning*s.e.cfg.Lease
	switch {
	case counted && !s.late && (since >= most || !s.weighs()), since >= most+s.e.cfg.Lease:
		s.late = false
		s.adopted = s.e.sys.now() // or one takeover followed the other, and no share would ever change, while adoptions fail
		under.Store(0)
		s.pulse.ring()
	case s.late && since >= most:
		s.late = false
		s.unsure.Store(true)
	}
}

// weighs says that it is not known of all calls that were taken over how many channels each needs.
func (s *session) weighs() bool {
	for _, l := range s.running() {
		l.mu.Lock()
		weighs := l.sched.weighs()
		l.mu.Unlock()
		if weighs {
			return true
		}
	}
	return false
}

// mourned says that what is left behind has been waited for long enough.
func (s *session) mourned() bool {
	l := s.lapses.Load()
	return l != nil && l.ids != "" && !l.fresh && s.e.carriers.takeover.Load() == 0
}

// counted says that a loop has looked at a call which was handed over to it: from now on it counts.
func (s *session) counted() {
	if s.uncounted.Add(-1) == 0 {
		s.bell.ring() // calls may begin. Not here, where the loop is locked
	}
}
