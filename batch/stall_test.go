package batch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

// stallingStore keeps steps from being written for a while.
type stallingStore struct {
	store.Store

	mu    sync.Mutex
	until time.Time
}

func (s *stallingStore) stall(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Now().Add(d)
}

func (s *stallingStore) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	s.mu.Lock()
	left := time.Until(s.until)
	s.mu.Unlock()
	if left > 0 {
		pass(left)
	}
	return s.Store.Advance(ctx, step)
}

// What a store holds up does not reach the carrier all at once, however many organisations wait; and once it is well
// again the carrier gets as many calls as its pace allows.
func TestPaceHoldsWhenTheStoreStalls(t *testing.T) {
	for _, c := range []struct {
		limits dialer.Limits
		orgs   int
		stall  time.Duration
	}{
		{dialer.Limits{CPS: 2, Burst: 5}, 1, 10 * time.Second},
		{dialer.Limits{CPS: 2, Burst: 5}, 20, 10 * time.Second},
		{dialer.Limits{CPS: 10}, 20, 15 * time.Second},
		{dialer.Limits{CPS: 10}, 20, time.Second},
	} {
		t.Run(fmt.Sprintf("%+v/%d/%v", c.limits, c.orgs, c.stall), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				stalls := &stallingStore{}
				w := newWorld(t, c.limits, func(cfg *batch.Config) { stalls.Store, cfg.Store = cfg.Store, stalls })
				for i := range c.orgs {
					w.dir.limit(fmt.Sprint("org", i), 100)
				}
				w.run()
				pass(time.Minute)
				stalls.stall(c.stall)
				r := request(1200 / c.orgs)
				r.Target = 100
				for i := range c.orgs {
					w.createFor(fmt.Sprint("org", i), r)
				}
				pass(c.stall + 100*time.Second)
				books := w.judge()
				requirePaceKept(t, books, c.limits)
				placed := 0
				for _, e := range books.Entries {
					if e.Event == fake.Placed {
						placed++
					}
				}
				require.InDelta(t, 100*c.limits.CPS, placed, 2*c.limits.CPS+float64(c.limits.Burst))
			})
		})
	}
}
