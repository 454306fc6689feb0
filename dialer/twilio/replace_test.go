package twilio_test

import (
	"fmt"
	"net/http/httptest"
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

// TestACallOfTheAccountBeforeIsTakenOver has two processes whose carrier has become another account's. One is gone, and
// the other one, which has the former dialer open still, takes its call over.
func TestACallOfTheAccountBeforeIsTakenOver(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(*testing.T, *twilio.Config){
		"whose successor does not know it": func(t *testing.T, c *twilio.Config) { c.BaseURL = another(t) },
		"whose successor is refused":       func(*testing.T, *twilio.Config) {},
	} {
		for _, isNamed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, %v", name, isNamed), func(t *testing.T) {
				t.Parallel()
				var brief twilio.Timing
				r := newRig(t, func(c *twilio.Config) {
					brief = c.Timing
					findsIt(c)
				})
				r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever})
				call := r.call("call", ada)
				first := begin(t, r.Dial, call)
				sid := first.reach(dialer.Connected)
				require.Eventually(t, func() bool { return len(r.agent.messages()) > 0 }, soon, tick, "it has its stream")
				first.cancel(dialer.ErrDetached)
				require.ErrorIs(t, first.over().err, dialer.ErrDetached)
				if isNamed {
					call.Ref = sid
				}
				r.open(t) // in the process that goes on
				d := r.replace(t, func(c *twilio.Config) {
					withAnotherAccount(c)
					c.Timing = brief
					at(t, c)
				})
				u := begin(t, d.Resume, call)
				u.reach(dialer.Connected)
				u.cancel(dialer.HangUp(dialer.Inactivity))
				got := u.over()
				require.NoError(t, got.err)
				require.Equal(t, dialer.Inactivity, got.outcome.Reason)
				require.Zero(t, r.twilio.Live())
			})
		}
	}
}

// another is where another account has its API, which has had no call.
func another(t *testing.T) string {
	t.Helper()
	var c twilio.Config
	withAnotherAccount(&c)
	api := httptest.NewServer(twiliotest.New(twiliotest.Config{AccountSID: c.AccountSID, AuthToken: c.AuthToken}))
	t.Cleanup(api.Close)
	return api.URL
}

// TestWhatNoAccountKnowsIsUnknown unless one of them cannot be asked.
func TestWhatNoAccountKnowsIsUnknown(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	d := r.replace(t, func(c *twilio.Config) {
		withAnotherAccount(c)
		c.BaseURL = another(t)
	})
	for _, ref := range []string{"CAffffffffffffffffffffffffffffffff", ""} {
		call := r.call("call"+ref, ada)
		call.Ref = ref
		require.ErrorIs(t, begin(t, d.Resume, call).over().err, dialer.ErrUnknownCall)
		r.twilio.Expire(true)
		got := begin(t, d.Resume, call).over()
		require.Equal(t, isUnavailable, got.end(), "%v", got.err)
		r.twilio.Expire(false)
	}
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
