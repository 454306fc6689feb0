package batch_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// errPutOff is what a dialer says that has not asked its carrier, as calls under way may leave no room.
var errPutOff = &dialer.UnavailableError{Cause: fmt.Errorf("%w: others are under way", dialer.ErrNotAsked)}

// busyWorld is a pair of carriers at which another organisation has calls begin and end all the time.
func busyWorld(t *testing.T, hours int) (w *world, first, second *gatekeeper) {
	t.Helper()
	w, first, second = newPair(t, dialer.Limits{})
	w.dir.set(func(d *directory) { d.orgs["other"] = batch.Organisation{ConcurrencyLimit: 1} })
	const talk = 20 * time.Second
	n := hours * int(time.Hour/talk)
	w.script(1000, n, fake.Behaviour{Talk: talk})
	w.run()
	for ; n > 0; n -= store.MaxRecipients {
		r := request(0)
		r.Recipients = numbers(1000+max(n-store.MaxRecipients, 0), min(n, store.MaxRecipients))
		w.createFor("other", r)
	}
	pass(10 * time.Second)
	return w, first, second
}

// refusingOne has a carrier refuse number 0 alone, with what it is given.
func refusingOne(g *gatekeeper) *atomic.Pointer[error] {
	var why atomic.Pointer[error]
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = func(c dialer.Call) error {
		if err := why.Load(); err != nil && string(c.To) == number(0) {
			return *err
		}
		return nil
	}
	return &why
}

func attempts(g *gatekeeper) (n int) {
	for _, c := range g.calls() {
		if string(c.To) == number(0) {
			n++
		}
	}
	return n
}

// Whom a dialer puts off without asking its carrier is no recipient that the carrier refuses, however often it is
// so, and is not claimed again at once.
func TestWhoIsPutOffIsTriedAgainNowAndThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := busyWorld(t, 5)
		w.dir.set(func(d *directory) { d.number.Carriers = []string{"first"} })
		why := refusingOne(first)
		var putOff, down error = errPutOff, errDown
		why.Store(&putOff)
		b := w.create(request(1))
		pass(4 * time.Hour)
		n := attempts(first)
		require.Greater(t, n, 200, "it is tried each minute")
		require.Less(t, n, 250)
		got, err := w.engine.Why(t.Context(), org, w.recipients(b.ID)[0].ID())
		require.NoError(t, err)
		require.Equal(t, batch.WaitPacing, got.Reason)
		require.Contains(t, got.Detail, "were not asked")
		require.Contains(t, got.Detail, fmt.Sprint("came to nothing: ", n))
		require.LessOrEqual(t, time.Until(got.Until), time.Minute)
		why.Store(&down)
		pass(2 * time.Minute)
		require.Greater(t, attempts(first), n+5, "the carrier takes others all the while")
		require.False(t, w.recipients(b.ID)[0].Status.Terminal(), "it was refused few times")
		why.Store(nil)
		require.Equal(t, 1, w.awaitOver(b.ID, time.Hour).Counts.Completed)
	})
}

// There may be others who can be called: they come first, and at once.
func TestWhoIsPutOffHoldsNobodyUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) { d.number.Carriers = []string{"first"} })
		var open atomic.Bool
		first.refuse = func(c dialer.Call) error {
			if string(c.To) < number(20) && !open.Load() {
				return errPutOff
			}
			return nil
		}
		w.script(0, 60, fake.Behaviour{Talk: time.Second})
		w.run()
		b := w.create(request(60))
		w.await(b.ID, 12*time.Second, func(c fsm.Counts) bool { return c.Completed == 40 })
		pass(30 * time.Minute)
		require.Less(t, len(first.calls()), 40+20+10*40, "as many as there are units begin each minute")
		open.Store(true)
		require.Equal(t, 60, w.awaitOver(b.ID, 2*time.Minute).Counts.Completed)
	})
}

// That one carrier puts it off and another one has said no makes no difference.
func TestWhoIsPutOffByOneAndRefusedByAnotherIsNotTriedWithoutEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		first.refusing(errPutOff)
		second.refusing(errForeign)
		w.run()
		b := w.create(request(1))
		pass(time.Hour)
		require.Less(t, len(first.calls()), 80)
		first.refusing(nil)
		require.Equal(t, 1, w.awaitOver(b.ID, 2*time.Minute).Counts.Completed)
	})
}

// A carrier that refuses one recipient and takes others means that one. While another one of the number is down it
// has not failed, since that may take it; when both have said no, that is the answer.
func TestWhenARecipientThatIsRefusedHasFailed(t *testing.T) {
	for _, test := range []struct {
		name   string
		second error
		fails  bool
	}{
		{"the other carrier is down", errDown, false},
		{"the other carrier does not take it", errForeign, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, first, second := busyWorld(t, 5)
				why := refusingOne(first)
				var down error = errDown
				why.Store(&down)
				second.refusing(test.second)
				b := w.create(request(1))
				pass(4 * time.Hour)
				r := w.recipients(b.ID)[0]
				require.GreaterOrEqual(t, r.Attempts, 100)
				if test.fails {
					require.Equal(t, fsm.Failed, r.Status)
					require.Contains(t, r.Error, "first: ")
					require.Contains(t, r.Error, "second: ")
					return
				}
				require.False(t, r.Status.Terminal())
				second.refusing(nil)
				require.Equal(t, 1, w.awaitOver(b.ID, time.Hour).Counts.Completed)
			})
		})
	}
}

// Where nobody else is called, nobody can say whether a carrier means the recipient or is down: it waits, for as long
// as that takes, and Why tells for what.
func TestARecipientThatIsAloneWaitsForItsCarriers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, second := newPair(t, dialer.Limits{})
		w.cfg.Lease, w.cfg.PollInterval = time.Hour, time.Minute // a day of looking around takes its time
		w.engine = w.newEngine()
		first.refusing(errDown)
		second.refusing(errDown)
		w.run()
		b := w.create(request(1))
		pass(24 * time.Hour)
		var got batch.Waiting
		for range 200 {
			var err error
			got, err = w.engine.Why(t.Context(), org, w.recipients(b.ID)[0].ID())
			require.NoError(t, err)
			if got.Reason != "" { // it is not just being tried
				break
			}
			pass(time.Second)
		}
		require.Equal(t, batch.WaitNoCarrier, got.Reason)
		require.Contains(t, got.Detail, "first: it rests")
		require.Contains(t, got.Detail, "second: it rests")
		require.Contains(t, got.Detail, "came to nothing: ")
		second.refusing(nil)
		require.Equal(t, 1, w.awaitOver(b.ID, 10*time.Minute).Counts.Completed)
		w.judge()
	})
}

// What a carrier refused while it was down says nothing once it takes calls again.
func TestTimeThatACarrierWasDownCountsAgainstNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) {
			d.number.Carriers = []string{"first"}
			d.orgs["other"] = batch.Organisation{ConcurrencyLimit: 1}
		})
		first.refusing(errDown)
		w.run()
		b := w.create(request(1))
		pass(4 * time.Hour)
		require.Greater(t, w.recipients(b.ID)[0].Attempts, 100)
		why := refusingOne(first)
		var down error = errDown
		why.Store(&down)
		r := request(0)
		r.Recipients = numbers(1000, 600)
		w.script(1000, 600, fake.Behaviour{Talk: time.Second})
		before := attempts(first)
		w.createFor("other", r)
		for range 600 { // whose call tries the carrier out is chance
			if attempts(first) > before+5 {
				break
			}
			pass(time.Second)
		}
		require.Greater(t, attempts(first), before+5)
		require.False(t, w.recipients(b.ID)[0].Status.Terminal())
		why.Store(nil)
		require.Equal(t, 1, w.awaitOver(b.ID, time.Hour).Counts.Completed)
	})
}

// So it is in a batch that is retried, whose recipients all have an attempt behind them.
func TestWhoIsPutOffInARetryHoldsNobodyUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) { d.number.Carriers = []string{"first"} })
		var retried atomic.Bool
		first.refuse = func(c dialer.Call) error {
			switch {
			case !retried.Load():
				return errForeign
			case string(c.To) < number(20):
				return errPutOff
			}
			return nil
		}
		w.script(0, 60, fake.Behaviour{Talk: time.Second})
		w.run()
		r := request(60)
		r.Target = 1
		b := w.create(r)
		require.Equal(t, 60, w.awaitOver(b.ID, time.Minute).Counts.Failed)
		retried.Store(true)
		_, err := w.engine.Retry(t.Context(), org, b.ID)
		require.NoError(t, err)
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Completed == 40 })
		before := len(first.calls())
		pass(30 * time.Minute)
		require.Less(t, len(first.calls())-before, 50, "after that it rests, up to a minute")
	})
}
