package twilio_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

// replace puts another dialer in the place of the rig's, as a host does that has read its configuration anew.
func (r *rig) replace(t *testing.T, change func(*twilio.Config)) *twilio.Dialer {
	t.Helper()
	if change != nil {
		change(&r.config)
	}
	old := r.host.Load()
	d := r.make(t)
	d.Replaces(old)
	r.host.Store(d)
	return d
}

func TestCallsOfADialerThatIsReplacedGoOn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*twilio.Config){
		"the same account": nil,
		"a new token": func(c *twilio.Config) {
			c.AuthToken, c.OldAuthTokens = "a new token", []string{token}
		},
		"a new token, and Twilio signs by the old one for a while": func(c *twilio.Config) { c.AuthToken = "a new token" },
		"another account": func(c *twilio.Config) {
			c.AccountSID, c.AuthToken = "AC00000000000000000000000000000002", "another token"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *twilio.Config) { c.Timing.PollAfter = time.Minute }) // callbacks have to do
			r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: time.Second, Talk: twiliotest.Forever})
			u := begin(t, r.Dial, r.call("call", ada))
			u.reach(dialer.Ringing)
			r.replace(t, change)
			r.replace(t, nil) // and once more
			sid := u.reach(dialer.Connected)
			require.Eventually(t, func() bool { return len(r.agent.messages()) > 3 }, soon, tick, "it has its stream")
			r.update(t, sid, "completed")
			got := u.over()
			require.NoError(t, got.err)
			require.Equal(t, dialer.ClientHangup, got.outcome.Reason)
			require.Equal(t, "200", got.outcome.Details["sip_code"], "the callback of the end has come")
		})
	}
}

// TestWhatTurnsUpAfterAReplacementIsHungUp has a call whose attempt was over before its dialer was replaced.
func TestWhatTurnsUpAfterAReplacementIsHungUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *twilio.Config) { c.Timing.LookUp = 200 * time.Millisecond })
	r.twilio.Script(string(ada), twiliotest.Behaviour{
		Ring: twiliotest.Forever, Create: []twiliotest.Fault{{Reset: true, Late: time.Second}},
	})
	require.Equal(t, isUnknown, r.dial(t, r.call("call", ada)).end())
	d := r.replace(t, nil)
	require.NoError(t, r.Close())
	require.Eventually(t, func() bool { return r.twilio.Placed() == 1 }, soon, tick)
	r.noneLive(t)
	require.Equal(t, "canceled", r.twilio.Books()[0].Status)
	require.ErrorIs(t, begin(t, d.Dial, r.call("call", ada)).over().err, dialer.ErrNotPlaced, "its id was used before")
}

func TestADialerOfAnotherKindIsOfNoConcern(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	other, err := fake.New(fake.Config{})
	require.NoError(t, err)
	defer other.Close()
	r.Replaces(other.Dialer())
	r.Replaces(r.Dialer)
	r.Replaces(nil)
	require.NoError(t, r.dial(t, r.call("call", ada)).err)
}
