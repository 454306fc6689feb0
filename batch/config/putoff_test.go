package config

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/dialer/guard"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// silent is a carrier of which nothing is heard before its calls are answered or over. down has it take none, which it
// says after a while.
type silent struct {
	dialer.Dialer

	down atomic.Bool
}

const hesitates = 20 * time.Second

func (s *silent) Dial(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	if s.down.Load() {
		pass(hesitates)
		return dialer.Outcome{}, &dialer.UnavailableError{Cause: errors.New("503")}
	}
	return s.Dialer.Dial(ctx, call, func(p dialer.Progress) {
		if p.Stage != dialer.Ringing {
			report(p)
		}
	})
}

// guardedBatch dials eight people of whom three at once may be called, six of them in a block of which two may be within
// the hour. It returns the engine and the batch's id.
func guardedBatch(t *testing.T, s *silent, ring time.Duration) (*batch.Engine, string) {
	t.Helper()
	carrier, err := fake.New(fake.Config{Shares: fake.Shares{Answer: 1}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, carrier.Close()) })
	s.Dialer = carrier.WithoutResume()
	g, err := guard.New(s, guard.Rules{Allow: []string{"GB"}, Hourly: 2})
	require.NoError(t, err)
	c := parseWith(t, nil, `
organisations: {demo: {concurrency_limit: 3}}
agents: {greeter: {}}
carriers: {trunk: "fake://"}
numbers: {main: {e164: "+442079460999", carriers: [trunk]}}
`)
	e, err := batch.New(batch.Config{
		Store: memory.New(), Directory: c, Dialers: map[string]dialer.Dialer{"trunk": g},
	})
	require.NoError(t, err)
	r := batch.Request{Name: "b", AgentID: "greeter", NumberID: "main", Target: 3, RingTimeout: batch.MaxRingTimeout}
	const inBlock = 6
	for i := range 8 {
		to := fmt.Sprintf("+44207946000%d", i)
		goes := fake.Behaviour{Ring: ring, Talk: time.Second}
		if i >= inBlock {
			to, goes.Ring = fmt.Sprintf("+44161496%04d", 1000*(i-inBlock)), time.Second
		}
		carrier.Script(dialer.Phone(to), goes)
		r.Recipients = append(r.Recipients, batch.RecipientRequest{To: to})
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ran)
	})
	b, err := e.Create(t.Context(), "demo", r)
	require.NoError(t, err)
	return e, b.ID
}

func recipientsOf(t *testing.T, e *batch.Engine, id string) []store.Recipient {
	t.Helper()
	all, err := e.Recipients(t.Context(), store.RecipientQuery{Org: "demo", BatchID: id})
	require.NoError(t, err)
	require.Len(t, all, 8)
	return all
}

// requireTwoOfTheBlock wants two to have been called, and the others to be told why not.
func requireTwoOfTheBlock(t *testing.T, all []store.Recipient) {
	t.Helper()
	called := 0
	for _, r := range all[:6] {
		if r.Status == fsm.Completed {
			called++
			continue
		}
		require.Equal(t, fsm.Failed, r.Status)
		require.Contains(t, r.Error, "2 calls within an hour", "after %d attempts", r.Attempts)
	}
	require.Equal(t, 2, called)
	require.Equal(t, fsm.Completed, all[6].Status)
	require.Equal(t, fsm.Completed, all[7].Status)
}

// TestWhoHasToWaitForCallsUnderWayHoldsNobodyUp has two calls ring for as long as a phone may, and nobody tell of it.
func TestWhoHasToWaitForCallsUnderWayHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, id := guardedBatch(t, &silent{}, batch.MaxRingTimeout-5*time.Second)
		pass(15 * time.Second)
		all := recipientsOf(t, e, id)
		require.Equal(t, fsm.Completed, all[6].Status, "in the one place that is left")
		require.Equal(t, fsm.Completed, all[7].Status)
		waiting := 0
		for _, r := range all[:6] {
			require.Contains(t, []fsm.RecipientStatus{fsm.Queued, fsm.Dispatched}, r.Status)
			if r.Status == fsm.Queued {
				waiting++
			}
		}
		require.GreaterOrEqual(t, waiting, 3)
		for _, c := range e.Carriers() {
			require.Equal(t, batch.BreakerClosed, c.Breaker.Position, "it was not asked: that says nothing of it")
		}
		pass(2 * time.Minute)
		all = recipientsOf(t, e, id)
		requireTwoOfTheBlock(t, all)
		for _, r := range all {
			require.Less(t, r.Attempts, 60, "nobody is tried as often as the machine can")
		}
	})
}

// TestWhoWaitedIsCalledWhereThereIsRoom has the calls under way not come to be placed.
func TestWhoWaitedIsCalledWhereThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &silent{}
		s.down.Store(true)
		e, id := guardedBatch(t, s, time.Second)
		pass(hesitates - time.Second)
		for _, r := range recipientsOf(t, e, id) {
			require.Contains(t, []fsm.RecipientStatus{fsm.Queued, fsm.Dispatched}, r.Status, "%s", r.Error)
		}
		s.down.Store(false)
		pass(5 * time.Minute)
		requireTwoOfTheBlock(t, recipientsOf(t, e, id))
	})
}
