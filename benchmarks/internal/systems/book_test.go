package systems_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/systems"
	"github.com/outdial/outdial/dialer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	recipients = 20
	limit      = 4
)

// cheat is a dialer between the engine and the carrier, and how often it asks the carrier for a call.
type cheat struct {
	dialer.Dialer

	times func(call int64) int
	calls atomic.Int64
	fails bool
}

func (c *cheat) Dial(ctx context.Context, call dialer.Call, report func(dialer.Progress)) (out dialer.Outcome, err error) {
	out.Reason = dialer.ClientHangup
	for range c.times(c.calls.Add(1)) {
		out, err = c.Dialer.Dial(ctx, call, report)
	}
	if c.fails {
		out = dialer.Outcome{Reason: dialer.DialFailed}
	}
	return out, err
}

// dial works through a batch with an engine that believes in a limit and has a dialer of its own.
func dial(t *testing.T, believed int, c *cheat) error {
	t.Helper()
	l, err := lab.New(lab.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	b, err := systems.NewBench(t.Context(), l, systems.Stores()[0], systems.Limits{systems.Org: limit}, &systems.Carrier{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	c.Dialer = b.Carrier
	b.Engine, err = systems.NewEngine(b.Store, systems.Limits{systems.Org: believed}, c)
	require.NoError(t, err)
	require.NoError(t, b.Create(t.Context(), []string{systems.Org}, 1, recipients, believed))
	b.Run(t.Context())
	_, err = b.Idle(t.Context())
	return errors.Join(err, b.Check(t.Context(), true))
}

func once(int64) int { return 1 }

// but is once, but for the third call.
func but(times int) func(int64) int {
	return func(call int64) int {
		if call == 3 {
			return times
		}
		return 1
	}
}

func TestBookNoticesWhatMustNotHappen(t *testing.T) {
	require.NoError(t, dial(t, limit, &cheat{times: once}))
	require.ErrorContains(t, dial(t, 3*limit, &cheat{times: once}), "had 12 claims at once, want at most 4")
	require.ErrorContains(t, dial(t, limit, &cheat{times: but(2)}), "called 2 times, want once")
	require.ErrorContains(t, dial(t, limit, &cheat{times: but(0)}), "20 recipients completed, and 19 were called")
	require.ErrorContains(t, dial(t, limit, &cheat{times: once, fails: true}), "want no calls but completed ones")
}

func TestHolderNoticesWhatMustNotHappen(t *testing.T) {
	h := &systems.Holder{First: 3, Seen: make([]string, 3)}
	call := func(recipient string) {
		_, err := h.Dial(t.Context(), dialer.Call{Recipient: recipient}, nil)
		require.NoError(t, err)
	}
	call("a")
	call("b")
	require.ErrorContains(t, h.Check(), "2 calls began, want 3")
	call("a")
	require.ErrorContains(t, h.Check(), "recipient a was called twice")
}
