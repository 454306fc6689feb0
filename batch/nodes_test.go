package batch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// fleet is several nodes over one store and one carrier.
func fleet(t *testing.T, limits dialer.Limits) *world {
	t.Helper()
	w := newWorld(t, limits)
	w.dir.set(func(d *directory) {
		for _, id := range []string{"a", "b", "c", "d"} {
			d.orgs[id] = batch.Organisation{ConcurrencyLimit: 40}
		}
	})
	for i := range 400 {
		w.script(i, 1, fake.Behaviour{Talk: time.Duration(1+i%7) * time.Second})
	}
	return w
}

// join has one more node dial.
func (w *world) join() (e *batch.Engine, stop func() error) {
	w.t.Helper()
	e = w.newEngine()
	stop = runEngine(e)
	w.t.Cleanup(func() { require.NoError(w.t, stop()) })
	return e, stop
}

func channelsInUse(e *batch.Engine) int { return e.Carriers()[0].InUse }

func TestNodesShareTheChannelsOfACarrier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{Channels: 7})
		first, stopFirst := w.join()
		b := w.createFor("a", request(400))
		pass(3 * time.Second)
		require.Equal(t, 7, channelsInUse(first), "it is alone")

		second, _ := w.join()
		third, _ := w.join()
		pass(30 * time.Second)
		for _, e := range []*batch.Engine{first, second, third} {
			require.InDelta(t, 2.5, channelsInUse(e), 0.5)
		}
		require.NoError(t, stopFirst())
		pass(30 * time.Second)
		require.Equal(t, 7, channelsInUse(second)+channelsInUse(third), "what the one that left had is theirs")

		pass(10 * time.Minute)
		require.Equal(t, 400, w.batchOf("a", b.ID).Counts.Completed)
		require.Equal(t, 7, w.judge().MostAtOnce(fake.Scope{}))
	})
}

func TestTheShareOfADeadNodeIsTaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{Channels: 6})
		whole := w.cfg.Store
		cut := &partition{Store: whole}
		w.cfg.Store = cut
		_, stopFirst := w.join()
		w.cfg.Store = whole
		second, _ := w.join()
		w.createFor("a", request(200))
		pass(20 * time.Second)
		require.Equal(t, 3, channelsInUse(second))
		cut.cut()
		pass(30 * time.Second)
		require.Equal(t, 6, channelsInUse(second))
		cut.heal()
		pass(10 * time.Minute)
		require.NoError(t, stopFirst())
		w.judge()
	})
}

func TestNodesShareThePaceOfACarrier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{CPS: 4, Burst: 1})
		w.join()
		w.join()
		w.join()
		pass(30 * time.Second) // until they have settled
		b := w.createFor("a", request(400))
		dialled := func() int {
			counts := w.batchOf("a", b.ID).Counts
			return counts.Scheduled() - counts.Queued
		}
		pass(10 * time.Second) // until the shares are those of nodes that have calls to begin
		begun := dialled()
		pass(20 * time.Second)
		require.InDelta(t, 80, dialled()-begun, 6, "four a second, all nodes together")
	})
}

// More nodes than channels: those without one leave the calls to the others.
func TestANodeWithoutAShareLeavesTheCallsToOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{Channels: 2})
		var nodes []*batch.Engine
		for range 4 {
			e, _ := w.join()
			nodes = append(nodes, e)
		}
		pass(30 * time.Second)
		b := w.createFor("b", request(40))
		pass(10 * time.Second)
		const looks = 40
		inUse := 0
		for range looks { // as they take turns, a channel may just be passed on
			pass(time.Second)
			atOnce, idle := 0, 0
			for _, e := range nodes {
				atOnce += channelsInUse(e)
				if channelsInUse(e) == 0 {
					idle++
				}
			}
			require.LessOrEqual(t, atOnce, 2)
			require.GreaterOrEqual(t, idle, 2)
			inUse += atOnce
		}
		require.GreaterOrEqual(t, inUse, 2*looks*3/4, "the channels are used by those that have them")
		pass(5 * time.Minute)
		require.True(t, w.batchOf("b", b.ID).Counts.Over())
		require.Equal(t, 2, w.judge().MostAtOnce(fake.Scope{}))
	})
}

// Whatever nodes come and go, together they keep to the carrier's channels.
func TestChannelsHoldWhileNodesComeAndGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{Channels: 9})
		w.join()
		for _, id := range []string{"a", "b", "c", "d"} {
			r := request(300)
			r.Target = 30
			w.createFor(id, r)
		}
		var stops []func() error
		for i := range 12 {
			_, stop := w.join()
			stops = append(stops, stop)
			pass(time.Duration(i%5) * 1700 * time.Millisecond)
			if i%3 == 2 {
				require.NoError(t, stops[i-1]())
			}
		}
		pass(time.Hour)
		require.Equal(t, 9, w.judge().MostAtOnce(fake.Scope{}))
		for _, id := range []string{"a", "b", "c", "d"} {
			bs, err := w.engine.Batches(t.Context(), store.BatchQuery{Org: id})
			require.NoError(t, err)
			require.True(t, bs[0].Counts.Over())
			require.Equal(t, fsm.BatchCompleted, bs[0].Status())
		}
	})
}
