package batch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// gatekeeper is a carrier that refuses what it is told to, and passes the rest on.
type gatekeeper struct {
	dialer.Dialer

	limits dialer.Limits

	mu     sync.Mutex
	refuse func(dialer.Call) error // nil: nothing
	asked  []dialer.Call
}

func (g *gatekeeper) Dial(ctx context.Context, c dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	g.mu.Lock()
	g.asked = append(g.asked, c)
	refuse := g.refuse
	g.mu.Unlock()
	if refuse != nil {
		if err := refuse(c); err != nil {
			return dialer.Outcome{}, err
		}
	}
	return g.Dialer.Dial(ctx, c, report)
}

func (g *gatekeeper) Limits() dialer.Limits { return g.limits }

func (g *gatekeeper) refusing(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = func(dialer.Call) error { return err }
}

func (g *gatekeeper) calls() []dialer.Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]dialer.Call(nil), g.asked...)
}

var (
	errForeign = fmt.Errorf("%w: not in this country", dialer.ErrNotPlaced)
	errDown    = &dialer.UnavailableError{Cause: errors.New("down")}
)

// newPair makes a world whose number has two carriers, first and second, over one fake.
func newPair(t *testing.T, limits dialer.Limits) (w *world, first, second *gatekeeper) {
	t.Helper()
	first, second = &gatekeeper{}, &gatekeeper{limits: limits}
	w = newWorld(t, dialer.Limits{}, func(c *batch.Config) {
		first.Dialer, second.Dialer = c.Dialers["fake"], c.Dialers["fake"]
		c.Dialers = map[string]dialer.Dialer{"first": first, "second": second}
	})
	w.dir.set(func(d *directory) { d.number.Carriers = []string{"first", "second"} })
	return w, first, second
}

func (w *world) calls(id string) []store.Call {
	w.t.Helper()
	cs, err := w.engine.Calls(w.t.Context(), store.CallQuery{Org: org, BatchID: id})
	require.NoError(w.t, err)
	return cs
}

func TestARefusedAttemptGoesOnOverTheNextCarrier(t *testing.T) {
	for name, refusal := range map[string]error{"of this recipient": errForeign, "of all": errDown} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, first, second := newPair(t, dialer.Limits{})
				first.refusing(refusal)
				w.run()
				b := w.create(request(3))
				require.Equal(t, 3, w.awaitOver(b.ID, time.Minute).Counts.Completed)
				for _, r := range w.recipients(b.ID) {
					require.Equal(t, 1, r.Attempts, "it is the same attempt")
				}
				require.NotEmpty(t, first.calls())
				require.Len(t, second.calls(), 3)
				moved := 0
				for _, c := range w.calls(b.ID) {
					require.Equal(t, "second", c.Carrier)
					if len(c.Tries) == 0 {
						continue // the first carrier rested by then
					}
					moved++
					require.Len(t, c.Tries, 1)
					require.Equal(t, "first", c.Tries[0].Carrier)
					require.Equal(t, refusal.Error(), c.Tries[0].Error)
					require.False(t, c.Tries[0].At.Before(c.DispatchedAt))
				}
				require.Len(t, first.calls(), moved)
				w.judge()
			})
		})
	}
}

func TestARecipientThatEveryCarrierRefusesHasFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		first.refusing(errForeign)
		second.refusing(fmt.Errorf("%w: unknown prefix", dialer.ErrNotPlaced))
		w.run()
		b := w.create(request(1))
		require.Equal(t, 1, w.awaitOver(b.ID, time.Minute).Counts.Failed)
		r := w.recipients(b.ID)[0]
		require.Empty(t, r.CallID)
		require.Equal(t, 1, r.Attempts)
		require.Contains(t, r.Error, "first: no call was placed: not in this country")
		require.Contains(t, r.Error, "second: no call was placed: unknown prefix")
		require.Len(t, first.calls(), 1)
		require.Len(t, second.calls(), 1)
	})
}

// It is not written off because the carrier that would take it is full.
func TestARefusedAttemptWaitsForRoomAtTheNextCarrier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{Channels: 1})
		w.script(0, 3, fake.Behaviour{Talk: 5 * time.Second})
		first.refusing(errForeign)
		w.run()
		b := w.create(request(3))
		require.Equal(t, 3, w.awaitOver(b.ID, time.Minute).Counts.Completed)
		require.Len(t, first.calls(), 3)
		require.Len(t, second.calls(), 3)
		books := w.judge()
		require.Equal(t, 1, books.MostAtOnce(fake.Scope{}), "channels of the second carrier")
	})
}

func TestARefusedAttemptIsNeverFailedBecauseTheNextCarrierRests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		first.refusing(errForeign)
		second.refusing(errDown)
		w.run()
		b := w.create(request(2))
		pass(10 * time.Minute)
		require.Zero(t, w.batch(b.ID).Counts.Failed)
		second.refusing(nil)
		require.Equal(t, 2, w.awaitOver(b.ID, 10*time.Minute).Counts.Completed)
		w.judge()
	})
}

func TestARefusedAttemptThatIsCancelledIsOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{Channels: 1})
		w.script(0, 2, fake.Behaviour{Talk: time.Minute})
		first.refusing(errForeign)
		w.run()
		b := w.create(request(2))
		pass(10 * time.Second)
		waits := 0
		for _, c := range w.calls(b.ID) {
			if c.Status == fsm.Dispatched {
				waits = c.Index
				require.Equal(t, "first", c.Carrier)
				require.NoError(t, w.engine.CancelCall(t.Context(), org, c.ID))
			}
		}
		pass(time.Second)
		r := w.recipients(b.ID)[waits]
		require.Equal(t, fsm.Failed, r.Status)
		require.Equal(t, store.CancelledBefore, r.Error)
		w.awaitOver(b.ID, 2*time.Minute)
		require.Len(t, second.calls(), 1)
		requireFree(t, w, 10)
	})
}

func TestAStoppingEngineQueuesWhatWaitsForACarrier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{Channels: 1})
		w.script(0, 3, fake.Behaviour{Talk: 10 * time.Second})
		first.refusing(errForeign)
		w.run()
		b := w.create(request(3))
		pass(5 * time.Second)
		require.Equal(t, 3, w.batch(b.ID).Counts.InFlight())
		require.NoError(t, w.stop())
		got := w.batch(b.ID).Counts
		require.Equal(t, 2, got.Queued)
		require.Equal(t, 1, got.Completed)
		first.refusing(nil)
		w.restart()
		w.awaitOver(b.ID, time.Minute)
		w.judge()
	})
}

// awaitOther waits for a batch of another organisation.
func (w *world) awaitOther(b store.Batch, most time.Duration) {
	w.t.Helper()
	pass(most)
	require.Equal(w.t, b.Counts.Scheduled(), w.batchOf(b.Org, b.ID).Counts.Completed)
}

// requireFree checks that nothing of the organisation's limit leaked.
func requireFree(t *testing.T, w *world, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	release, err := w.engine.Reserve(ctx, org, n)
	require.NoError(t, err)
	release()
}

func TestWeightsShareTheCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) { d.number.Weights = []int{3, 1} })
		w.run()
		b := w.create(request(400))
		w.awaitOver(b.ID, time.Minute)
		require.Len(t, first.calls(), 300)
		require.Len(t, second.calls(), 100)

		second.refusing(errDown)
		c := request(100)
		c.Recipients = numbers(1000, 100)
		w.awaitOver(w.create(c).ID, time.Minute)
		require.Len(t, first.calls(), 400, "the other one takes them all")
		second.refusing(nil)
		pass(2 * time.Minute)
		d := request(400)
		d.Recipients = numbers(2000, 400)
		w.script(2000, 400, fake.Behaviour{Talk: time.Second}) // one after the other, so that chance has no part in it
		w.awaitOver(w.create(d).ID, time.Hour)
		require.InDelta(t, 300, len(first.calls())-400, 5, "what it missed is not made up for")
	})
}

func TestWeightsThatAreNotOneForEachAreNone(t *testing.T) {
	for _, weights := range [][]int{{1}, {1, 0}, {1, 1, 1}} {
		bubble(t, func(t *testing.T) {
			w, first, second := newPair(t, dialer.Limits{})
			w.dir.set(func(d *directory) { d.number.Weights = weights })
			w.run()
			w.awaitOver(w.create(request(20)).ID, time.Minute)
			require.Len(t, first.calls(), 20)
			require.Empty(t, second.calls())
		})
	}
}

// A number that the carrier does not take keeps no other number from it.
func TestARefusedCallerIsNotTheCarriers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{})
		const bad = "+442079460001"
		first.refuse = func(c dialer.Call) error {
			if c.From == bad {
				return &dialer.UnavailableError{CallerOnly: true, Cause: errors.New("not verified")}
			}
			return nil
		}
		w.dir.set(func(d *directory) {
			d.number = batch.Number{E164: bad, Carriers: []string{"first"}}
			d.orgs["other"] = batch.Organisation{ConcurrencyLimit: 5}
		})
		w.run()
		stuck := w.create(request(3))
		pass(5 * time.Second)
		got, err := w.engine.WhyBatch(t.Context(), org, stuck.ID)
		require.NoError(t, err)
		require.Equal(t, batch.WaitNoCarrier, got.Reason)
		require.Contains(t, got.Detail, "no calls from this number")
		state := w.engine.Carriers()[0]
		require.Equal(t, "first", state.Name)
		require.Equal(t, batch.BreakerClosed, state.Breaker.Position)
		require.NotEqual(t, batch.BreakerClosed, state.Callers[bad].Position)
		require.Contains(t, state.Callers[bad].Cause, "not verified")

		w.dir.set(func(d *directory) { d.number.E164 = "+442079460002" })
		w.awaitOther(w.createFor("other", request(20)), 10*time.Second)
		require.Equal(t, 3, w.awaitOver(stuck.ID, time.Minute).Counts.Completed, "the number was replaced")
	})
}

// Agents belong to one organisation, carriers to all.
func TestADeadAgentIsNotTheCarriers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) { d.orgs["other"] = batch.Organisation{ConcurrencyLimit: 5} })
		dead := true
		var mu sync.Mutex
		first.refuse = func(c dialer.Call) error {
			mu.Lock()
			defer mu.Unlock()
			if dead && c.Org == org {
				return &dialer.UnavailableError{AgentOnly: true, Cause: errors.New("refused")}
			}
			return nil
		}
		w.run()
		stuck := w.create(request(30))
		pass(30 * time.Second)
		require.Less(t, len(first.calls()), 30, "it is tried now and then")
		require.Empty(t, second.calls(), "another carrier has the same agent")
		got, err := w.engine.WhyBatch(t.Context(), org, stuck.ID)
		require.NoError(t, err)
		require.Equal(t, batch.WaitAgent, got.Reason)
		require.Equal(t, "the agent cannot be reached", got.Detail)
		require.Equal(t, batch.BreakerClosed, w.engine.Carriers()[0].Breaker.Position)
		w.awaitOther(w.createFor("other", request(20)), 10*time.Second)
		require.Zero(t, w.batch(stuck.ID).Counts.Failed)
		mu.Lock()
		dead = false
		mu.Unlock()
		require.Equal(t, 30, w.awaitOver(stuck.ID, 2*time.Minute).Counts.Completed)
	})
}

// Each call that breaks down writes a person off: after a few of them no more are tried.
func TestACarrierThatBreaksCallsDownIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) { d.number.Carriers = []string{"first"} })
		first.refusing(errors.New("502 bad gateway"))
		w.run()
		b := w.create(request(1000))
		pass(10 * time.Second)
		got := w.batch(b.ID).Counts
		require.Less(t, got.Failed, 40, "and not a thousand")
		require.GreaterOrEqual(t, got.Failed, 10)
		why, err := w.engine.WhyBatch(t.Context(), org, b.ID)
		require.NoError(t, err)
		require.Equal(t, batch.WaitNoCarrier, why.Reason)
		require.Contains(t, why.Detail, "too many calls broke down")
		require.NotContains(t, why.Detail, "502", "it may be about another organisation's call")
		state := w.engine.Carriers()[0].Breaker
		require.Contains(t, state.Cause, "502 bad gateway")
		require.Equal(t, state.Calls, state.Broken)
		first.refusing(nil)
		lost := w.batch(b.ID).Counts.Failed
		over := w.awaitOver(b.ID, 10*time.Minute)
		require.Equal(t, 1000-over.Counts.Failed, over.Counts.Completed)
		require.InDelta(t, lost, over.Counts.Failed, 4)
		w.judge()
	})
}

func TestCarriersAreSwappedWhileCallsRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) { d.number.Carriers = []string{"first"} })
		w.script(0, 20, fake.Behaviour{Talk: 20 * time.Second})
		w.run()
		b := w.create(request(20))
		pass(5 * time.Second)
		require.Len(t, first.calls(), 5, "half of the organisation's limit")
		second.limits = dialer.Limits{Channels: 5}
		retired, err := w.engine.SetDialers(map[string]dialer.Dialer{"first": second})
		require.NoError(t, err)
		pass(5 * time.Second)
		require.Empty(t, second.calls(), "the calls of the one before count")
		select {
		case <-retired:
			t.Fatal("calls are in flight over it")
		default:
		}
		require.Equal(t, 5, w.engine.Carriers()[0].InUse)
		pass(11 * time.Second)
		<-retired
		require.Equal(t, 20, w.awaitOver(b.ID, 5*time.Minute).Counts.Completed)
		require.Len(t, first.calls(), 5)
		require.Len(t, second.calls(), 15)
		books := w.judge()
		require.Equal(t, 5, books.MostAtOnce(fake.Scope{}))
	})
}

func TestSettingTheSameDialersChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{})
		first.refusing(errDown)
		w.dir.set(func(d *directory) { d.number.Carriers = []string{"first"} })
		w.run()
		b := w.create(request(1))
		pass(time.Second / 2)
		retired, err := w.engine.SetDialers(w.cfg.Dialers)
		require.NoError(t, err)
		<-retired
		require.Equal(t, batch.BreakerOpen, w.engine.Carriers()[0].Breaker.Position, "it rests as before")
		first.refusing(nil)
		w.awaitOver(b.ID, time.Minute)

		_, err = w.engine.SetDialers(map[string]dialer.Dialer{"": first, "x": nil})
		require.ErrorContains(t, err, `carrier "": expected a name and a dialer`)
		require.ErrorContains(t, err, `carrier "x"`)
		require.Len(t, w.engine.Carriers(), 2)
	})
}

// A batch whose carrier is taken away waits, and goes on when there is one again.
func TestACarrierThatIsTakenAwayIsWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{Channels: 1})
		first.refusing(errForeign)
		w.script(0, 2, fake.Behaviour{Talk: 20 * time.Second})
		w.run()
		b := w.create(request(2))
		pass(5 * time.Second) // one talks, one waits for the second carrier
		_, err := w.engine.SetDialers(nil)
		require.NoError(t, err)
		pass(time.Minute)
		got := w.batch(b.ID).Counts
		require.Equal(t, 1, got.Completed)
		why, err := w.engine.WhyBatch(t.Context(), org, b.ID)
		require.NoError(t, err)
		_ = why
		_, err = w.engine.SetDialers(map[string]dialer.Dialer{"first": first, "second": second})
		require.NoError(t, err)
		w.awaitOver(b.ID, time.Minute)
		w.judge()
	})
}

// A node that dies while an attempt waits for the next carrier leaves behind that the one before had
// refused it: nobody was rung, so it is not written off.
func TestARefusedAttemptOfADeadNodeIsQueuedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{Channels: 1})
		w.script(0, 2, fake.Behaviour{Talk: time.Minute})
		first.refusing(errForeign)
		cut := &partition{Store: w.cfg.Store}
		w.cfg.Store = cut
		w.engine = w.newEngine()
		stop := runEngine(w.engine)
		b := w.create(request(2))
		pass(5 * time.Second)
		require.Len(t, second.calls(), 1)
		cut.cut()
		w.cfg.Store = cut.Store
		first.refusing(nil)
		w.restart()
		pass(30 * time.Second)
		counts := w.batch(b.ID).Counts
		require.Equal(t, 1, counts.Failed, "the one whose fate is unknown")
		require.Equal(t, 1, counts.Started)
		w.awaitOver(b.ID, 5*time.Minute)
		cut.heal()
		require.NoError(t, stop())
		w.judge()
	})
}

// gatedResumer refuses calls as its gate does, and resumes those that it took.
type gatedResumer struct {
	*resumed

	gate *gatekeeper
}

func (g *gatedResumer) Dial(ctx context.Context, c dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	return g.gate.Dial(ctx, c, report)
}

// Whoever takes over a call that had moved asks its carrier for one of the time at which that got it.
func TestACallThatMovedWasPlacedWhenItDid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		g := &gatedResumer{&resumed{Resumer: w.carrier.Dialer().(dialer.Resumer)}, second}
		second.Dialer = g.Resumer
		w.cfg.Dialers, w.cfg.DrainTimeout = map[string]dialer.Dialer{"first": first, "second": g}, batch.NoDrain
		first.refusing(errForeign)
		second.refusing(errDown)
		w.engine = w.newEngine()
		w.script(0, 2, fake.Behaviour{Ring: time.Second, Talk: time.Hour})
		w.run()
		r := request(2) // the second carrier refuses one, and has rested for a while when it is asked for the other
		r.RingTimeout = batch.MaxRingTimeout
		b := w.create(r)
		pass(40 * time.Second)
		require.NotEmpty(t, second.calls())
		second.refusing(nil)
		pass(40 * time.Second)
		require.Equal(t, 2, w.batch(b.ID).Counts.Started)
		require.NoError(t, w.stop())
		w.restart()
		pass(time.Second)
		placed := map[string]time.Time{}
		for _, c := range second.calls() {
			placed[c.ID] = c.PlacedAt
		}
		resumed := g.all()
		require.Len(t, resumed, 2)
		moved := 0
		for _, c := range resumed {
			require.Equal(t, placed[c.ID], c.PlacedAt)
			for _, was := range w.calls(b.ID) {
				if was.ID == c.ID && c.PlacedAt.Sub(was.DispatchedAt) > 5*time.Second {
					moved++
				}
			}
		}
		require.Positive(t, moved, "some of them waited for the carrier")
	})
}

// A carrier that was not asked, and may be in a moment, is no reason to wait in a slot for another one.
func TestWhoIsPutOffWaitsForNoOtherCarrier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		second.refusing(&dialer.UnavailableError{Cause: errors.New("503"), After: time.Hour})
		first.refusing(errForeign)
		w.run()
		rested := request(1)
		rested.Target = 1
		w.create(rested)
		pass(2 * time.Second)
		require.NotEmpty(t, second.calls(), "the second carrier rests")
		first.refusing(&dialer.UnavailableError{Cause: fmt.Errorf("%w: calls under way may use it up", dialer.ErrNotAsked)})
		b := w.create(request(1))
		pass(1500 * time.Millisecond) // not when it is tried again
		require.Equal(t, fsm.Queued, w.recipients(b.ID)[0].Status)
		first.refusing(nil)
		w.awaitOver(b.ID, 5*time.Minute)
		require.Equal(t, fsm.Completed, w.recipients(b.ID)[0].Status)
	})
}
