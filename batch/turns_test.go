package batch_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// numbersOf is a directory in which each number has a carrier of its own, and which knows every agent.
type numbersOf struct {
	*directory

	carriers map[string]string
}

func (d *numbersOf) Number(_ context.Context, _, id string) (batch.Number, error) {
	return batch.Number{E164: dialer.Phone("+44207946000" + id[1:]), Carriers: []string{d.carriers[id]}}, nil
}

func (d *numbersOf) createAt(w *world, id string, from, n, weight int) store.Batch {
	r := request(0)
	r.NumberID, r.Recipients, r.Target, r.Weight = id, numbers(from, n), 2, weight
	return w.create(r)
}

// begun is how many calls of each batch begin within d.
func (w *world) begun(d time.Duration, batches ...store.Batch) []float64 {
	counts := make([]float64, len(batches))
	for i, b := range batches {
		counts[i] = float64(w.batch(b.ID).Counts.Queued)
	}
	pass(d)
	for i, b := range batches {
		counts[i] -= float64(w.batch(b.ID).Counts.Queued)
	}
	return counts
}

// A batch that could not be called for a while takes no more than its share when it can.
func TestWhoWasBlockedSavesNoTurnsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{})
		w.dir.limit(org, 2)
		d := &numbersOf{w.dir, map[string]string{"n1": "first", "n2": "second", "n3": "second"}}
		w.cfg.Directory = d
		w.engine = w.newEngine()
		first.refusing(errDown)
		w.script(0, 3000, fake.Behaviour{Talk: time.Second})
		w.run()
		blocked, one, other := d.createAt(w, "n1", 0, 1000, 1), d.createAt(w, "n2", 1000, 1000, 1), d.createAt(w, "n3", 2000, 1000, 1)
		pass(10 * time.Minute) // its carrier is down meanwhile
		first.refusing(nil)
		w.await(blocked.ID, 5*time.Minute, func(c fsm.Counts) bool { return c.Completed > 3 })
		got := w.begun(3*time.Minute, blocked, one, other)
		require.InDelta(t, got[0], got[1], got[0]/4)
		require.InDelta(t, got[0], got[2], got[0]/4)
	})
}

// Batches that wait for one carrier take turns there by weight, however far others are ahead that go over another one.
func TestWhoWaitsForACarrierTakesTurnsThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, _, _ := newPair(t, dialer.Limits{Channels: 1})
		w.dir.limit(org, 20)
		d := &numbersOf{w.dir, map[string]string{"n1": "second", "n2": "second", "n3": "first"}}
		w.cfg.Directory = d
		w.engine = w.newEngine()
		w.script(0, 4000, fake.Behaviour{Talk: time.Second})
		w.run()
		light, heavy := d.createAt(w, "n1", 0, 1000, 1), d.createAt(w, "n2", 1000, 1000, 3)
		r := request(0)
		r.NumberID, r.Recipients, r.Target = "n3", numbers(2000, 2000), 10
		w.create(r)
		got := w.begun(3*time.Minute, light, heavy)
		require.InDelta(t, 3, got[1]/got[0], 0.5)
	})
}
