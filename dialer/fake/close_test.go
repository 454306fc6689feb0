package fake_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

func TestCloseEndsEveryCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{Books: true})
		c.Script(ada, fake.Behaviour{Talk: fake.Forever})
		c.Script(numberOf(1), fake.Behaviour{Ring: fake.Forever})
		talking := background(t.Context(), c.Dialer(), callTo(ada))
		ringing := background(t.Context(), c.Dialer(), callTo(numberOf(1)))
		synctest.Wait()
		require.Equal(t, 2, c.Live())
		require.NoError(t, c.Close())
		require.Equal(t, dialer.ClientDisconnected, (<-talking).outcome.Reason)
		require.Equal(t, dialer.DialFailed, (<-ringing).outcome.Reason)
		require.Zero(t, c.Live())
		require.Zero(t, c.Books().Live(fake.Scope{}))
	})
}

func TestClosedCarrierPlacesNothing(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{})
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	require.ErrorIs(t, dial(t.Context(), c.Dialer(), callTo(ada)).err, dialer.ErrNotPlaced)
}

func TestCloseDoesNotWaitForALateReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{})
		c.Script(ada, fake.Behaviour{Fault: fake.ReportLate})
		_ = dial(t.Context(), c.Dialer(), callTo(ada))
		begun := time.Now()
		require.NoError(t, c.Close())
		require.Zero(t, time.Since(begun))
	})
}
