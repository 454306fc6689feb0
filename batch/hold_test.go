package batch_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
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

// crowded is a carrier with so many lines of its own, of which it does not tell.
type crowded struct {
	dialer.Dialer

	mu    sync.Mutex
	lines int
	used  int
}

func (c *crowded) Dial(
	ctx context.Context, call dialer.Call, report func(dialer.Progress),
) (dialer.Outcome, error) {
	if !c.take(1) {
		return dialer.Outcome{}, &dialer.UnavailableError{Cause: errors.New("503 all lines are busy")}
	}
	defer c.take(-1)
	return c.Dialer.Dial(ctx, call, report)
}

func (c *crowded) take(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 && c.used == c.lines {
		return false
	}
	c.used += n
	return true
}

func TestACarrierThatIsFullFailsNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{}, func(c *batch.Config) {
			c.Dialers = map[string]dialer.Dialer{"fake": &crowded{Dialer: c.Dialers["fake"], lines: 5}}
		})
		for i := range 60 {
			w.script(i, 1, fake.Behaviour{
				Ring: time.Duration(3+i*7%20) * time.Second, Talk: time.Duration(60+i*13%50) * time.Second,
			})
		}
		w.run()
		r := request(60)
		r.Target = 10
		require.Equal(t, 60, w.awaitOver(w.create(r).ID, 24*time.Hour).Counts.Completed)
		w.judge()
	})
}

// Calls from before its account was refused go on, and say nothing of whether it takes more.
func TestACarrierThatRefusesTheAccountIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, g, _ := newPair(t, dialer.Limits{})
		w.dir.set(func(d *directory) { d.number.Carriers = []string{"first"} })
		w.dir.limit(org, 100)
		for i := range 40 {
			w.script(i, 1, fake.Behaviour{Talk: time.Duration(i+1) * time.Minute})
		}
		w.run()
		up := request(40)
		up.Target = 40
		w.create(up)
		pass(10 * time.Second)
		require.Len(t, g.calls(), 40)
		g.refusing(&dialer.UnavailableError{Cause: errors.New("401"), After: time.Minute})
		r := request(500)
		r.Recipients, r.Target = numbers(100, 500), 50
		b := w.create(r)
		pass(time.Hour)
		require.Less(t, len(g.calls())-40, 50+60*3, "two a minute after the first burst")
		g.refusing(nil)
		require.Equal(t, 500, w.awaitOver(b.ID, 24*time.Hour).Counts.Completed)
	})
}

// An attempt that waits for another carrier is placed only if it still may be as it was begun.
func TestAStrandedAttemptIsPlacedOnlyAsItWasBegun(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, store.Batch)
		ends   fsm.RecipientStatus
	}{
		"the batch is cancelled": {func(w *world, b store.Batch) {
			_, err := w.engine.Cancel(w.t.Context(), org, b.ID)
			require.NoError(w.t, err)
		}, fsm.Cancelled},
		"the batch is paused": {func(w *world, b store.Batch) {
			_, err := w.engine.Pause(w.t.Context(), org, b.ID)
			require.NoError(w.t, err)
		}, fsm.Queued},
		"the organisation may call no more": {func(w *world, _ store.Batch) { w.dir.limit(org, 0) }, fsm.Queued},
		"the number is another one": {func(w *world, _ store.Batch) {
			w.dir.set(func(d *directory) { d.number.E164 = "+14155550100" })
		}, fsm.Completed},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, first, second := newPair(t, dialer.Limits{Channels: 1})
				first.refusing(errForeign)
				w.script(0, 2, fake.Behaviour{Talk: 20 * time.Second})
				w.run()
				b := w.create(request(2)) // one talks over the second carrier, the other waits for it
				pass(5 * time.Second)
				require.Len(t, second.calls(), 1)
				c.change(w, b)
				pass(time.Minute)
				waited := 0
				if w.recipients(b.ID)[0].CallID == second.calls()[0].ID {
					waited = 1
				}
				require.Equal(t, c.ends, w.recipients(b.ID)[waited].Status)
				for _, call := range second.calls()[1:] {
					require.Equal(t, dialer.Phone("+14155550100"), call.From)
				}
				if c.ends != fsm.Completed {
					require.Len(t, second.calls(), 1)
				}
				w.judge()
			})
		})
	}
}

// Those whom a carrier refuses as if it were full, while the number's other carrier is down, are tried
// again behind all others: the carrier rests after each refusal, and is tried out with somebody else. In
// two minutes five at a time have talked for ten seconds each, with a little to spare.
func TestWhomACarrierNeverTakesHoldsNobodyUp(t *testing.T) {
	for _, refused := range []int{1, 5} {
		t.Run(strconv.Itoa(refused), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var never []string
				for i := range refused {
					never = append(never, number(i))
				}
				w, first, second := newPair(t, dialer.Limits{})
				first.refuse = func(c dialer.Call) error {
					if slices.Contains(never, string(c.To)) {
						return errDown
					}
					return nil
				}
				second.refusing(errDown)
				w.script(0, 50, fake.Behaviour{Talk: 10 * time.Second})
				w.run()
				b := w.create(request(50))
				w.await(b.ID, 2*time.Minute, func(c fsm.Counts) bool { return c.Completed == 50-refused })
				for _, r := range w.recipients(b.ID)[:refused] {
					require.False(t, r.Status.Terminal(), "it is tried again")
					require.Positive(t, r.Attempts)
				}
				first.refusing(nil)
				require.Equal(t, 50, w.awaitOver(b.ID, time.Hour).Counts.Completed)
				w.judge()
			})
		})
	}
}

// stuckStore is one in which the steps of an organisation fail.
type stuckStore struct {
	store.Store

	org   string
	stuck atomic.Bool
}

func (s *stuckStore) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	if s.stuck.Load() && step.Org == s.org {
		return store.Advanced{}, errors.New("the organisation is locked")
	}
	return s.Store.Advance(ctx, step)
}

// What it may have claimed holds its channel. No other one is kept for it.
func TestAnOrganisationThatCannotBeWrittenKeepsNoChannel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := fleet(t, dialer.Limits{Channels: 2})
		for i := range 20 {
			w.script(i, 1, fake.Behaviour{Talk: 20 * time.Second})
		}
		s := &stuckStore{Store: w.cfg.Store, org: "d"}
		w.cfg.Store = s
		w.join()
		pass(10 * time.Second)
		r := request(10)
		r.Target = 5
		a := w.createFor("a", r)
		pass(time.Second)
		s.stuck.Store(true)
		d := w.createFor("d", r)
		pass(10 * time.Minute)
		require.True(t, w.batchOf("a", a.ID).Counts.Over(), "with the other channel")
		require.Equal(t, 10, w.batchOf("d", d.ID).Counts.Queued)
		s.stuck.Store(false)
		pass(10 * time.Minute)
		require.True(t, w.batchOf("d", d.ID).Counts.Over())
	})
}
