package batch_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
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

// Each test here is a way in which a promise could be broken that was found by attack.

func TestALimitLoweredWhileNothingRanIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 20, fake.Behaviour{Talk: time.Minute})
		w.run()
		r := request(20)
		r.Target, r.ScheduledAt = 10, time.Now().Add(time.Hour)
		b := w.create(r)
		pass(30 * time.Minute)
		w.dir.limit(org, 1)
		w.awaitOver(b.ID, 3*time.Hour)
		require.Equal(t, 1, w.judge().MostAtOnce(fake.Scope{}))
	})
}

func TestADirectoryThatRecoversIsHeardSoon(t *testing.T) {
	changes := map[string][2]func(*directory){
		"carrier": {
			func(d *directory) { d.number.Carriers = []string{"gone"} },
			func(d *directory) { d.number.Carriers = []string{"fake"} },
		},
		"inbound only": {
			func(d *directory) { d.number.InboundOnly = true },
			func(d *directory) { d.number.InboundOnly = false },
		},
		"everything": {
			func(d *directory) { d.err = errInjected },
			func(d *directory) { d.err = nil },
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, dialer.Limits{})
				b := w.create(request(5))
				w.dir.set(change[0])
				w.run()
				pass(10 * time.Minute)
				require.Equal(t, 5, w.batch(b.ID).Counts.Queued)
				w.dir.set(change[1])
				w.awaitOver(b.ID, 10*time.Second)
			})
		})
	}
}

func TestACarrierThatCannotBeAskedIsNotDialledAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 1, fake.Behaviour{Ring: 30 * time.Second, Talk: time.Minute})
		first := &partition{Store: w.cfg.Store}
		w.cfg.Store = first
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer()}
		w.engine = w.newEngine()
		w.run()
		b := w.create(request(1))
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Dispatched == 1 })
		first.cut()
		w.cfg.Store = first.Store
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": unreachable{w.carrier.Dialer()}}
		w.restart()
		got := w.awaitOver(b.ID, time.Hour)
		require.Equal(t, fsm.Counts{Failed: 1}, got.Counts)
		require.Equal(t, 1, w.judge().Placed(fake.Scope{}))
		first.heal()
	})
}

// unreachable cannot ask its carrier about calls.
type unreachable struct{ dialer.Dialer }

func (unreachable) Resume(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error) {
	return dialer.Outcome{}, &dialer.UnavailableError{}
}

// deaf is a carrier that cannot be asked about calls for a while.
type deaf struct {
	dialer.Resumer

	err   error
	times atomic.Int32
}

func (d *deaf) Resume(ctx context.Context, c dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	if d.times.Add(-1) >= 0 {
		return dialer.Outcome{}, d.err
	}
	return d.Resumer.Resume(ctx, c, report)
}

// A carrier that cannot be asked right after a crash has not lost the call.
func TestACarrierIsAskedAgainForACallThatWentOn(t *testing.T) {
	for _, err := range []error{&dialer.UnavailableError{}, errors.New("connection reset"), context.DeadlineExceeded} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, dialer.Limits{})
			first := &partition{Store: w.cfg.Store}
			w.cfg.Store = first
			w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer()}
			w.engine = w.newEngine()
			w.script(0, 1, fake.Behaviour{Talk: 5 * time.Minute})
			w.run()
			b := w.create(request(1))
			w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Started == 1 })
			first.cut()
			w.cfg.Store = first.Store
			carrier, ok := w.carrier.Dialer().(dialer.Resumer)
			require.True(t, ok)
			d := &deaf{Resumer: carrier, err: err}
			d.times.Store(4)
			w.cfg.Dialers = map[string]dialer.Dialer{"fake": d}
			w.restart()
			got := w.awaitOver(b.ID, time.Hour)
			require.Equal(t, fsm.Counts{Completed: 1}, got.Counts)
			require.Equal(t, 1, w.judge().Placed(fake.Scope{}))
			first.heal()
		})
	}
}

func TestADialerThatLetsGoUnaskedHoldsNoSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": letsGo{}}
		w.engine = w.newEngine()
		w.run()
		got := w.awaitOver(w.create(request(20)).ID, time.Minute)
		require.Equal(t, 20, got.Counts.Failed)
	})
}

type letsGo struct{}

func (letsGo) Dial(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error) {
	return dialer.Outcome{}, dialer.ErrDetached
}

func TestOneHeartbeatThatHangsCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hang := &hangingHeartbeat{}
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) { hang.Store, c.Store = c.Store, hang })
		w.script(0, 5, fake.Behaviour{Talk: time.Minute})
		w.run()
		b := w.create(request(5))
		pass(10 * time.Second)
		hang.next.Store(true)
		got := w.awaitOver(b.ID, time.Hour)
		require.Equal(t, 5, got.Counts.Completed)
		require.False(t, hang.next.Load(), "one did hang")
	})
}

type hangingHeartbeat struct {
	store.Store

	next atomic.Bool
}

func (h *hangingHeartbeat) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	if h.next.Swap(false) {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.Store.Heartbeat(ctx, n, lease)
}

// A process that is stopped while its claim is on its way finds its calls taken over.
func TestNothingIsPlacedUnderALeaseThatRanOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		late := &lateAnswer{}
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) { late.Store, c.Store = c.Store, late })
		w.run()
		late.next.Store(true)
		b := w.create(request(1))
		pass(5 * time.Minute)
		require.False(t, late.next.Load(), "one was late")
		require.Zero(t, w.carrier.Books().Placed(fake.Scope{Recipient: store.RecipientID(b.ID, 0), Attempt: 1}))
		require.True(t, w.batch(b.ID).Counts.Over())
	})
}

// lateAnswer answers one claim when the lease has run out, which is not renewed meanwhile.
type lateAnswer struct {
	store.Store

	next, stopped atomic.Bool
}

func (l *lateAnswer) Advance(ctx context.Context, s store.Step) (store.Advanced, error) {
	res, err := l.Store.Advance(ctx, s)
	if len(s.Claims) > 0 && l.next.Swap(false) {
		l.stopped.Store(true)
		pass(20 * time.Second)
		l.stopped.Store(false)
	}
	return res, err
}

func (l *lateAnswer) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	if l.stopped.Load() {
		return errInjected
	}
	return l.Store.Heartbeat(ctx, n, lease)
}

func TestARecipientThatIsAlwaysRefusedDoesNotBlockItsBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) { // a day of looking around takes its time
			c.Lease, c.PollInterval = time.Hour, time.Minute
		})
		w.script(0, 1, fake.Behaviour{UnavailableFor: fake.Forever})
		w.script(1, 40, fake.Behaviour{Ring: time.Second, Talk: time.Second})
		w.run()
		b := w.create(request(40))
		w.await(b.ID, time.Hour, func(c fsm.Counts) bool { return c.Completed == 39 })
		pass(24 * time.Hour)
		require.Equal(t, 1, w.batch(b.ID).Counts.Queued, "the carrier may be down, for all that is known")
		for range 200 { // others show that it is not
			w.awaitOver(w.create(batch.Request{
				Name: "other", AgentID: "agent", NumberID: "number", Recipients: numbers(50, 1),
			}).ID, time.Hour)
			pass(2 * time.Minute)
		}
		got := w.batch(b.ID)
		require.Equal(t, fsm.Counts{Completed: 39, Failed: 1, Unplaced: 1}, got.Counts)
		require.Contains(t, w.recipients(b.ID)[0].Error, "unavailable")
	})
}

func TestACallIsCancelledByAnotherEngineWhileItsOwnDrains(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) { c.DrainTimeout = time.Hour })
		w.script(0, 1, fake.Behaviour{Talk: fake.Forever})
		w.run()
		b := w.create(request(1))
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Started == 1 })
		other := w.newEngine()
		go func() { _ = w.stop() }()
		pass(time.Minute)
		require.NoError(t, other.CancelCall(t.Context(), org, w.recipients(b.ID)[0].CallID))
		w.awaitOver(b.ID, 10*time.Second)
	})
}

func TestAReservationThatCannotBeServedEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 200, fake.Behaviour{Talk: 10 * time.Second})
		w.run()
		r := request(200)
		r.Target = 10
		b := w.create(r)
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Started == 10 })
		failed := make(chan error, 1)
		go func() {
			_, err := w.engine.Reserve(context.Background(), org, 10)
			failed <- err
		}()
		pass(time.Second)
		w.dir.limit(org, 5)
		require.ErrorContains(t, <-failed, "the limit is 5 by now")
		w.awaitOver(b.ID, time.Hour)
	})
}

func TestAStoreThatCannotBeReadIsNotHammered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		unreadable := &unreadableStore{}
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) { unreadable.Store, c.Store = c.Store, unreadable })
		w.create(request(5))
		unreadable.broken.Store(true)
		w.run()
		pass(time.Minute)
		require.Less(t, unreadable.reads.Load(), int64(300), "twice a second and a few")
		unreadable.broken.Store(false)
	})
}

type unreadableStore struct {
	store.Store

	broken atomic.Bool
	reads  atomic.Int64
}

func (u *unreadableStore) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	u.reads.Add(1)
	if u.broken.Load() {
		return nil, fmt.Errorf("reading: %w", errInjected)
	}
	return u.Store.Batches(ctx, q)
}

func TestTextsOfACarrierAreMadeStorable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 1, fake.Behaviour{End: dialer.DialFailed, Details: map[string]string{"phrase": "Bes\xe4t\x00zt"}})
		w.run()
		b := w.create(request(1))
		w.awaitOver(b.ID, time.Minute)
		c, err := w.engine.Call(t.Context(), org, w.recipients(b.ID)[0].CallID)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"phrase": "Bes\uFFFDt\uFFFDzt"}, c.Details)
	})
}

func TestWhateverADialerReturnsCostsOneCall(t *testing.T) {
	dialers := map[string]func() (dialer.Outcome, error){
		"an error that panics":    func() (dialer.Outcome, error) { return dialer.Outcome{}, evilError{} },
		"a nil error of its type": func() (dialer.Outcome, error) { return dialer.Outcome{}, (*dialer.UnavailableError)(nil) },
		"not placed, and detached": func() (dialer.Outcome, error) {
			return dialer.Outcome{}, errors.Join(dialer.ErrNotPlaced, dialer.ErrDetached)
		},
		"the end of its goroutine": func() (dialer.Outcome, error) { runtime.Goexit(); return dialer.Outcome{}, nil },
		"a message of 20 megabytes": func() (dialer.Outcome, error) {
			return dialer.Outcome{Reason: dialer.Error, Message: strings.Repeat("x", 20<<20)}, nil
		},
	}
	for name, dial := range dialers {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, dialer.Limits{})
				w.cfg.Dialers = map[string]dialer.Dialer{"fake": returns(dial)}
				w.engine = w.newEngine()
				w.run()
				got := w.awaitOver(w.create(request(20)).ID, 10*time.Minute) // the breaker lets few through
				require.Equal(t, 20, got.Counts.Failed)
			})
		})
	}
}

type returns func() (dialer.Outcome, error)

func (r returns) Dial(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error) {
	return r()
}

type evilError struct{}

func (evilError) Error() string { panic("evil") }

// The store renewed the lease and the node did not learn it: it begins nothing, and does
// not spin, until it has learned it.
func TestALeaseThatIsNotKnownToRunBeginsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &deafHeartbeat{}
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) { deaf.Store, c.Store = c.Store, deaf })
		w.run()
		pass(time.Second)
		deaf.on.Store(true)
		pass(time.Minute)
		b := w.create(request(5))
		pass(time.Minute)
		require.Equal(t, 5, w.batch(b.ID).Counts.Queued)
		rs := w.recipients(b.ID)
		require.Zero(t, rs[0].Attempts)
		deaf.on.Store(false)
		w.awaitOver(b.ID, 10*time.Second)
	})
}

// deafHeartbeat renews the lease and does not say so.
type deafHeartbeat struct {
	store.Store

	on atomic.Bool
}

func (d *deafHeartbeat) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	err := d.Store.Heartbeat(ctx, n, lease)
	if d.on.Load() {
		return errInjected
	}
	return err
}
