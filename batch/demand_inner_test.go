package batch

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// sharer is a node that shares one carrier. What it told and what it saw may be old.
type sharer struct {
	id    string
	c     *carrier
	seat  *counted
	units int // that its calls need; 0: it has none to begin
	saw   []store.Node

	told   bool // since it last concluded
	looked bool // since it told
	served int
}

// tell has its heartbeat arrive.
func (n *sharer) tell(rows map[string]store.Node) {
	t := n.c.told()
	rows[n.id] = store.Node{ID: n.id, Carriers: []string{"test"}, Shares: []int{t.share, t.need, t.ticket}}
	n.told, n.looked = true, false
}

func (n *sharer) look(rows map[string]store.Node) {
	if n.told {
		n.saw, n.looked = slices.Collect(maps.Values(rows)), true
	}
}

// conclude does what follows from what it saw, maybe a while ago.
func (n *sharer) conclude(now time.Time) {
	if n.looked {
		of := shareOf("test", n.id, n.saw)
		of.lease = 10 * time.Second
		n.c.settle(of, now)
		n.told, n.looked = false, false
	}
}

// However the nodes' steps fall between each other, their shares fit together, and none waits for ever.
func TestSharesFitInAnyOrder(t *testing.T) {
	for seed := range uint64(60 / simFewer) { // one goroutine: .ci/run plays all of them without the race detector
		r := rand.New(rand.NewPCG(seed, 1))
		limits := dialer.Limits{Channels: 1 + r.IntN(7)}
		if r.IntN(3) == 0 {
			limits.CPS = 0.5 + 4*r.Float64()
		}
		rows, now := map[string]store.Node{}, noon()
		nodes := make([]*sharer, 1+r.IntN(5))
		for i := range nodes {
			nodes[i] = &sharer{id: fmt.Sprintf("node%d", i), c: newTestCarrier(limits), seat: newSeat()}
			nodes[i].c.setShare(0)
		}
		check := func() {
			shares, room := 0, 0
			for _, n := range nodes {
				shares += n.c.share
				room += max(portion(n.c.most, n.c.share), n.c.units)
			}
			require.LessOrEqual(t, shares, whole, "seed %d", seed)
			require.LessOrEqual(t, room, limits.Channels, "seed %d", seed)
		}
		const rounds = 6000
		for round := range rounds {
			now = now.Add(time.Duration(r.IntN(1000)) * time.Millisecond)
			n := nodes[r.IntN(len(nodes))]
			last := round > rounds-4000 // whose steps come in their order
			switch step := r.IntN(6); {
			case last && step <= 3:
				n.tell(rows)
				n.look(rows)
				n.conclude(now)
				n.dial(r, limits, last, now) // as one who waits is woken
			case step <= 1:
				n.tell(rows)
			case step == 2:
				n.look(rows)
			case step == 3:
				n.conclude(now)
			case step == 4:
				n.dial(r, limits, last, now)
			default:
				if n.c.units > 0 {
					n.c.release(n.c.units)
				}
			}
			check()
		}
		for _, n := range nodes {
			require.True(t, n.units == 0 || n.served > 0, "seed %d: %s needs %d of %+v", seed, n.id, n.units, limits)
		}
	}
}

// dial begins a call if there is room for it. At last each goes on to need what it needs then.
func (n *sharer) dial(r *rand.Rand, limits dialer.Limits, last bool, now time.Time) {
	if !last && r.IntN(10) == 0 {
		n.c.retire(&n.seat.seat)
		n.units = r.IntN(limits.Channels + 1)
		return
	}
	if n.units == 0 || n.c.units > 0 {
		return
	}
	if _, ok := n.c.try(&n.seat.seat, "", now, n.units); ok {
		n.c.placed(now)
		if last {
			n.served++
		}
	}
}
