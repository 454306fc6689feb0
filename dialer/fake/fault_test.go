package fake_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

func TestRefusedIsNotPlaced(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{Books: true})
	c.Script(ada, fake.Behaviour{Fault: fake.Refuse}, fake.Behaviour{Fault: fake.Refuse, Message: "403 Forbidden"})
	call := callTo(ada)
	r := dial(t.Context(), c.Dialer(), call)
	require.ErrorIs(t, r.err, dialer.ErrNotPlaced)
	require.NotContains(t, r.err.Error(), string(ada))
	require.Empty(t, r.stages)
	call.Attempt = 2
	require.ErrorContains(t, dial(t.Context(), c.Dialer(), call).err, "403 Forbidden")

	books := c.Books()
	require.Equal(t, 2, books.Dials(fake.Scope{}))
	require.Zero(t, books.Placed(fake.Scope{}))
	require.Zero(t, books.Rings(fake.Scope{}))
}

func TestUnavailableForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{})
		c.Script(ada, fake.Behaviour{UnavailableFor: 10 * time.Second})
		requireUnavailable(t, dial(t.Context(), c.Dialer(), callTo(ada)), 10*time.Second)
		pass(4 * time.Second)
		requireUnavailable(t, dial(t.Context(), c.Dialer(), callTo(ada)), 6*time.Second)
		pass(6 * time.Second)
		require.NoError(t, dial(t.Context(), c.Dialer(), callTo(ada)).err)
	})
}

func TestUnavailableForEver(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{})
	c.Script(ada, fake.Behaviour{UnavailableFor: fake.Forever})
	requireUnavailable(t, dial(t.Context(), c.Dialer(), callTo(ada)), 0)
}

func TestRestingCarrier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{Shares: fake.Shares{Answer: 1}})
		c.Rest(time.Minute)
		requireUnavailable(t, dial(t.Context(), c.Dialer(), callTo(ada)), time.Minute)
		c.Rest(fake.Forever)
		require.ErrorIs(t, dial(t.Context(), c.Dialer(), callTo(ada)).err, dialer.ErrNotPlaced)
		c.Rest(0)
		require.NoError(t, dial(t.Context(), c.Dialer(), callTo(ada)).err)
	})
}

func TestDrawnUnavailableTurnsAwayOnce(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{Shares: fake.Shares{Answer: 1}, Unavailable: 1})
	requireUnavailable(t, dial(t.Context(), c.Dialer(), callTo(ada)), time.Second)
	require.NoError(t, dial(t.Context(), c.Dialer(), callTo(ada)).err)
	require.NoError(t, dial(t.Context(), c.Dialer(), callTo(ada)).err)
}

func requireUnavailable(t *testing.T, r dialled, after time.Duration) {
	t.Helper()
	var unavailable *dialer.UnavailableError
	require.ErrorAs(t, r.err, &unavailable)
	require.ErrorIs(t, r.err, dialer.ErrNotPlaced)
	require.Equal(t, after, unavailable.After)
	require.Empty(t, r.stages)
}

func TestPanicBeforePlacing(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{Books: true})
	c.Script(ada, fake.Behaviour{Fault: fake.PanicBeforePlacing})
	require.Panics(t, func() { _ = dial(t.Context(), c.Dialer(), callTo(ada)) })
	require.Zero(t, c.Books().Placed(fake.Scope{}))
	require.Zero(t, c.Live(), "and the carrier is not locked")
}

func TestPanicWhileRingingLeavesTheCallToItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{Books: true})
		c.Script(ada, fake.Behaviour{Ring: time.Second, Talk: time.Minute, Fault: fake.PanicWhileRinging})
		require.Panics(t, func() { _ = dial(t.Context(), c.Dialer(), callTo(ada)) })
		require.Equal(t, 1, c.Books().Rings(fake.Scope{}))
		require.Equal(t, 1, c.Live())
		pass(2 * time.Minute)
		require.Zero(t, c.Live())
	})
}

func TestLostReplyCanBeResumed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{Books: true})
		c.Script(ada, fake.Behaviour{Ring: time.Second, Talk: time.Minute, Fault: fake.LoseReply})
		d, call := c.Dialer(), callTo(ada)
		r := dial(t.Context(), d, call)
		require.Error(t, r.err)
		require.NotErrorIs(t, r.err, dialer.ErrNotPlaced)
		require.Equal(t, until(dialer.Ringing), r.stages)
		require.Equal(t, 1, c.Live())

		outcome, err := asResumer(t, d).Resume(t.Context(), call, ignore)
		require.NoError(t, err)
		require.Equal(t, dialer.ClientHangup, outcome.Reason)
		require.Equal(t, 1, c.Books().Rings(fake.Scope{}))
	})
}

func TestHangingCallReturnsWhenTheCarrierCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{Books: true})
		c.Script(ada, fake.Behaviour{End: dialer.DialBusy, Fault: fake.Hang})
		ctx, cancel := context.WithCancel(t.Context())
		result := background(ctx, c.Dialer(), callTo(ada))
		synctest.Wait()
		cancel()
		pass(24 * time.Hour)
		require.Empty(t, result)
		require.Equal(t, 1, c.Live())
		require.Equal(t, 1, c.Books().Rings(fake.Scope{}))

		require.NoError(t, c.Close())
		r := <-result
		require.NoError(t, r.err)
		require.Equal(t, dialer.DialFailed, r.outcome.Reason)
	})
}

func TestIgnoredCancelGoesOnToTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{})
		c.Script(ada, fake.Behaviour{Ring: time.Second, Talk: time.Minute, Fault: fake.IgnoreCancel})
		ctx, cancel := context.WithCancel(t.Context())
		result := background(ctx, c.Dialer(), callTo(ada))
		synctest.Wait()
		cancel()
		r := <-result
		require.Equal(t, dialer.ClientHangup, r.outcome.Reason)
		require.Equal(t, 61*time.Second, r.took)
	})
}

func TestLateReportComesAfterTheReturn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{})
		c.Script(ada, fake.Behaviour{Fault: fake.ReportLate})
		var reports, whenReturned atomic.Int64
		_, err := c.Dialer().Dial(t.Context(), callTo(ada), func(p dialer.Progress) {
			reports.Add(1)
			if reports.Load() > 3 {
				require.Equal(t, dialer.Connected, p.Stage)
			}
		})
		require.NoError(t, err)
		whenReturned.Store(reports.Load())
		pass(time.Second)
		require.EqualValues(t, 3, whenReturned.Load())
		require.EqualValues(t, 4, reports.Load())
	})
}

func TestCancelBeforeDialPlacesNothing(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{Books: true})
	for cause, want := range map[error]dialer.EndReason{
		errTest:                          dialer.APICancelled,
		dialer.HangUp(dialer.Inactivity): dialer.Inactivity,
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		r := dial(ctx, c.Dialer(), callTo(ada))
		require.NoError(t, r.err)
		require.Equal(t, want, r.outcome.Reason)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(dialer.ErrDetached)
	r := dial(ctx, c.Dialer(), callTo(ada))
	require.ErrorIs(t, r.err, dialer.ErrNotPlaced)
	require.ErrorIs(t, r.err, dialer.ErrDetached)
	require.Zero(t, c.Books().Placed(fake.Scope{}))
}
