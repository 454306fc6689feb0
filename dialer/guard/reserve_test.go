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

// requirePutOff wants an error for which an engine queues the recipient again without learning anything.
func requirePutOff(t *testing.T, err error) {
	t.Helper()
	var busy *dialer.UnavailableError
	require.ErrorAs(t, err, &busy)
	require.Equal(t, dialer.UnavailableError{Cause: busy.Cause}, *busy, "it rests neither the carrier, nor who calls")
	require.ErrorIs(t, err, dialer.ErrNotPlaced)
	require.ErrorIs(t, err, dialer.ErrNotAsked)
	require.NotErrorIs(t, err, dialer.ErrForbidden)
}

// TestCallsUnderWayForbidNothing puts a third call off while two may use up the hour.
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
				requirePutOff(t, <-start(t.Context(), g))
				s.ends <- test.end
				s.ends <- test.end
				require.Equal(t, test.end, <-one)
				require.Equal(t, test.end, <-two)
				third := start(t.Context(), g)
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

// TestABlockSizeThatCameLater begins with what was placed and under way before anybody had a limit to it.
func TestABlockSizeThatCameLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Ledger
		s := &slow{ends: make(chan error)}
		g, err := l.Guard(s, Rules{Allow: western(), Hourly: -1})
		require.NoError(t, err)
		before := start(t.Context(), g)
		require.Equal(t, 7, dials(t, l.with(t, Rules{Hourly: -1}), "+442079460%03d", 7))
		require.Equal(t, 2, dials(t, l.with(t, Rules{Hourly: -1}), "+442079461%03d", 2))
		wide, narrow := l.with(t, Rules{Block: 4, Hourly: 12}), l.with(t, Rules{Block: 2, Hourly: 9})
		b := block("+442079460000", 4)
		require.Equal(t, 9, l.blocks[4].count(b, 1))
		require.Equal(t, 1, l.blocks[4].underWay(b))
		require.Equal(t, 7, l.blocks[2].count(block("+442079460000", 2), 1))
		after := start(t.Context(), g)
		s.ends <- nil
		s.ends <- nil
		require.NoError(t, errors.Join(<-before, <-after))
		require.Equal(t, 11, l.blocks[4].count(b, 1))
		require.Zero(t, dials(t, narrow, "+4420794600%02d", 5), "nine")
		require.Equal(t, 1, dials(t, wide, "+442079462%03d", 5), "eleven")
		for _, h := range l.blocks {
			if h != nil {
				require.Empty(t, h.reserved)
			}
		}
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
