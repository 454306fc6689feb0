package batch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/storetest"
)

// One call of the store fails, before or after its write, in the life of a batch that
// sees a node die and another take over: whichever call it is, everybody is dialled once.
func TestAnyOneFaultOfTheStore(t *testing.T) {
	for _, method := range []string{
		"CreateBatch", "Batch", "Batches", "Recipients", "Calls", "Active", "Advance", "Heartbeat", "Adopt", "Nodes",
	} {
		for n := 1; n <= 12; n++ {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprint(method, " ", n, " after ", after), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						oneFault(t, storetest.Point{Method: method, N: n}, after)
					})
				})
			}
		}
	}
}

func oneFault(t *testing.T, at storetest.Point, after bool) {
	t.Helper()
	w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
		plan := storetest.Plan{at: {Err: errInjected, After: after}}
		c.Store = storetest.NewFaults(c.Store, plan.Fault)
	})
	faulty := w.cfg.Store
	w.cfg.Dialers = map[string]dialer.Dialer{"fake": w.carrier.Dialer()}
	w.script(0, 20, fake.Behaviour{Ring: time.Second, Talk: 30 * time.Second})
	first := &partition{Store: faulty}
	w.cfg.Store = first
	w.engine = w.newEngine()
	stopFirst := keepRunning(w.engine, w.cfg)
	t.Cleanup(func() { _ = stopFirst() })
	b, err := w.engine.Create(t.Context(), org, request(20))
	require.NoError(t, err, "a passing fault of the store is not the caller's to deal with")
	pass(10 * time.Second)
	first.cut()
	w.cfg.Store = faulty
	w.engine = w.newEngine()
	stopSecond := keepRunning(w.engine, w.cfg)
	t.Cleanup(func() { _ = stopSecond() })
	got := awaitOverByReading(t, faulty, b)
	require.Equal(t, fsm.Counts{Completed: 20}, got.Counts)
	require.Equal(t, 20, w.judge().Placed(fake.Scope{}))
	require.LessOrEqual(t, w.judge().MostAtOnce(fake.Scope{}), 5)
	first.heal()
}

// awaitOverByReading does without Watch, which ends at a fault of the store.
func awaitOverByReading(t *testing.T, s store.Store, b store.Batch) store.Batch {
	t.Helper()
	for range 1000 {
		if got, err := s.Batch(t.Context(), b.Org, b.ID); err == nil && got.Counts.Over() {
			return got
		}
		pass(time.Second)
	}
	got, err := s.Batch(t.Context(), b.Org, b.ID)
	t.Fatalf("the batch never ends: %+v %v", got.Counts, err)
	return got
}
