package fake_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

func asResumer(t *testing.T, d dialer.Dialer) dialer.Resumer {
	t.Helper()
	r, ok := d.(dialer.Resumer)
	require.True(t, ok)
	return r
}

func TestDetachedCallGoesOnByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{})
		c.Script(ada, fake.Behaviour{Ring: time.Second, Talk: time.Minute})
		ctx, cancel := context.WithCancelCause(t.Context())
		result := background(ctx, c.Dialer(), callTo(ada))
		synctest.Wait()
		cancel(dialer.ErrDetached)
		require.ErrorIs(t, (<-result).err, dialer.ErrDetached)
		require.Equal(t, 1, c.Live())
		pass(2 * time.Minute)
		require.Zero(t, c.Live(), "followed by nobody, it ended all the same")

		outcome, err := asResumer(t, c.Dialer()).Resume(t.Context(), callTo(ada), ignore)
		require.NoError(t, err)
		require.Equal(t, dialer.ClientHangup, outcome.Reason)
		require.Equal(t, time.Minute, outcome.EndedAt.Sub(outcome.ConnectedAt))
	})
}

func TestCallsOfAnotherCarrierAreUnknown(t *testing.T) {
	t.Parallel()
	call := callTo(ada)
	require.NoError(t, dial(t.Context(), newCarrier(t, fake.Config{}).Dialer(), call).err)
	_, err := asResumer(t, newCarrier(t, fake.Config{}).Dialer()).Resume(t.Context(), call, ignore)
	require.ErrorIs(t, err, dialer.ErrUnknownCall)
}

func TestReferenceOfAnotherCallIsUnknown(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{})
	call := callTo(ada)
	call.Ref = dial(t.Context(), c.Dialer(), call).outcome.Ref
	_, err := asResumer(t, c.Dialer()).Resume(t.Context(), call, ignore)
	require.NoError(t, err)
	call.Ref += "0"
	_, err = asResumer(t, c.Dialer()).Resume(t.Context(), call, ignore)
	require.ErrorIs(t, err, dialer.ErrUnknownCall)
}

func TestMemoryOfEndedCallsIsBounded(t *testing.T) {
	t.Parallel()
	const calls = 10
	for remember, known := range map[int]int{-1: 0, 3: 3, 0: calls} {
		c := newCarrier(t, fake.Config{Remember: remember})
		for i := range calls {
			_ = dial(t.Context(), c.Dialer(), callTo(numberOf(i)))
		}
		for i := range calls {
			_, err := asResumer(t, c.Dialer()).Resume(t.Context(), callTo(numberOf(i)), ignore)
			if i < calls-known {
				require.ErrorIs(t, err, dialer.ErrUnknownCall, "call %d of %d, remembering %d", i, calls, remember)
			} else {
				require.NotErrorIs(t, err, dialer.ErrUnknownCall, "call %d of %d, remembering %d", i, calls, remember)
			}
		}
	}
}

func TestWithoutResumeRemembersNothing(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{})
	_ = dial(t.Context(), c.WithoutResume(), callTo(ada))
	_, err := asResumer(t, c.Dialer()).Resume(t.Context(), callTo(ada), ignore)
	require.ErrorIs(t, err, dialer.ErrUnknownCall)
}

func TestWithoutResumeHangsUpWhenDetached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{})
		c.Script(ada, fake.Behaviour{Talk: fake.Forever})
		ctx, cancel := context.WithCancelCause(t.Context())
		result := background(ctx, c.WithoutResume(), callTo(ada))
		synctest.Wait()
		cancel(dialer.ErrDetached)
		r := <-result
		require.NoError(t, r.err)
		require.Equal(t, dialer.APICancelled, r.outcome.Reason)
		require.Zero(t, c.Live())
	})
}
