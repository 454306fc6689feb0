package batch_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

// After it tripped, a call or two at a time try a carrier out until one goes well, however long they take to break down.
func TestATrippedCarrierGetsFewCallsAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, first, _ := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) { d.number.Carriers = []string{"first"} })
		w.dir.limit(org, 100)
		var tripped atomic.Bool
		var probes, most atomic.Int64
		first.refuse = func(dialer.Call) error {
			if tripped.Load() {
				n := probes.Add(1)
				defer probes.Add(-1)
				most.Store(max(most.Load(), n))
			}
			pass(50 * time.Second) // the answer never comes
			return errors.New("no answer to INVITE")
		}
		w.run()
		r := request(500)
		r.Target = 10
		b := w.create(r)
		pass(50*time.Second + 500*time.Millisecond)
		require.Equal(t, batch.BreakerOpen, w.engine.Carriers()[0].Breaker.Position)
		_, err := w.engine.SetTarget(t.Context(), org, b.ID, 100)
		require.NoError(t, err)
		tripped.Store(true)
		pass(10 * time.Minute)
		require.EqualValues(t, 2, most.Load())
		first.refusing(nil)
		require.NotZero(t, w.awaitOver(b.ID, 5*time.Minute).Counts.Completed)
	})
}

// A carrier that takes others is not left alone because it never takes some.
func TestRecipientsThatACarrierNeverTakesSlowNoOtherOrganisation(t *testing.T) {
	for _, n := range []int{1, 3, 10} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, first, _ := newPair(t, dialer.Limits{})
				w.dir.set(func(d *directory) {
					d.orgs["other"] = batch.Organisation{ConcurrencyLimit: 5}
					d.number.Carriers = []string{"first"}
				})
				first.refuse = func(c dialer.Call) error {
					if c.Org != org {
						return nil
					}
					pass(50 * time.Millisecond) // an answer takes a while
					return errDown
				}
				w.script(500, 300, fake.Behaviour{Talk: time.Second})
				w.run()
				r := request(0)
				r.Recipients, r.Target = numbers(500, 300), 5
				b := w.createFor("other", r)
				pass(4500 * time.Millisecond)
				mine := w.create(request(n))
				w.awaitOther(b, 3*time.Minute) // it takes one: 5 at a time, of a second each
				require.False(t, w.batch(mine.ID).Counts.Over())
				require.Less(t, len(first.calls()), 300+20*n, "they are asked for more and more rarely")
			})
		})
	}
}
