package batch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// Promise 3: never above a limit.

func TestNeverAboveTheBatchLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 40, fake.Behaviour{Ring: time.Second, Talk: time.Second})
		w.run()
		r := request(40)
		r.Target = 3
		b := w.create(r)
		w.awaitOver(b.ID, time.Hour)
		require.Equal(t, 3, w.judge().MostAtOnce(fake.Scope{Batch: b.ID}))
	})
}

func TestNeverAboveTheOrganisationsLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 120, fake.Behaviour{Ring: time.Second, Talk: time.Second})
		w.run()
		var ids []string
		for i := range 4 {
			r := request(30)
			r.Recipients, r.Target = numbers(30*i, 30), 8
			ids = append(ids, w.create(r).ID)
		}
		for _, id := range ids {
			w.awaitOver(id, time.Hour)
		}
		require.Equal(t, 10, w.judge().MostAtOnce(fake.Scope{}))
	})
}

func TestNeverAboveTheCarriersChannels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{Channels: 4})
		w.dir.limit("globex", 10)
		w.script(0, 60, fake.Behaviour{Ring: time.Second, Talk: time.Second})
		w.run()
		a := w.create(request(30))
		r := request(30)
		r.Recipients = numbers(30, 30)
		b := w.createFor("globex", r)
		w.awaitOver(a.ID, time.Hour)
		synctest.Wait()
		require.Eventually(t, func() bool { return w.batchOf("globex", b.ID).Counts.Over() }, time.Hour, time.Second)
		books := w.judge()
		require.Equal(t, 4, books.MostAtOnce(fake.Scope{}))
		require.Positive(t, books.MostAtOnce(fake.Scope{Org: "globex"}))
	})
}

func TestACallMayHoldSeveralChannels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{Channels: 5})
		w.dir.set(func(d *directory) { d.number.Channels = 2 })
		w.script(0, 20, fake.Behaviour{Talk: time.Second})
		w.run()
		r := request(20)
		r.Target = 10
		w.awaitOver(w.create(r).ID, time.Hour)
		require.Equal(t, 2, w.judge().MostAtOnce(fake.Scope{}))
	})
}

func TestLimitsMayChangeWhileCallsRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 200, fake.Behaviour{Talk: 10 * time.Second})
		w.run()
		r := request(200)
		r.Target = 10
		b := w.create(r)
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Started == 10 })
		_, err := w.engine.SetTarget(t.Context(), org, b.ID, 2)
		require.NoError(t, err)
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Completed >= 12 })
		require.LessOrEqual(t, w.batch(b.ID).Counts.InFlight(), 2)
		lowered := time.Now()
		_, err = w.engine.SetTarget(t.Context(), org, b.ID, 7)
		require.NoError(t, err)
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.InFlight() == 7 })
		w.dir.limit(org, 4)
		pass(30 * time.Second)
		require.Equal(t, 4, w.batch(b.ID).Counts.InFlight())
		w.dir.limit(org, 10)
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.InFlight() == 7 })
		w.awaitOver(b.ID, time.Hour)
		require.Equal(t, 7, mostAfter(w.judge(), lowered))
	})
}

// mostAfter is the most calls at once of those placed after a time.
func mostAfter(b fake.Books, at time.Time) int {
	var after fake.Books
	for _, e := range b.Entries {
		if e.Event == fake.Placed && !e.At.After(at) {
			continue
		}
		after.Entries = append(after.Entries, e)
	}
	placed := map[string]bool{}
	kept := after.Entries[:0]
	for _, e := range after.Entries {
		placed[e.Call] = placed[e.Call] || e.Event == fake.Placed
		if placed[e.Call] {
			kept = append(kept, e)
		}
	}
	after.Entries = kept
	return after.MostAtOnce(fake.Scope{})
}

func TestReservationsComeOutOfTheSameLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 100, fake.Behaviour{Talk: 10 * time.Second})
		w.run()
		r := request(100)
		r.Target = 10
		b := w.create(r)
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Started == 10 })
		asked := time.Now()
		release, err := w.engine.Reserve(t.Context(), org, 6) // waits for calls to end, before the batch
		require.NoError(t, err)
		require.LessOrEqual(t, time.Since(asked), 10*time.Second)
		pass(15 * time.Second)
		require.Equal(t, 4, w.batch(b.ID).Counts.InFlight())
		release()
		release()
		w.await(b.ID, 2*time.Second, func(c fsm.Counts) bool { return c.InFlight() == 10 })
		w.awaitOver(b.ID, time.Hour)

		release, err = w.engine.Reserve(t.Context(), org, 10)
		require.NoError(t, err, "nothing leaked")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = w.engine.Reserve(ctx, org, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		release()
		_, err = w.engine.Reserve(t.Context(), org, 11)
		require.ErrorContains(t, err, "expected 1 to its limit of 10")
	})
}

// Promise 4: cancel means stop.

func TestNothingIsPlacedAfterCancelReturned(t *testing.T) {
	for _, limit := range []int{1, 10} {
		t.Run(fmt.Sprint("limit ", limit), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, dialer.Limits{})
				w.script(0, 500, fake.Behaviour{Ring: 10 * time.Millisecond, Talk: 10 * time.Millisecond})
				w.run()
				r := request(500)
				r.Target = limit
				b := w.create(r)
				pass(95 * time.Millisecond)
				got, err := w.engine.Cancel(t.Context(), org, b.ID)
				require.NoError(t, err)
				synctest.Wait() // what was claimed before is placed by now
				w.carrier.Mark("cancelled")
				require.Equal(t, fsm.BatchCancelled, got.Status())
				inFlight := got.Counts.InFlight()
				got = w.awaitOver(b.ID, time.Minute)
				require.Empty(t, w.judge().PlacedAfter("cancelled", fake.Scope{}))
				require.Positive(t, got.Counts.Cancelled)
				require.Equal(t, got.Counts.Completed, w.judge().Placed(fake.Scope{}))
				require.LessOrEqual(t, inFlight, limit)
				again, err := w.engine.Cancel(t.Context(), org, b.ID)
				require.NoError(t, err)
				require.Equal(t, got, again, "idempotent")
				_, err = w.engine.Retry(t.Context(), org, b.ID)
				require.ErrorIs(t, err, batch.ErrBatchCancelled)
			})
		})
	}
}

func TestPauseAndResume(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 50, fake.Behaviour{Talk: time.Second})
		w.run()
		b := w.create(request(50))
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Completed >= 5 })
		got, err := w.engine.Pause(t.Context(), org, b.ID)
		require.NoError(t, err)
		pass(time.Minute)
		require.Equal(t, got.Counts.Queued, w.batch(b.ID).Counts.Queued)
		require.Zero(t, w.batch(b.ID).Counts.InFlight())
		why, err := w.engine.Why(t.Context(), org, w.recipients(b.ID)[49].ID())
		require.NoError(t, err)
		require.Equal(t, batch.WaitPaused, why.Reason)
		require.Equal(t, got.Counts.Queued-1, why.Position)
		_, err = w.engine.Resume(t.Context(), org, b.ID)
		require.NoError(t, err)
		got = w.awaitOver(b.ID, time.Hour)
		require.Equal(t, 50, got.Counts.Completed)
		w.judge()
	})
}

func TestACallCanBeCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 1, fake.Behaviour{Ring: fake.Forever})
		w.script(1, 1, fake.Behaviour{Talk: fake.Forever})
		w.run()
		b := w.create(request(2))
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Dispatched == 1 && c.Started == 1 })
		for _, r := range w.recipients(b.ID) {
			require.NoError(t, w.engine.CancelCall(t.Context(), org, r.CallID))
		}
		got := w.awaitOver(b.ID, 10*time.Second)
		require.Equal(t, fsm.Counts{Completed: 1, Failed: 1}, got.Counts)
		for _, r := range w.recipients(b.ID) {
			require.Equal(t, dialer.APICancelled, r.EndReason)
			require.NoError(t, w.engine.CancelCall(t.Context(), org, r.CallID), "the first answer may have been lost")
		}
		w.script(2, 1, fake.Behaviour{Talk: time.Second})
		third := request(1)
		third.Recipients = numbers(2, 1)
		done := w.awaitOver(w.create(third).ID, time.Minute)
		over := w.recipients(done.ID)[0].CallID
		require.ErrorIs(t, w.engine.CancelCall(t.Context(), org, over), batch.ErrCallOver)
		require.ErrorIs(t, w.engine.CancelCall(t.Context(), "globex", w.recipients(b.ID)[0].CallID), batch.ErrNotFound)
		w.judge()
	})
}

// Promise 5: always an answer.

func TestNoDialerHoldsASlotForEver(t *testing.T) {
	faults := map[string]fake.Behaviour{
		"hangs":                 {Fault: fake.Hang},
		"panics before placing": {Fault: fake.PanicBeforePlacing},
		"panics while ringing":  {Fault: fake.PanicWhileRinging, Ring: time.Second},
		"loses the reply":       {Fault: fake.LoseReply, Ring: time.Second},
		"ignores the timeouts":  {Fault: fake.IgnoreRingTimeout | fake.IgnoreMaxDuration, Ring: 10 * time.Minute, Talk: fake.Forever},
		"talks for ever":        {Fault: fake.IgnoreMaxDuration | fake.IgnoreCancel, Talk: fake.Forever},
		"unknown end reason":    {End: "eaten_by_a_grue"},
		"reports twice":         {Fault: fake.ReportTwice, Ring: time.Second, Talk: time.Second},
		"reports backwards":     {Fault: fake.ReportReversed, Ring: time.Second, Talk: time.Second},
		"reports late":          {Fault: fake.ReportLate, Ring: time.Second, Talk: time.Second},
	}
	for name, behaviour := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, dialer.Limits{})
				w.script(0, 1, behaviour)
				w.script(1, 9, fake.Behaviour{Ring: time.Second, Talk: time.Second})
				w.run()
				r := request(10)
				r.Target, r.MaxDuration = 1, time.Minute
				b := w.create(r)
				got := w.awaitOver(b.ID, time.Hour)
				require.GreaterOrEqual(t, got.Counts.Completed, 9, "the others are dialled all the same")
				broken := w.recipients(b.ID)[0]
				require.True(t, broken.EndReason.Valid(), broken.EndReason)
				release, err := w.engine.Reserve(t.Context(), org, 10)
				require.NoError(t, err)
				release()
				require.Empty(t, w.carrier.Books().DoubleRings())
				require.NoError(t, w.carrier.Close()) // lets the hung go
			})
		})
	}
}

func TestACallOfUnknownFateIsNotDialledAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 1, fake.Behaviour{Fault: fake.LoseReply, Ring: time.Second, Talk: time.Minute}, fake.Behaviour{})
		w.run()
		b := w.create(request(1))
		got := w.awaitOver(b.ID, time.Minute)
		require.Equal(t, fsm.Counts{Failed: 1}, got.Counts)
		r := w.recipients(b.ID)[0]
		require.Equal(t, dialer.Error, r.EndReason)
		require.NotEmpty(t, r.CallID)
		require.Empty(t, r.Error, "a message at the recipient means that no call was attempted")
		c, err := w.engine.Call(t.Context(), org, r.CallID)
		require.NoError(t, err)
		require.Contains(t, c.Error, "what became of the call is unknown")
		pass(time.Hour)
		require.Equal(t, 1, w.judge().Placed(fake.Scope{}))
		_, err = w.engine.Retry(t.Context(), org, b.ID)
		require.NoError(t, err)
		got = w.awaitOver(b.ID, time.Minute)
		require.Equal(t, fsm.Counts{Completed: 1}, got.Counts)
		require.Equal(t, 1, got.RetryCount)
		require.Equal(t, 2, w.judge().Placed(fake.Scope{}))
	})
}

// Promise 2: never lost, and never written off because a carrier was full or down.

func TestACarrierThatIsDownCostsNobodyTheirCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 30, fake.Behaviour{Talk: time.Second})
		w.carrier.Rest(10 * time.Minute)
		w.run()
		b := w.create(request(30))
		pass(5 * time.Minute)
		c := w.batch(b.ID).Counts
		require.GreaterOrEqual(t, c.Queued, 29)
		require.Zero(t, c.Failed)
		why, err := w.engine.WhyBatch(t.Context(), org, b.ID)
		require.NoError(t, err)
		require.Equal(t, batch.WaitNoCarrier, why.Reason)
		require.False(t, why.Until.IsZero())
		require.Less(t, w.judge().Dials(fake.Scope{}), 30, "the carrier is left alone, not hammered")
		got := w.awaitOver(b.ID, time.Hour)
		require.Equal(t, 30, got.Counts.Completed)
		w.judge()
	})
}

func TestCancelWhileTheCarrierIsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.carrier.Rest(10 * time.Minute)
		w.run()
		b := w.create(request(30))
		pass(time.Minute)
		_, err := w.engine.Cancel(t.Context(), org, b.ID)
		require.NoError(t, err)
		got := w.awaitOver(b.ID, time.Hour)
		require.Equal(t, fsm.Counts{Cancelled: 30}, got.Counts)
		pass(time.Hour)
		require.Zero(t, w.judge().Placed(fake.Scope{}))
	})
}

func TestPacing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{CPS: 2})
		w.dir.limit(org, 1000)
		w.dir.limit("globex", 1000)
		w.script(0, 140, fake.Behaviour{Talk: time.Second})
		w.run()
		begin := time.Now()
		a := w.create(request(120))
		r := request(20)
		r.Recipients = numbers(120, 20)
		b := w.createFor("globex", r)
		w.await(a.ID, time.Minute, func(c fsm.Counts) bool { return c.Completed > 0 })
		why, err := w.engine.WhyBatch(t.Context(), org, a.ID)
		require.NoError(t, err)
		require.Equal(t, batch.WaitPacing, why.Reason)
		for !w.batchOf("globex", b.ID).Counts.Over() {
			pass(time.Second)
		}
		require.Less(t, time.Since(begin), 30*time.Second, "organisations take turns at a carrier")
		w.awaitOver(a.ID, time.Hour)
		require.InDelta(t, 70, time.Since(begin).Seconds(), 3)
		requirePace(t, w.judge(), 2)
	})
}

// requirePace finds a second in which more calls began than perSecond and one of burst.
func requirePace(t *testing.T, b fake.Books, perSecond int) {
	t.Helper()
	var placed []time.Time
	for _, e := range b.Entries {
		if e.Event == fake.Placed {
			placed = append(placed, e.At)
		}
	}
	for i := range placed {
		n := 0
		for _, at := range placed[i:] {
			if at.Sub(placed[i]) < time.Second {
				n++
			}
		}
		require.LessOrEqual(t, n, perSecond+1)
	}
}

// Promise 6: fair.

func TestSmallBatchesDoNotStarveBehindALargeOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.dir.limit(org, 50)
		w.script(0, 3000, fake.Behaviour{Talk: 10 * time.Second})
		w.run()
		large := request(2000)
		large.Target = 50
		first := w.create(large)
		w.await(first.ID, time.Minute, func(c fsm.Counts) bool { return c.Completed >= 50 })
		var ids []string
		for i := range 50 {
			r := request(20)
			r.Recipients = numbers(2000+20*i, 20)
			ids = append(ids, w.create(r).ID)
		}
		begin := time.Now()
		for _, id := range ids {
			w.awaitOver(id, time.Hour)
		}
		// 51 batches share 50 slots: 20 calls of 10 s each at 50/51 of a slot.
		require.Less(t, time.Since(begin), 265*time.Second, "1.3 times 204 s")
		w.judge()
	})
}

func TestCapacityIsSharedByWeight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.dir.limit(org, 30)
		w.script(0, 600, fake.Behaviour{Talk: 10 * time.Second})
		w.run()
		ids := map[int]string{}
		for i, weight := range []int{1, 2, 3} {
			r := request(200)
			r.Recipients, r.Weight, r.Target = numbers(200*i, 200), weight, 30
			ids[weight] = w.create(r).ID
		}
		pass(95 * time.Second)
		for weight, id := range ids {
			require.Equal(t, 5*weight, w.batch(id).Counts.InFlight())
		}
		for _, id := range ids {
			w.awaitOver(id, time.Hour)
		}
		w.judge()
	})
}

// Promise 7: cheap to wait, and batches that wait for a time.

func TestScheduledBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		// It is not found because a node looks at everything again and again, which takes its time in two days.
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) { c.Lease, c.PollInterval = time.Hour, time.Hour })
		w.run()
		r := request(5)
		r.ScheduledAt = time.Now().Add(48 * time.Hour)
		b := w.create(r)
		pass(48*time.Hour - time.Second)
		require.Equal(t, 5, w.batch(b.ID).Counts.Queued)
		why, err := w.engine.Why(t.Context(), org, w.recipients(b.ID)[2].ID())
		require.NoError(t, err)
		require.Equal(t, batch.WaitScheduled, why.Reason)
		require.Equal(t, 2, why.Position)
		require.WithinDuration(t, r.ScheduledAt, why.Until, time.Millisecond)
		got := w.awaitOver(b.ID, 10*time.Second)
		require.WithinDuration(t, r.ScheduledAt, got.AdmittedAt, 100*time.Millisecond)
	})
}

// A restart.

func TestDrainLetsCallsFinish(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 30, fake.Behaviour{Ring: time.Second, Talk: 10 * time.Second})
		w.run()
		b := w.create(request(30))
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Started == 5 })
		require.NoError(t, w.stop())
		c := w.batch(b.ID).Counts
		require.Equal(t, fsm.Counts{Queued: 25, Completed: 5}, c)
		why, err := w.engine.WhyBatch(t.Context(), org, b.ID)
		require.NoError(t, err)
		require.Equal(t, batch.WaitNotRunning, why.Reason)
		require.ErrorIs(t, w.engine.Run(t.Context()), batch.ErrRunning)
		w.restart()
		got := w.awaitOver(b.ID, time.Hour)
		require.Equal(t, 30, got.Counts.Completed)
		w.judge()
	})
}

func TestDrainIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 10, fake.Behaviour{Ring: time.Second, Talk: fake.Forever})
		w.script(4, 1, fake.Behaviour{Fault: fake.Hang})
		w.run()
		b := w.create(request(10))
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Started == 4 })
		begin := time.Now()
		require.NoError(t, w.stop())
		require.Less(t, time.Since(begin), batch.DefaultDrainTimeout+4*batch.DefaultGrace)
		c := w.batch(b.ID).Counts
		require.Equal(t, fsm.Counts{Queued: 5, Completed: 4, Failed: 1}, c)
		require.NoError(t, w.carrier.Close())
	})
}

// crash ends an engine the hard way: its lease runs out and its calls with it, and it
// finds out later that it owns nothing.
func TestACrashedNodesCallsAreTakenOver(t *testing.T) {
	for _, resumable := range []bool{false, true} {
		t.Run(fmt.Sprint("resumable ", resumable), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, dialer.Limits{})
				if resumable {
					w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer()}
				}
				w.script(0, 30, fake.Behaviour{Ring: time.Second, Talk: 2 * time.Minute})
				cut := &partition{Store: w.cfg.Store}
				w.cfg.Store = cut
				w.engine = w.newEngine()
				w.run()
				r := request(30)
				r.Target = 8
				b := w.create(r)
				w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Started == 8 })
				stopOld := w.stop
				cut.cut()
				w.cfg.Store = cut.Store
				w.restart()
				got := w.awaitOver(b.ID, time.Hour)
				require.LessOrEqual(t, w.judge().MostAtOnce(fake.Scope{}), 16)
				if resumable {
					require.Equal(t, 30, got.Counts.Completed)
					require.Equal(t, 8, w.judge().MostAtOnce(fake.Scope{}), "orphans count until they have ended")
				} else {
					require.Equal(t, fsm.Counts{Completed: 22, Failed: 8}, got.Counts)
				}
				require.Equal(t, 30, w.judge().Placed(fake.Scope{}))
				cut.heal()
				require.NoError(t, stopOld())
				require.Equal(t, got.Counts, w.batch(b.ID).Counts, "the old node changed nothing")
			})
		})
	}
}

// partition is a store that can be cut off.
type partition struct {
	store.Store

	mu   sync.Mutex
	gone bool
}

func (p *partition) cut()  { p.set(true) }
func (p *partition) heal() { p.set(false) }

func (p *partition) set(gone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = gone
}

func (p *partition) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return fmt.Errorf("no route to host")
	}
	return nil
}

func (p *partition) Advance(ctx context.Context, s store.Step) (store.Advanced, error) {
	if err := p.err(); err != nil {
		return store.Advanced{}, err
	}
	return p.Store.Advance(ctx, s)
}

func (p *partition) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	if err := p.err(); err != nil {
		return err
	}
	return p.Store.Heartbeat(ctx, n, lease)
}

func (p *partition) Active(ctx context.Context) ([]store.ActiveOrg, error) {
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.Store.Active(ctx)
}

func TestOneOrganisationCannotSlowAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := &slowStore{org: "org0"}
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
			slow.Store = c.Store
			c.Store = slow
		})
		w.script(0, 400, fake.Behaviour{Talk: time.Second})
		for i := range 10 {
			w.dir.limit(fmt.Sprint("org", i), 10)
		}
		w.run()
		begin := time.Now()
		ids := map[string]string{}
		for i := range 10 {
			r := request(40)
			r.Recipients, r.Target = numbers(40*i, 40), 10
			ids[fmt.Sprint("org", i)] = w.createFor(fmt.Sprint("org", i), r).ID
		}
		for i := 1; i < 10; i++ {
			o := fmt.Sprint("org", i)
			for !w.batchOf(o, ids[o]).Counts.Over() {
				pass(10 * time.Millisecond)
			}
		}
		require.Less(t, time.Since(begin), 5*time.Second, "4 rounds of 1 s each")
		for !w.batchOf("org0", ids["org0"]).Counts.Over() {
			pass(time.Second)
		}
		require.Greater(t, time.Since(begin), 15*time.Second)
		w.judge()
	})
}

// slowStore takes 5 s for each step of one organisation.
type slowStore struct {
	store.Store

	org string
}

func (s *slowStore) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	if step.Org == s.org {
		pass(5 * time.Second)
	}
	return s.Store.Advance(ctx, step)
}
