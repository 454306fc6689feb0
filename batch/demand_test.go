package batch_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

// regions is a node for each of some regions over one store and one carrier. Calls to number i are
// as fleet scripts them.
func regions(t *testing.T, limits dialer.Limits, ids ...string) *world {
	t.Helper()
	w := fleet(t, limits)
	w.dir.set(func(d *directory) { d.number.AnyRegion = true })
	for _, id := range ids {
		w.joinFor(w.dir, id)
	}
	return w
}

func (w *world) joinFor(dir batch.Directory, region string) *batch.Engine {
	w.t.Helper()
	cfg := w.cfg
	cfg.Regions, cfg.Directory = []string{region}, dir
	e, err := batch.New(cfg)
	require.NoError(w.t, err)
	stop := runEngine(e)
	w.t.Cleanup(func() { require.NoError(w.t, stop()) })
	return e
}

func (w *world) createIn(region string, r batch.Request) store.Batch {
	r.Region = region
	return w.createFor("a", r)
}

// Where a carrier does not divide among the nodes that need it, they take turns.
func TestWhoNeedsACarrierGetsATurn(t *testing.T) {
	for _, c := range []struct {
		limits  dialer.Limits
		regions int
	}{
		{dialer.Limits{Channels: 1}, 2},
		{dialer.Limits{Channels: 1}, 3},
		{dialer.Limits{Channels: 2}, 3},
		{dialer.Limits{Channels: 3, CPS: 0.5}, 3},
		{dialer.Limits{CPS: 1}, 3},
		{dialer.Limits{CPS: 0.2}, 2},
	} {
		t.Run(fmt.Sprintf("%+v/%d", c.limits, c.regions), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ids := []string{"US", "EU", "APAC"}[:c.regions]
				w := regions(t, c.limits, ids...)
				pass(time.Minute)
				var bs []store.Batch
				for _, id := range ids {
					bs = append(bs, w.createIn(id, request(40)))
				}
				// A turn of each of the others, with what it takes to pass it on.
				pass(time.Duration(c.regions) * 45 * time.Second)
				for i, b := range bs {
					n := w.batchOf("a", b.ID).Counts
					require.Positive(t, n.Scheduled()-n.Queued, "region %d has had no turn", i)
				}
				pass(time.Hour)
				for _, b := range bs {
					require.True(t, w.batchOf("a", b.ID).Counts.Over())
				}
				if c.limits.Channels > 0 {
					require.Equal(t, c.limits.Channels, w.judge().MostAtOnce(fake.Scope{}))
				}
				requirePaceKept(t, w.judge(), c.limits)
			})
		})
	}
}

// Calls of one node weigh more than its equal share.
func TestHeavyCallsGetATurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := regions(t, dialer.Limits{Channels: 4}, "US")
		heavy := &directory{
			orgs:   map[string]batch.Organisation{"a": {ConcurrencyLimit: 40}},
			number: batch.Number{E164: "+442079460001", Carriers: []string{"fake"}, Channels: 3, AnyRegion: true},
		}
		w.joinFor(heavy, "EU")
		pass(time.Minute)
		alone := w.createIn("EU", request(3))
		pass(time.Minute)
		require.True(t, w.batchOf("a", alone.ID).Counts.Over(), "nobody else needs the carrier")

		many := request(400)
		many.Target = 40
		light, heavies := w.createIn("US", many), w.createIn("EU", request(40))
		pass(3 * time.Minute)
		for _, b := range []store.Batch{light, heavies} {
			n := w.batchOf("a", b.ID).Counts
			require.Positive(t, n.Scheduled()-n.Queued, "none of region %s", b.Region)
		}
		pass(time.Hour)
		require.True(t, w.batchOf("a", light.ID).Counts.Over())
		require.True(t, w.batchOf("a", heavies.ID).Counts.Over())
	})
}

// A node that has nothing to dial leaves the whole carrier to those that have.
func TestWhoHasNoWorkGivesItsShareUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := regions(t, dialer.Limits{Channels: 6}, "US", "EU", "APAC")
		pass(time.Minute)
		rq := request(400)
		rq.Target = 40
		us := w.createIn("US", rq)
		pass(30 * time.Second)
		require.Equal(t, 6, w.batchOf("a", us.ID).Counts.InFlight())
		w.createIn("EU", rq)
		pass(30 * time.Second)
		require.Equal(t, 3, w.batchOf("a", us.ID).Counts.InFlight())
		require.Equal(t, 6, w.judge().MostAtOnce(fake.Scope{}))
	})
}

// requirePaceKept says that in no second more calls reached the carrier than its rate and burst together.
func requirePaceKept(t *testing.T, books fake.Books, l dialer.Limits) {
	t.Helper()
	if l.CPS == 0 {
		return
	}
	most := int(l.CPS + float64(max(l.Burst, 1)))
	var at []time.Time
	for _, e := range books.Entries {
		if e.Event == fake.Placed || e.Event == fake.Refused {
			at = append(at, e.At)
		}
	}
	for i := range at {
		if j := i + most; j < len(at) {
			require.GreaterOrEqual(t, at[j].Sub(at[i]), time.Second, "%d calls in less than a second, from %v on", most+1, at[i])
		}
	}
}

// However many nodes there are, and while they come and go, the carrier sees its pace kept.
func TestThePaceHoldsOverAllNodes(t *testing.T) {
	for _, l := range []dialer.Limits{
		{CPS: 4, Burst: 1}, {CPS: 1, Burst: 1}, {CPS: 0.4, Burst: 1}, {CPS: 2.5, Burst: 2}, {CPS: 10, Burst: 5},
		{CPS: 4, Burst: 1, Channels: 7}, {CPS: 7.3, Burst: 3, Channels: 5},
	} {
		t.Run(fmt.Sprintf("%+v", l), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := fleet(t, l)
				w.join()
				var ids []string
				for _, org := range []string{"a", "b", "c", "d"} {
					rq := request(60)
					rq.Target = 30
					ids = append(ids, w.createFor(org, rq).ID)
				}
				var stops []func() error
				for i := range 7 {
					_, stop := w.join()
					stops = append(stops, stop)
					pass(time.Duration(i*i%7) * 2300 * time.Millisecond)
					if i%3 == 2 {
						require.NoError(t, stops[i-1]())
					}
				}
				pass(20 * time.Minute)
				for i, org := range []string{"a", "b", "c", "d"} {
					require.True(t, w.batchOf(org, ids[i]).Counts.Over())
				}
				requirePaceKept(t, w.judge(), l)
			})
		})
	}
}

// A node that gets other dialers just when its share has grown goes by its former share for a second, like any other.
func TestPaceHoldsWhileDialersAreSwapped(t *testing.T) {
	for offset := time.Duration(0); offset < 4*time.Second; offset += 200 * time.Millisecond {
		bubble(t, func(t *testing.T) {
			limits := dialer.Limits{CPS: 10, Burst: 10}
			w := regions(t, limits, "US")
			eu := w.joinFor(w.dir, "EU")
			pass(time.Minute)
			r := request(100)
			r.Target = 40
			us := w.createIn("US", r)
			for !w.batchOf("a", us.ID).Counts.Over() {
				pass(100 * time.Millisecond)
			}
			pass(3 * time.Second) // its bucket is full
			b := w.createIn("EU", r)
			for i := range 50 {
				if time.Duration(i)*100*time.Millisecond == offset {
					w.createIn("US", r)
				}
				pass(100 * time.Millisecond)
				_, err := eu.SetDialers(map[string]dialer.Dialer{
					"fake": &gatekeeper{Dialer: w.carrier.WithoutResume(), limits: limits},
				})
				require.NoError(t, err)
			}
			pass(time.Minute)
			require.True(t, w.batchOf("a", b.ID).Counts.Over())
			requirePaceKept(t, w.judge(), limits)
		})
	}
}

// bothKinds has a number whose calls need one channel, and one whose calls need three.
type bothKinds struct{ *directory }

func (d bothKinds) Number(_ context.Context, _, id string) (batch.Number, error) {
	n := batch.Number{E164: "+442079460000", Carriers: []string{"fake"}, AnyRegion: true}
	if id == "heavy" {
		n.E164, n.Channels = "+442079460001", 3
	}
	return n, nil
}

// A carrier is divided by the calls that there are to begin, not by one that there was.
func TestOneHeavyCallDoesNotDivideACarrierForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{Channels: 4})
		d := bothKinds{w.dir}
		w.cfg.Directory = d
		w.engine = w.newEngine()
		w.joinFor(d, "US")
		w.joinFor(d, "EU")
		w.script(0, 2000, fake.Behaviour{Talk: 2 * time.Second})
		pass(time.Minute)
		r := request(2000)
		r.Target = 40
		us, eu := w.createIn("US", r), w.createIn("EU", r)
		pass(time.Minute)
		h := request(1)
		h.NumberID = "heavy"
		heavy := w.createIn("EU", h)
		for !w.batchOf("a", heavy.ID).Counts.Over() {
			pass(time.Second)
		}
		pass(time.Minute) // until they have settled
		idle := 0
		for range 150 {
			pass(time.Second)
			for _, b := range []string{us.ID, eu.ID} {
				if w.batchOf("a", b).Counts.InFlight() == 0 {
					idle++
				}
			}
		}
		require.Less(t, idle, 15, "two channels for each of two nodes")
	})
}

// heavy is a directory whose number needs that many channels.
type heavy struct {
	*directory

	channels int
}

func (d heavy) Number(ctx context.Context, org, id string) (batch.Number, error) {
	n, err := d.directory.Number(ctx, org, id)
	n.Channels = d.channels
	return n, err
}

// A call that needs more channels than its carrier has is never placed, and takes nothing from other nodes' calls.
func TestACallThatFitsNoCarrierTakesNothingFromOthers(t *testing.T) {
	completed := map[bool]int{}
	for _, beside := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, dialer.Limits{Channels: 4})
			w.dir.set(func(d *directory) {
				d.orgs["a"], d.orgs["b"] = batch.Organisation{ConcurrencyLimit: 40}, batch.Organisation{ConcurrencyLimit: 40}
				d.number.AnyRegion = true
			})
			w.script(0, 4000, fake.Behaviour{Talk: time.Second})
			w.joinFor(heavy{w.dir, 9}, "US")
			w.joinFor(w.dir, "EU")
			pass(time.Minute)
			if beside {
				r := request(1)
				r.Region = "US"
				w.createFor("a", r)
			}
			r := request(0)
			r.Recipients, r.Region, r.Target = numbers(500, 3000), "EU", 40
			b := w.createFor("b", r)
			pass(5 * time.Minute)
			completed[beside] = w.batchOf("b", b.ID).Counts.Completed
		})
	}
	require.InEpsilon(t, completed[false], completed[true], 0.05)
}
