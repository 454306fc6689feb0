package batch_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// What hosts and dialers give is as odd as they are.

func TestALimitMayBeAsLargeAsCanBe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{Channels: math.MaxInt})
		w.dir.limit(org, math.MaxInt)
		w.run()
		b := w.create(request(3))
		require.Equal(t, 3, w.awaitOver(b.ID, time.Minute).Counts.Completed)
		other, _ := w.join() // which shares the channels
		pass(time.Minute)
		require.Len(t, other.Carriers(), 1)
		b = w.create(request(3))
		require.Equal(t, 3, w.awaitOver(b.ID, time.Minute).Counts.Completed)
	})
}

// An organisation that is taken away ends what waits for its limit, as a limit of 0 does.
func TestAReservationEndsWithItsOrganisation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.script(0, 200, fake.Behaviour{Talk: 10 * time.Minute})
		w.run()
		r := request(200)
		r.Target = 10
		b := w.create(r)
		w.await(b.ID, time.Minute, func(c fsm.Counts) bool { return c.Started == 10 })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		time.AfterFunc(time.Second, func() { w.dir.set(func(d *directory) { delete(d.orgs, org) }) })
		_, err := w.engine.Reserve(ctx, org, 10)
		require.ErrorIs(t, err, batch.ErrNotFound)
	})
}

// timed is a dialer whose outcomes have the times that it was given.
type timed struct{ at time.Time }

func (d timed) Dial(context.Context, dialer.Call, func(dialer.Progress)) (dialer.Outcome, error) {
	return dialer.Outcome{Reason: dialer.ClientHangup, RangAt: d.at, ConnectedAt: d.at, EndedAt: d.at}, nil
}

func TestTimesOfADialerLieWithinItsCall(t *testing.T) {
	for name, at := range map[string]time.Time{
		"long ago":         time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC),
		"before numbers":   time.Unix(-1<<55, 0),
		"1970":             time.Unix(0, 0),
		"far in future":    time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC),
		"the first second": time.Time{}.Add(time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, dialer.Limits{})
				w.cfg.Dialers = map[string]dialer.Dialer{"fake": timed{at}}
				w.engine = w.newEngine()
				w.run()
				b := w.create(request(1))
				w.awaitOver(b.ID, time.Minute)
				calls, err := w.engine.Calls(t.Context(), store.CallQuery{Org: org, BatchID: b.ID})
				require.NoError(t, err)
				require.Len(t, calls, 1)
				c := calls[0]
				for _, got := range []time.Time{c.RangAt, c.StartedAt, c.EndedAt} {
					require.WithinRange(t, got, c.DispatchedAt, time.Now())
				}
				require.Equal(t, fsm.Completed, c.Status)
			})
		})
	}
}

// odd reports a stage that there is not, and then the right one.
type odd struct{}

func (odd) Dial(ctx context.Context, _ dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	report(dialer.Progress{Stage: dialer.Connected + 100})
	report(dialer.Progress{Stage: dialer.Connected})
	answered := time.Now()
	select {
	case <-ctx.Done():
		return dialer.Outcome{Reason: dialer.HangUpReason(ctx, true), ConnectedAt: answered}, nil
	case <-time.After(3 * time.Minute):
		return dialer.Outcome{Reason: dialer.ClientHangup, ConnectedAt: answered}, nil
	}
}

func TestAStageThatThereIsNotHidesNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, dialer.Limits{})
		w.cfg.Dialers = map[string]dialer.Dialer{"fake": odd{}}
		w.engine = w.newEngine()
		w.run()
		b := w.create(request(1))
		w.awaitOver(b.ID, 10*time.Minute)
		calls, err := w.engine.Calls(t.Context(), store.CallQuery{Org: org, BatchID: b.ID})
		require.NoError(t, err)
		require.Equal(t, dialer.ClientHangup, calls[0].EndReason, "it was not taken for one that rings")
	})
}
