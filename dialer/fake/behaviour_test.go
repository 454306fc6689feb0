package fake_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

// until returns the stages up to one.
func until(last dialer.Stage) []dialer.Stage {
	return []dialer.Stage{dialer.Accepted, dialer.Ringing, dialer.Connected}[:last]
}

func TestBehaviours(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		behaves  fake.Behaviour
		want     dialer.EndReason
		stages   []dialer.Stage
		took     time.Duration
		connects bool
	}{
		{"the zero value", fake.Behaviour{}, dialer.ClientHangup, until(dialer.Connected), 0, true},
		{
			"the agent hangs up", fake.Behaviour{End: dialer.AgentHangup, Ring: 3 * time.Second, Talk: time.Minute},
			dialer.AgentHangup, until(dialer.Connected), 63 * time.Second, true,
		},
		{"busy", fake.Behaviour{End: dialer.DialBusy, Ring: time.Second}, dialer.DialBusy, until(dialer.Accepted), time.Second, false},
		{"failed", fake.Behaviour{End: dialer.DialFailed}, dialer.DialFailed, until(dialer.Accepted), 0, false},
		{
			"busy, found too late", fake.Behaviour{End: dialer.DialBusy, Ring: fake.Forever},
			dialer.DialNoAnswer, until(dialer.Accepted), 30 * time.Second, false,
		},
		{
			"given up", fake.Behaviour{End: dialer.DialNoAnswer, Ring: time.Second},
			dialer.DialNoAnswer, until(dialer.Ringing), time.Second, false,
		},
		{"ring timeout", fake.Behaviour{Ring: 31 * time.Second}, dialer.DialNoAnswer, until(dialer.Ringing), 30 * time.Second, false},
		{"just in time", fake.Behaviour{Ring: 30 * time.Second}, dialer.ClientHangup, until(dialer.Connected), 30 * time.Second, true},
		{"maximum duration", fake.Behaviour{Talk: fake.Forever}, dialer.MaxDuration, until(dialer.Connected), time.Hour, true},
		{
			"answered after the ring timeout", fake.Behaviour{Ring: time.Minute, Fault: fake.IgnoreRingTimeout},
			dialer.ClientHangup, until(dialer.Connected), time.Minute, true,
		},
		{
			"lasts too long", fake.Behaviour{Talk: 2 * time.Hour, Fault: fake.IgnoreMaxDuration},
			dialer.ClientHangup, until(dialer.Connected), 2 * time.Hour, true,
		},
		{"no such reason", fake.Behaviour{End: "voicemail"}, "voicemail", until(dialer.Connected), 0, true},
		{
			"each stage twice", fake.Behaviour{Fault: fake.ReportTwice}, dialer.ClientHangup,
			[]dialer.Stage{
				dialer.Accepted, dialer.Accepted, dialer.Ringing, dialer.Ringing, dialer.Connected, dialer.Connected,
			}, 0, true,
		},
		{
			"last stage first", fake.Behaviour{Ring: time.Second, Fault: fake.ReportReversed}, dialer.ClientHangup,
			[]dialer.Stage{dialer.Connected, dialer.Ringing, dialer.Accepted}, time.Second, true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCarrier(t, fake.Config{})
				c.Script(ada, test.behaves)
				r := dial(t.Context(), c.Dialer(), callTo(ada))
				require.NoError(t, r.err)
				require.Equal(t, test.want, r.outcome.Reason)
				require.Equal(t, test.stages, r.stages)
				require.Equal(t, test.took, r.took)
				require.Equal(t, test.connects, !r.outcome.ConnectedAt.IsZero())
				require.Zero(t, c.Live())
			})
		})
	}
}

func TestMessageAndDetailsAreInTheOutcome(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{})
	c.Script(ada, fake.Behaviour{
		End: dialer.Error, Message: "media lost", Details: map[string]string{"sip_code": "500"},
	}, fake.Behaviour{End: dialer.Error})
	call := callTo(ada)
	r := dial(t.Context(), c.Dialer(), call)
	require.Equal(t, dialer.Error, r.outcome.Reason)
	require.Equal(t, "media lost", r.outcome.Message)
	require.Equal(t, "500", r.outcome.Details["sip_code"])

	call.ID, call.Attempt = "other", 2
	require.NotEmpty(t, dial(t.Context(), c.Dialer(), call).outcome.Message, "an error has a message")
}

func TestScriptGoesByAttempt(t *testing.T) {
	t.Parallel()
	c := newCarrier(t, fake.Config{Shares: fake.Shares{Failed: 1}})
	c.Script(ada, fake.Behaviour{End: dialer.DialBusy}, fake.Behaviour{End: dialer.DialNoAnswer}, fake.Behaviour{})
	want := []dialer.EndReason{dialer.DialBusy, dialer.DialBusy, dialer.DialNoAnswer, dialer.ClientHangup, dialer.ClientHangup}
	for attempt, reason := range want { // attempt 0 is not one, and taken for the first
		call := callTo(ada)
		call.Attempt = attempt
		require.Equal(t, reason, dial(t.Context(), c.Dialer(), call).outcome.Reason, attempt)
	}
	c.Script(ada)
	require.Equal(t, dialer.DialFailed, dial(t.Context(), c.Dialer(), callTo(ada)).outcome.Reason, "drawn again")
}

func TestSpeedDividesEveryDuration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{Speed: 10})
		c.Script(ada, fake.Behaviour{Ring: 10 * time.Second, Talk: time.Minute}, fake.Behaviour{Ring: fake.Forever})
		require.Equal(t, 7*time.Second, dial(t.Context(), c.Dialer(), callTo(ada)).took)
		call := callTo(ada)
		call.Attempt = 2
		require.Equal(t, 3*time.Second, dial(t.Context(), c.Dialer(), call).took, "the ring timeout, too")
	})
}

func TestLimitsOfZeroAreNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCarrier(t, fake.Config{})
		c.Script(ada, fake.Behaviour{Ring: 10 * time.Hour, Talk: 10 * time.Hour})
		call := callTo(ada)
		call.RingTimeout, call.MaxDuration = 0, 0
		r := dial(t.Context(), c.Dialer(), call)
		require.Equal(t, dialer.ClientHangup, r.outcome.Reason)
		require.Equal(t, 20*time.Hour, r.took)
	})
}
