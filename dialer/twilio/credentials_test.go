package twilio_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

const newToken = "the new auth token"

// rotation is Twilio's side of an auth token that is replaced: the stand-in has one only.
type rotation struct {
	isOver  atomic.Bool
	refused atomic.Int64 // requests by the former token since
}

func (o *rotation) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if o.isOver.Load() {
			if password != newToken {
				o.refused.Add(1)
				twiliotest.Fail(w, twiliotest.Fault{Status: http.StatusUnauthorized, Code: 20003})
				return
			}
			r.SetBasicAuth(user, token)
		}
		next.ServeHTTP(w, r)
	})
}

// rotated is a rig with a call that has come so far when its dialer's token is replaced at Twilio.
func rotated(t *testing.T, stage dialer.Stage, change func(*twilio.Config)) (*rig, *rotation, *underway) {
	t.Helper()
	o := &rotation{}
	r := newRig(t, change, o.wrap)
	goes := twiliotest.Behaviour{Ring: twiliotest.Forever}
	if stage == dialer.Connected {
		goes = twiliotest.Behaviour{Talk: twiliotest.Forever}
	}
	r.twilio.Script(string(ada), goes)
	u := begin(t, r.Dial, r.call("call", ada))
	u.reach(stage)
	if stage == dialer.Connected {
		require.Eventually(t, func() bool { return len(r.agent.messages()) > 0 }, soon, tick)
	}
	o.isOver.Store(true)
	return r, o, u
}

func withNewToken(c *twilio.Config) {
	c.AccountSID, c.AuthToken, c.OldAuthTokens = account, newToken, []string{token}
}

func withAnotherAccount(c *twilio.Config) {
	c.AccountSID, c.AuthToken, c.OldAuthTokens = "AC00000000000000000000000000000002", "another token", nil
}

// TestACallIsHungUpByTheTokenThatReplacesItsOwn has the former token be refused while the call goes on.
func TestACallIsHungUpByTheTokenThatReplacesItsOwn(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string][]func(*twilio.Config){
		"at once":                    {withNewToken},
		"after one that is mistyped": {func(c *twilio.Config) { c.AuthToken = "a slip" }, withNewToken},
		"with an account in between": {withAnotherAccount, withNewToken},
		"and once more":              {withNewToken, nil},
	} {
		for _, stage := range []dialer.Stage{dialer.Ringing, dialer.Connected} {
			t.Run(name+", "+stage.String(), func(t *testing.T) {
				t.Parallel()
				r, o, u := rotated(t, stage, func(c *twilio.Config) { c.Timing.PollAfter = time.Minute })
				for _, change := range changes {
					r.replace(t, change)
				}
				u.cancel(dialer.HangUp(dialer.APICancelled))
				got := u.over()
				require.NoError(t, got.err)
				require.Equal(t, dialer.APICancelled, got.outcome.Reason)
				require.Empty(t, got.outcome.Message, "Twilio has said that it is over")
				require.Zero(t, r.twilio.Live())
				require.EqualValues(t, 1, o.refused.Load(), "the former token is not tried again")
			})
		}
	}
}

// TestACallIsAskedAboutByTheTokenThatReplacesItsOwn has no callback come of the end, which only Twilio knows then.
func TestACallIsAskedAboutByTheTokenThatReplacesItsOwn(t *testing.T) {
	t.Parallel()
	o := &rotation{}
	r := newRig(t, nil, o.wrap)
	r.twilio.Script(string(ada), twiliotest.Behaviour{
		Ring: time.Second, End: "busy", Callbacks: map[string]twiliotest.Delivery{"busy": {Lose: true}},
	})
	call := r.call("call", ada)
	call.RingTimeout = 2 * time.Second
	u := begin(t, r.Dial, call)
	u.reach(dialer.Ringing)
	o.isOver.Store(true)
	r.replace(t, withNewToken)
	require.Equal(t, string(dialer.DialBusy), u.over().end())
}

// TestCredentialsForElsewhereAreNotTried has the account move to another region, where its token is another one.
func TestCredentialsForElsewhereAreNotTried(t *testing.T) {
	t.Parallel()
	r, o, u := rotated(t, dialer.Ringing, func(c *twilio.Config) { c.Timing.HangUp = 500 * time.Millisecond })
	r.replace(t, func(c *twilio.Config) {
		withNewToken(c)
		c.Region, c.Edge = "ie1", "dublin"
	})
	u.cancel(dialer.HangUp(dialer.APICancelled))
	got := u.over()
	require.NoError(t, got.err)
	require.NotEmpty(t, got.outcome.Message)
	require.Positive(t, o.refused.Load())
	require.Equal(t, 1, r.twilio.Live())
}

// TestACallThatCannotBeHungUpLosesItsStream has Twilio take no request any more: without a stream the call ends.
func TestACallThatCannotBeHungUpLosesItsStream(t *testing.T) {
	t.Parallel()
	r, _, u := rotated(t, dialer.Connected, func(c *twilio.Config) { c.Timing.HangUp = 500 * time.Millisecond })
	u.cancel(dialer.HangUp(dialer.APICancelled))
	got := u.over()
	require.NoError(t, got.err)
	require.Equal(t, dialer.APICancelled, got.outcome.Reason)
	require.NotEmpty(t, got.outcome.Message)
	r.noneLive(t)
}
