package guard

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// slow is a carrier whose calls end as the test says, each with what is sent to it.
type slow struct {
	ends  chan error
	rings bool
}

func (s *slow) Dial(_ context.Context, _ dialer.Call, report func(dialer.Progress)) (dialer.Outcome, error) {
	report(dialer.Progress{Stage: dialer.Accepted})
	if s.rings {
		report(dialer.Progress{Stage: dialer.Ringing})
	}
	err := <-s.ends
	if errors.Is(err, errPanics) {
		panic(err)
	}
	return dialer.Outcome{Reason: dialer.AgentHangup}, err
}

var errPanics = errors.New("panics")

// start dials in the background; the channel has the error when that is over.
func start(ctx context.Context, g dialer.Dialer) <-chan error {
	over := make(chan error, 1)
	go func() {
		defer func() {
			if recover() != nil {
				over <- errPanics
			}
		}()
		_, err := g.Dial(ctx, call("+442079460000"), ignore)
		over <- err
	}()
	synctest.Wait()
	return over
}

// TestCallsUnderWayForbidNothing has a third call wait for two that may use up the hour.
func TestCallsUnderWayForbidNothing(t *testing.T) {
	for _, test := range []struct {
		name   string
		end    error
		placed bool
	}{
		{"a carrier that is down", &dialer.UnavailableError{}, false},
		{"calls that are over", nil, true},
		{"calls of unknown fate", errors.New("the line broke"), true},
		{"calls that panic", errPanics, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slow{ends: make(chan error)}
				g := guarded(t, s, Rules{Hourly: 2})
				one, two := start(t.Context(), g), start(t.Context(), g)
				third := start(t.Context(), g)
				require.Empty(t, third, "it waits")
				s.ends <- test.end
				s.ends <- test.end
				require.Equal(t, test.end, <-one)
				require.Equal(t, test.end, <-two)
				if test.placed {
					require.ErrorIs(t, <-third, dialer.ErrForbidden)
					return
				}
				s.ends <- nil
				require.NoError(t, <-third)
			})
		})
	}
}

func TestACallThatRingsIsPlaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{ends: make(chan error), rings: true}
		g := guarded(t, s, Rules{Hourly: 1})
		first := start(t.Context(), g)
		require.ErrorIs(t, <-start(t.Context(), g), dialer.ErrForbidden, "it does not wait for the end of the first")
		s.ends <- dialer.ErrNotPlaced
		require.ErrorIs(t, <-first, dialer.ErrNotPlaced)
		require.ErrorIs(t, <-start(t.Context(), g), dialer.ErrForbidden, "a call that rang is not given back")
	})
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{ends: make(chan error)}
		g := guarded(t, s, Rules{Hourly: 1})
		first := start(t.Context(), g)
		ctx, cancel := context.WithCancelCause(t.Context())
		second := start(ctx, g)
		require.Empty(t, second)
		enough := errors.New("enough")
		cancel(enough)
		err := <-second
		require.ErrorIs(t, err, dialer.ErrNotAsked)
		require.ErrorIs(t, err, enough)
		require.NotErrorIs(t, err, dialer.ErrForbidden)
		s.ends <- dialer.ErrNotPlaced
		require.ErrorIs(t, <-first, dialer.ErrNotPlaced)
		third := start(t.Context(), g)
		s.ends <- nil
		require.NoError(t, <-third, "who gave up waiting takes no room")
	})
}

// TestABlockSizeThatCameLater does not count what was under way before.
func TestABlockSizeThatCameLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Ledger
		s := &slow{ends: make(chan error)}
		g, err := l.Guard(s, Rules{Allow: western(), Block: 3})
		require.NoError(t, err)
		before := start(t.Context(), g)
		_ = l.with(t, Rules{Block: 1})
		after := start(t.Context(), g)
		b := block("+442079460000", 1)
		require.Equal(t, 1, l.blocks[1].underWay(b))
		s.ends <- nil
		s.ends <- nil
		require.NoError(t, errors.Join(<-before, <-after))
		require.Empty(t, l.blocks[1].reserved)
		require.Empty(t, l.blocks[3].reserved)
	})
}

func TestACarrierWithoutAGuardMayTakeWhatOthersRefuse(t *testing.T) {
	var l Ledger
	g := l.with(t, Rules{Allow: []string{"GB"}, Hourly: 1})
	require.Equal(t, 1, dials(t, g, "+442079460%03d", 1))
	leave, another := l.Unguarded(), l.Unguarded()
	leave()
	leave()
	for to, final := range map[string]bool{
		"+33142685300": false, "+442079460001": false,
		"+449012345678": true, "+4911833": true, "x": true,
	} {
		require.Equal(t, final, refusal(t, g, to).Final, to)
	}
	another()
	require.True(t, refusal(t, g, "+33142685300").Final)
	require.True(t, refusal(t, g, "+442079460001").Final)
}
