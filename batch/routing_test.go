package batch_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

var errForbidden = fmt.Errorf("%w: premium rate", dialer.ErrForbidden)

// What no carrier may place is not offered to the next one, and does not wait for one that takes no calls.
func TestAForbiddenRecipientHasFailed(t *testing.T) {
	for name, first := range map[string]error{"at once": errForbidden, "after a carrier that is down": errDown} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, one, two := newPair(t, dialer.Limits{})
				one.refusing(first)
				two.refusing(errForbidden)
				w.run()
				b := w.create(request(1))
				require.Equal(t, 1, w.awaitOver(b.ID, time.Minute).Counts.Failed)
				r := w.recipients(b.ID)[0]
				require.Empty(t, r.CallID)
				require.Equal(t, 1, r.Attempts)
				require.Contains(t, r.Error, "premium rate")
				if errors.Is(first, dialer.ErrForbidden) {
					require.Empty(t, two.calls())
				}
			})
		})
	}
}

// A refusal for which the carrier was not asked neither ends its rest nor begins one.
func TestACarrierThatWasNotAskedIsNotJudged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) { d.number.Carriers = []string{"first"} })
		w.run()
		first.refusing(errForbidden)
		w.awaitOver(w.create(request(20)).ID, time.Minute)
		state := w.engine.Carriers()[0].Breaker
		require.Zero(t, state.Calls, "nothing is known of it")
		require.Equal(t, batch.BreakerClosed, state.Position)

		first.refusing(errDown)
		down := w.create(request(1))
		pass(5 * time.Second)
		first.refusing(errForbidden)
		w.awaitOver(down.ID, time.Minute)
		state = w.engine.Carriers()[0].Breaker
		require.Equal(t, batch.BreakerHalfOpen, state.Position, "it may be as down as before")
		require.Contains(t, state.Cause, "down")
	})
}

// A recipient that one carrier refuses and that waits for one that takes all others is written off at last.
func TestARecipientIsNotQueuedAgainForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		poison := dialer.Phone(number(0))
		first.refuse = func(c dialer.Call) error {
			if c.To == poison {
				return &dialer.UnavailableError{After: time.Millisecond, Cause: errors.New("busy for this one")}
			}
			return nil
		}
		second.refusing(errForeign)
		w.run()
		b := w.create(request(1))
		others := request(5000)
		others.Recipients = numbers(1, 5000)
		w.script(1, 5000, fake.Behaviour{Talk: time.Second})
		o := w.create(others)
		require.Equal(t, 1, w.awaitOver(b.ID, 20*time.Minute).Counts.Failed)
		require.Contains(t, w.recipients(b.ID)[0].Error, "not in this country")
		w.awaitOver(o.ID, time.Hour)
	})
}

// A fallback carrier is replaced by one with another name. The dialers change before the directory says so, or after
// it: nobody who waits for a carrier is written off for that.
func TestAFallbackCarrierIsReplaced(t *testing.T) {
	for name, dialersFirst := range map[string]bool{"dialers first": true, "directory first": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, first, second := newPair(t, dialer.Limits{})
				first.refusing(errForeign)
				second.refusing(errDown)
				third := &gatekeeper{Dialer: second.Dialer}
				w.run()
				b := w.create(request(5))
				pass(3*time.Second + 300*time.Millisecond)
				dialers := func() {
					_, err := w.engine.SetDialers(map[string]dialer.Dialer{"first": first, "third": third})
					require.NoError(t, err)
				}
				names := func() { w.dir.set(func(d *directory) { d.number.Carriers = []string{"first", "third"} }) }
				changes := []func(){names, dialers}
				if dialersFirst {
					changes = []func(){dialers, names}
				}
				ids := []string{b.ID}
				for _, change := range changes {
					change()
					more := request(5)
					more.Recipients = numbers(100, 5)
					ids = append(ids, w.create(more).ID) // they are refused while all changes
					pass(time.Millisecond)
				}
				for _, id := range ids {
					require.Equal(t, 5, w.awaitOver(id, time.Minute).Counts.Completed)
				}
				require.Len(t, third.calls(), 15)
				w.judge()
			})
		})
	}
}

// One that the directory goes on naming, and that is not there, is none.
func TestACarrierThatIsNotThereIsNotWaitedForLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) { d.number.Carriers = []string{"first", "nowhere"} })
		first.refusing(errForeign)
		w.run()
		b := w.create(request(3))
		require.Equal(t, 3, w.awaitOver(b.ID, 10*time.Second).Counts.Failed)
		require.Contains(t, w.recipients(b.ID)[0].Error, "not in this country")
	})
}

// While the directory does not know the number, nobody is written off whom a carrier refused.
func TestARefusedAttemptWithoutANumberIsQueuedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		first.refusing(errForeign)
		second.refusing(errDown)
		w.run()
		b := w.create(request(3))
		pass(5 * time.Second)
		w.dir.set(func(d *directory) { d.orgs["other"] = d.orgs[org]; delete(d.orgs, org) })
		pass(5 * time.Second)
		require.Equal(t, 3, w.batch(b.ID).Counts.Queued)
		second.refusing(nil)
		w.dir.set(func(d *directory) { d.orgs[org] = d.orgs["other"] })
		require.Equal(t, 3, w.awaitOver(b.ID, 5*time.Minute).Counts.Completed)
		w.judge()
	})
}

// A carrier that is taken away and comes back, as the same dialer or as another one, has the channels in use that its
// calls never gave back.
func TestAReturningCarrierHasItsCalls(t *testing.T) {
	for name, same := range map[string]bool{"the same dialer": true, "another one": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, first, second := newPair(t, dialer.Limits{})
				first.limits = dialer.Limits{Channels: 2}
				_, err := w.engine.SetDialers(map[string]dialer.Dialer{"first": &gatekeeper{Dialer: first.Dialer, limits: first.limits}})
				require.NoError(t, err)
				w.dir.set(func(d *directory) { d.number.Carriers = []string{"first"} })
				_, err = w.engine.SetDialers(map[string]dialer.Dialer{"first": first})
				require.NoError(t, err)
				w.script(0, 6, fake.Behaviour{Talk: 20 * time.Second})
				w.run()
				b := w.create(request(6))
				pass(5 * time.Second)
				require.Len(t, first.calls(), 2)
				retired, err := w.engine.SetDialers(nil)
				require.NoError(t, err)
				pass(5 * time.Second)
				back := first
				if !same {
					back = &gatekeeper{Dialer: second.Dialer, limits: first.limits}
				}
				_, err = w.engine.SetDialers(map[string]dialer.Dialer{"first": back})
				require.NoError(t, err)
				require.Equal(t, 2, w.engine.Carriers()[0].InUse)
				require.Equal(t, 6, w.awaitOver(b.ID, 5*time.Minute).Counts.Completed)
				require.Equal(t, 2, w.judge().MostAtOnce(fake.Scope{}))
				pass(time.Second)
				select {
				case <-retired:
					require.False(t, same, "it is in use again, and must not be closed")
				default:
					require.True(t, same, "nobody uses it")
				}
				_, err = w.engine.SetDialers(nil)
				require.NoError(t, err)
				<-retired
			})
		})
	}
}

// Many small batches in a row share out as one large one does.
func TestWeightsAreKeptBetweenBatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) { d.number.Weights = []int{3, 1} })
		w.run()
		for i := range 40 {
			r := request(1)
			r.Recipients = numbers(i, 1)
			w.awaitOver(w.create(r).ID, time.Minute)
			pass(10 * time.Second)
		}
		require.Len(t, first.calls(), 30)
		require.Len(t, second.calls(), 10)
	})
}

func TestEveryRefusalIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		third, fourth := &gatekeeper{Dialer: first.Dialer}, &gatekeeper{Dialer: first.Dialer}
		for i, g := range []*gatekeeper{first, second, third} {
			g.refusing(fmt.Errorf("%w: reason %d", dialer.ErrNotPlaced, i))
		}
		_, err := w.engine.SetDialers(map[string]dialer.Dialer{"first": first, "second": second, "third": third, "fourth": fourth})
		require.NoError(t, err)
		w.dir.set(func(d *directory) { d.number.Carriers = []string{"first", "second", "third", "fourth"} })
		w.run()
		b := w.create(request(1))
		require.Equal(t, 1, w.awaitOver(b.ID, time.Minute).Counts.Completed)
		c := w.calls(b.ID)[0]
		require.Equal(t, "fourth", c.Carrier)
		var names []string
		for i, try := range c.Tries {
			names = append(names, try.Carrier)
			require.Equal(t, fmt.Sprintf("no call was placed: reason %d", i), try.Error)
		}
		require.Equal(t, []string{"first", "second", "third"}, names)
		require.Len(t, fourth.calls(), 1)
		w.judge()
	})
}

// refusesLate is a carrier that says that nothing was placed after the phone rang, or that does not know.
type refusesLate struct {
	*gatekeeper

	rings bool
	err   error
}

func (r *refusesLate) Dial(_ context.Context, _ dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	if r.rings {
		report(dialer.Progress{Stage: dialer.Ringing, At: time.Now()})
	}
	return dialer.Outcome{}, r.err
}

// Where somebody's phone rang, or may have, nobody else is asked.
func TestNothingIsPlacedAgainThatMayHaveRung(t *testing.T) {
	for name, late := range map[string]*refusesLate{
		"it rang, and then it was not placed": {rings: true, err: errForeign},
		"it rang, and then it was down":       {rings: true, err: errDown},
		"nothing is known":                    {err: errors.New("connection reset")},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, first, second := newPair(t, dialer.Limits{})
				late.gatekeeper = first
				_, err := w.engine.SetDialers(map[string]dialer.Dialer{"first": late, "second": second})
				require.NoError(t, err)
				w.run()
				b := w.create(request(1))
				require.Equal(t, 1, w.awaitOver(b.ID, time.Minute).Counts.Failed)
				require.Empty(t, second.calls())
				c := w.calls(b.ID)[0]
				require.Equal(t, "first", c.Carrier)
				require.Empty(t, c.Tries)
				require.Equal(t, dialer.Error, c.EndReason)
			})
		})
	}
}

// moveWatcher tells when a move to the next carrier was written, before the engine hears of it.
type moveWatcher struct {
	*partition

	moved func()
}

func (m *moveWatcher) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	res, err := m.partition.Advance(ctx, step)
	for _, ev := range step.Events {
		if err == nil && ev.Carrier != "" {
			m.moved()
		}
	}
	return res, err
}

// The node dies between the writing of a move and the next carrier's hearing of it. That carrier is asked by whoever
// takes over: it never heard of the call, and the recipient is queued again.
func TestACrashBeforeTheNextCarrierIsAskedLosesNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{})
		resumer := &resumed{Resumer: w.carrier.Dialer().(dialer.Resumer)}
		first.refusing(errForeign)
		w.cfg.Dialers = map[string]dialer.Dialer{"first": first, "second": resumer}
		inner := w.cfg.Store
		cut := &moveWatcher{partition: &partition{Store: inner}}
		cut.moved = cut.cut
		silent := &gatekeeper{Dialer: resumer, refuse: func(dialer.Call) error { return errors.New("it is dead") }}
		crashing := w.cfg
		crashing.Store = cut
		crashing.Dialers = map[string]dialer.Dialer{"first": first, "second": silent}
		engine, err := batch.New(crashing)
		require.NoError(t, err)
		stop := runEngine(engine)
		b := w.create(request(1))
		pass(5 * time.Second)
		require.Equal(t, "second", w.calls(b.ID)[0].Carrier, "the move is written")
		w.restart()
		pass(30 * time.Second)
		require.Equal(t, w.calls(b.ID)[0].BatchID, resumer.only(t).Batch, "who takes over asks the carrier that never heard of it")
		counts := w.awaitOver(b.ID, 5*time.Minute).Counts
		require.Equal(t, 1, counts.Completed+counts.Failed)
		cut.heal()
		require.NoError(t, stop())
		w.judge()
	})
}

// Another process wants a call ended that waits here for another carrier.
func TestAnotherProcessCancelsWhatWaitsForACarrier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		first.refusing(errForeign)
		second.refusing(errDown)
		w.run()
		b := w.create(request(1))
		pass(5 * time.Second)
		c := w.calls(b.ID)[0]
		require.Equal(t, fsm.Dispatched, c.Status)
		require.NoError(t, w.newEngine().CancelCall(t.Context(), org, c.ID))
		pass(2 * batch.DefaultPollInterval)
		r := w.recipients(b.ID)[0]
		require.Equal(t, fsm.Failed, r.Status)
		require.Equal(t, store.CancelledBefore, r.Error)
	})
}
