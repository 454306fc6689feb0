package batch_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// lateAdoption is a store that takes its time to have calls taken over, and to answer that they were. Who does not wait
// for the answer does not get it.
type lateAdoption struct {
	store.Store

	begin time.Duration
	by    time.Duration
	taken chan struct{} // room for one, has something once calls were taken over
}

func (s lateAdoption) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	if err := after(ctx, s.begin); err != nil {
		return nil, err
	}
	got, err := s.Store.Adopt(ctx, node, limit)
	if len(got) == 0 {
		return got, err
	}
	select {
	case s.taken <- struct{}{}:
	default:
	}
	if err := after(ctx, s.by); err != nil {
		return nil, err
	}
	return got, err
}

func after(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bereaved is a fleet of three nodes over nine channels, all in use, of which the first is about to be cut off.
func bereaved(t *testing.T, adoption time.Duration) (w *world, die func(), left []*batch.Engine) {
	t.Helper()
	w, die, left, _, _ = bereavedOf(t, adoption)
	return w, die, left
}

func bereavedOf(t *testing.T, adoption time.Duration) (
	w *world, die func(), left []*batch.Engine, stopSecond func() error, taken chan struct{},
) {
	t.Helper()
	taken = make(chan struct{}, 1)
	w = fleet(t, dialer.Limits{Channels: 9})
	for i := range 400 {
		w.script(i, 1, fake.Behaviour{Talk: time.Duration(60+i%30) * time.Second})
	}
	w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer()} // which can resume calls
	whole := w.cfg.Store
	cut := &partition{Store: whole}
	w.cfg.Store = cut
	first, stop := w.join()
	w.cfg.Store = lateAdoption{whole, 0, adoption, taken}
	second, stopSecond := w.join()
	w.cfg.Store = lateAdoption{whole, 2 * time.Second, adoption, make(chan struct{}, 1)}
	third, _ := w.join()
	left = []*batch.Engine{second, third}
	pass(20 * time.Second) // until they have settled
	for _, id := range []string{"a", "b", "c", "d"} {
		r := request(60)
		r.Target = 20
		w.createFor(id, r)
	}
	for waited := 0; channelsInUse(first) != 3 || channelsInUse(left[0])+channelsInUse(left[1]) != 6; waited++ {
		require.Less(t, waited, 600, "seconds until each has its share")
		pass(time.Second)
	}
	t.Cleanup(func() {
		cut.heal()
		pass(time.Minute)
		require.NoError(t, stop())
	})
	return w, cut.cut, left, stopSecond, taken
}

// A node is asked to stop before it has learned which calls it has taken over.
func TestWhoStopsWhileItTakesCallsOverKeepsTheirChannels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, die, _, stopSecond, taken := bereavedOf(t, time.Hour)
		die()
		for waited := 0; len(taken) == 0; waited++ {
			require.Less(t, waited, 30, "seconds until its calls are taken over")
			pass(time.Second)
		}
		done := make(chan error, 1)
		go func() { done <- stopSecond() }()
		for range 200 {
			pass(time.Second)
			require.LessOrEqual(t, w.carrier.Books().MostAtOnce(fake.Scope{}), 9)
		}
		pass(time.Hour)
		require.NoError(t, <-done)
	})
}

// lostAdoption is a store that once has calls taken over when who asked for it has long given up: as soon as there are
// some.
type lostAdoption struct {
	store.Store

	loses chan struct{} // has something for the one that is to be lost
	asked chan struct{} // has something once it was
	done  chan struct{} // closed when it was carried out
}

func (s lostAdoption) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	select {
	case <-s.loses:
	default:
		return s.Store.Adopt(ctx, node, limit)
	}
	s.asked <- struct{}{}
	go func() {
		defer close(s.done)
		for range 10_000 { // 100 s
			got, err := s.Store.Adopt(context.WithoutCancel(ctx), node, limit)
			if err != nil || len(got) > 0 || after(context.WithoutCancel(ctx), 10*time.Millisecond) != nil {
				return
			}
		}
	}()
	<-ctx.Done()
	return nil, ctx.Err()
}

// Somebody looks for calls to take over before there are any, gives up, and gets some that nobody tells it of.
func TestCallsThatAreTakenOverLateKeepTheirChannels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{Channels: 8})
		for i := range 400 {
			w.script(i, 1, fake.Behaviour{Talk: 5 * time.Minute})
		}
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer()}
		whole := w.cfg.Store
		cut := &partition{Store: whole}
		w.cfg.Store = cut
		first, stopFirst := w.join()
		lost := lostAdoption{whole, make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})}
		w.cfg.Store, w.cfg.StoreTimeout = lost, 5*time.Second // it gives up before there are any
		second, _ := w.join()
		pass(20 * time.Second)
		for _, id := range []string{"a", "b"} {
			r := request(60)
			r.Target = 20
			w.createFor(id, r)
		}
		pass(20 * time.Second)
		require.Equal(t, 4, channelsInUse(first))
		require.Equal(t, 4, channelsInUse(second))
		lost.loses <- struct{}{}
		<-lost.asked
		cut.cut()
		<-lost.done
		for range 200 {
			pass(time.Second)
			require.LessOrEqual(t, w.carrier.Books().MostAtOnce(fake.Scope{}), 8)
		}
		pass(12 * time.Hour)
		require.Equal(t, 8, w.judge().MostAtOnce(fake.Scope{}))
		cut.heal()
		pass(time.Minute)
		require.NoError(t, stopFirst())
	})
}

// lockedStore is one in which somebody keeps an organisation locked in which calls were left behind.
type lockedStore struct{ store.Store }

func (lockedStore) Adopt(context.Context, string, int) ([]store.Claimed, error) {
	return nil, errors.New("an organisation is locked")
}

// What cannot be taken over holds its share for a while, and not for ever.
func TestALockedOrganisationDoesNotKeepACarrier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{Channels: 9})
		w.script(0, 1, fake.Behaviour{Talk: 10 * time.Hour})
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer()}
		whole := w.cfg.Store
		cut := &partition{Store: whole}
		w.cfg.Store = cut
		_, stopFirst := w.join()
		r := request(1)
		r.MaxDuration = 2 * time.Hour
		w.createFor("d", r)
		pass(5 * time.Second)
		cut.cut()
		pass(20 * time.Second)
		w.cfg.Store = lockedStore{whole}
		second, _ := w.join()
		r = request(100)
		r.Recipients, r.Target = numbers(100, 100), 9
		b := w.createFor("a", r)
		pass(30 * time.Second)
		require.Zero(t, channelsInUse(second), "all of the carrier is the dead one's")
		pass(time.Minute)
		require.Equal(t, 9, channelsInUse(second))
		pass(10 * time.Minute)
		require.True(t, w.batchOf("a", b.ID).Counts.Over())
		cut.heal()
		pass(time.Hour)
		require.NoError(t, stopFirst())
	})
}

// The calls that a dead node leaves behind go on at the carrier: nobody may use their channels until they are over.
func TestTheCallsOfADeadNodeKeepTheirChannels(t *testing.T) {
	for name, adoption := range map[string]time.Duration{"taken over at once": 0, "the answer comes late": 15 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, die, left := bereaved(t, adoption)
				die()
				most := 0
				for range 120 {
					pass(time.Second)
					require.LessOrEqual(t, w.carrier.Books().MostAtOnce(fake.Scope{}), 9)
					most = max(most, channelsInUse(left[0])+channelsInUse(left[1]))
				}
				require.Equal(t, 9, most, "what the dead one had is theirs")
				pass(time.Hour)
				for _, id := range []string{"a", "b", "c", "d"} {
					bs, err := left[0].Batches(t.Context(), store.BatchQuery{Org: id})
					require.NoError(t, err)
					require.Equal(t, fsm.BatchCompleted, bs[0].Status())
				}
				require.Equal(t, 9, w.judge().MostAtOnce(fake.Scope{}))
			})
		})
	}
}

// What a carrier is used for that was taken away from a node is not for others.
func TestTheCallsOfACarrierThatWasTakenAwayKeepTheirChannels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{Channels: 6})
		for i := range 400 {
			w.script(i, 1, fake.Behaviour{Talk: 10 * time.Minute})
		}
		first, _ := w.join()
		second, _ := w.join()
		pass(20 * time.Second)
		r := request(40)
		r.Target = 20
		w.createFor("a", r)
		pass(20 * time.Second)
		require.Equal(t, 3, channelsInUse(first))
		require.Equal(t, 3, channelsInUse(second))
		_, err := first.SetDialers(nil)
		require.NoError(t, err)
		pass(5 * time.Minute)
		require.Equal(t, 3, channelsInUse(second), "the others are not free yet")
		pass(6 * time.Minute)
		require.Equal(t, 6, channelsInUse(second))
		pass(3 * time.Hour)
		require.Equal(t, 6, w.judge().MostAtOnce(fake.Scope{}))
	})
}
