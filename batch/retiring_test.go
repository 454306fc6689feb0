package batch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
)

// renamedWorld has eight calls under way over a carrier, which can resume them, when that gets another name.
func renamedWorld(t *testing.T, name string) (w *world, net *partition, id string, retired <-chan struct{}) {
	t.Helper()
	w = newWorld(t, dialer.Limits{})
	w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer()}
	w.cfg.DrainTimeout = batch.NoDrain
	w.script(0, 40, fake.Behaviour{Ring: time.Second, Talk: 10 * time.Minute})
	net = &partition{Store: w.cfg.Store}
	w.cfg.Store = net
	w.engine = w.newEngine()
	w.run()
	r := request(8)
	r.Target = 8
	id = w.create(r).ID
	w.await(id, time.Minute, func(c fsm.Counts) bool { return c.Started == 8 })
	w.dir.limit(org, 8)
	retired = w.rename(name)
	pass(10 * time.Second)
	return w, net, id, retired
}

func (w *world) rename(name string) (retired <-chan struct{}) {
	w.t.Helper()
	retired, err := w.engine.SetDialers(map[string]dialer.Dialer{name: w.carrier.Dialer()})
	require.NoError(w.t, err)
	w.dir.set(func(d *directory) { d.number.Carriers = []string{name} })
	return retired
}

func over(retired <-chan struct{}) bool {
	select {
	case <-retired:
		return true
	default:
		return false
	}
}

// Calls of a carrier that was taken away end over its dialer, also where the node's lease runs out meanwhile.
func TestALostLeaseDoesNotEndTheCallsOfARenamedCarrier(t *testing.T) {
	for _, name := range []string{"fake", "new"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, net, id, retired := renamedWorld(t, name)
				net.cut()
				pass(15 * time.Second)
				net.heal()
				pass(30 * time.Second)
				require.Equal(t, 8, w.batch(id).Counts.Started, "they go on")
				require.Equal(t, name == "fake", over(retired), "who has the name goes on with them")
				r := request(0)
				r.Recipients = numbers(20, 8)
				w.create(r)
				pass(time.Minute)
				require.Equal(t, 8, w.carrier.Books().Live(fake.Scope{}), "the organisation's limit")
				require.Equal(t, 8, w.awaitOver(id, time.Hour).Counts.Completed)
				pass(time.Second)
				require.True(t, over(retired))
			})
		})
	}
}

// So they do where it gets its name while the node has no lease and nobody is with them.
func TestACarrierMayBeRenamedWhileTheLeaseIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, net, id, _ := renamedWorld(t, "fake")
		net.cut()
		pass(15 * time.Second)
		retired := w.rename("new")
		pass(5 * time.Second)
		require.False(t, over(retired))
		net.heal()
		pass(30 * time.Second)
		require.Equal(t, 8, w.awaitOver(id, time.Hour).Counts.Completed)
		pass(time.Second)
		require.True(t, over(retired))
	})
}

// A call that no process could resume under its carrier's name, as nobody has that any more, is hung up when
// the engine stops. Where the name stands for another dialer it goes on.
func TestWhatNobodyCouldResumeIsHungUpAtTheEnd(t *testing.T) {
	for name, live := range map[string]int{"fake": 8, "new": 0} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, _, id, _ := renamedWorld(t, name)
				require.NoError(t, w.stop())
				require.Equal(t, live, w.carrier.Books().Live(fake.Scope{}))
				require.Equal(t, live, w.batch(id).Counts.InFlight())
			})
		})
	}
}
