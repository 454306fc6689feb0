package twilio_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

func TestABadTokenStopsTheCarrier(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Expire(true)
	got := r.dial(t, r.call("first", ada))
	var busy *dialer.UnavailableError
	require.ErrorAs(t, got.err, &busy)
	require.GreaterOrEqual(t, busy.After, time.Minute)
	require.NotContains(t, got.err.Error(), token)
	r.twilio.Expire(false)
	require.NoError(t, r.dial(t, r.call("second", ada)).err)

	r = newRig(t, func(c *twilio.Config) { c.AccountSID = "AC00000000000000000000000000000009" })
	require.ErrorAs(t, r.dial(t, r.call("call", ada)).err, &busy)
}

func TestApiKey(t *testing.T) {
	t.Parallel()
	key, secret := "SK00000000000000000000000000000001", "the secret"
	r := newRigOver(t, twiliotest.Config{APIKey: key, APISecret: secret}, func(c *twilio.Config) {
		c.APIKey, c.APISecret = key, secret
	})
	r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: time.Second / 2})
	r.twilio.Expire(true) // the auth token signs callbacks, and that is all
	got := r.dial(t, r.call("call", ada))
	require.NoError(t, got.err)
	require.False(t, got.outcome.RangAt.IsZero(), "callbacks were believed")
}

func TestNobodyListensIsUnavailable(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.config.BaseURL = nowhere
	d := r.open(t)
	got := begin(t, d.Dial, r.call("call", ada)).over()
	require.Equal(t, isUnavailable, got.end(), "%v", got.err)
	require.NotContains(t, got.err.Error(), account)

	u := begin(t, d.Dial, r.call("another", ada))
	u.cancel(dialer.HangUp(dialer.Inactivity))
	require.Equal(t, string(dialer.Inactivity), u.over().end())
}

// TestCallsOfUnknownFateAreToldApart places two calls to one number at once, whose answers are both lost.
func TestCallsOfUnknownFateAreToldApart(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *twilio.Config) { c.Timing.Create = 10 * time.Second })
	lost := twiliotest.Fault{Accept: true, Reset: true}
	r.twilio.Script(string(ada), twiliotest.Behaviour{
		Create: []twiliotest.Fault{lost, lost, lost, lost}, All: lose, End: "busy", Ring: 2 * time.Second,
	})
	calls := map[string]*underway{}
	for _, id := range []string{"a", "b", "c", "d"} {
		calls[id] = begin(t, r.Dial, r.call(id, ada))
	}
	whose := map[string]string{}
	for id, u := range calls {
		got := u.over()
		require.NoError(t, got.err)
		require.Equal(t, dialer.DialBusy, got.outcome.Reason)
		whose[got.outcome.Ref] = id
	}
	for _, e := range r.twilio.Books() {
		require.Equal(t, whose[e.SID], e.CallID)
	}
	require.Len(t, whose, 4)
}

func TestNumberIsBusyBeingCalled(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *twilio.Config) {
		c.Timing.Create, c.Timing.Request = time.Second/2, 10*time.Second
	})
	r.twilio.Script(string(ada), twiliotest.Behaviour{Create: []twiliotest.Fault{{Linger: 3 * time.Second}}})
	first := begin(t, r.Dial, r.call("first", ada))
	require.Eventually(t, func() bool { return r.twilio.Placed() == 1 }, soon, tick)
	second := begin(t, r.Dial, r.call("second", ada)).over()
	require.Equal(t, isUnavailable, second.end(), "%v", second.err)
	require.NoError(t, first.over().err)
}

func TestIdIsNotUsedTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	call := r.call("call", ada)
	require.NoError(t, r.dial(t, call).err)
	require.ErrorIs(t, r.dial(t, call).err, dialer.ErrNotPlaced)
	require.Equal(t, 1, r.twilio.Placed())
}

func TestAnsweredAtTheLastMomentIsNotCutOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Script(string(ada), twiliotest.Behaviour{
		Ring: 150 * time.Millisecond, Talk: time.Second, Stream: twiliotest.StreamFault{Never: true},
		Callbacks: map[string]twiliotest.Delivery{"in-progress": {Late: time.Second / 2}},
	})
	call := r.call("call", ada)
	call.RingTimeout = 300 * time.Millisecond // at that time the news is still on its way
	got := r.dial(t, call)
	require.Equal(t, dialer.ClientHangup, got.outcome.Reason)
}

func TestCallsThatCannotBePlaced(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for name, change := range map[string]func(*dialer.Call){
		"no agent":     func(c *dialer.Call) { c.Agent.URL = "" },
		"an odd agent": func(c *dialer.Call) { c.Agent.URL = "https://agent.example" },
		"no host":      func(c *dialer.Call) { c.Agent.URL = "wss:///talk" },
		"unreadable":   func(c *dialer.Call) { c.Agent.URL = "wss://a b:secret@x" },
		"no id":        func(c *dialer.Call) { c.ID = "" },
		"no number":    func(c *dialer.Call) { c.To = "" },
		"a huge id":    func(c *dialer.Call) { c.ID = string(make([]byte, 5000)) },
		"a huge batch": func(c *dialer.Call) { c.Batch = fmt.Sprintf("%4000d", 1) },
	} {
		call := r.call("call", ada)
		change(&call)
		got := r.dial(t, call)
		require.ErrorIs(t, got.err, dialer.ErrNotPlaced, name)
		require.NotContains(t, got.err.Error(), "secret")
	}
	require.NoError(t, r.Close())
	require.ErrorIs(t, r.dial(t, r.call("closed", ada)).err, dialer.ErrNotPlaced)
	require.Zero(t, r.twilio.Placed())
}

func TestCloseBreaksOffStreams(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever})
	u := begin(t, r.Dial, r.call("call", ada))
	u.reach(dialer.Connected)
	require.Eventually(t, func() bool { return len(r.agent.messages()) > 0 }, soon, tick)
	u.cancel(dialer.ErrDetached)
	require.ErrorIs(t, u.over().err, dialer.ErrDetached)
	require.Equal(t, 1, r.twilio.Live())
	require.NoError(t, r.Close())
	r.noneLive(t) // the call ends with its stream
	require.ErrorIs(t, r.dial(t, r.call("another", ada)).err, dialer.ErrNotPlaced)
}

// TestTheAgentHearsOfTheEnd closes a dialer as soon as the last of its calls is over.
func TestTheAgentHearsOfTheEnd(t *testing.T) {
	t.Parallel()
	for n := range 10 {
		r := newRig(t, nil)
		r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever})
		u := begin(t, r.Dial, r.call(callIDOf(6, n), ada))
		sid := u.reach(dialer.Connected)
		require.Eventually(t, func() bool { return len(r.agent.messages()) > 2 }, soon, tick)
		r.update(t, sid, "completed")
		require.Equal(t, answered, u.over().end())
		require.NoError(t, r.Close())
		require.Eventually(t, func() bool { return strings.Contains(strings.Join(r.agent.messages(), ""), `"stop"`) }, soon, tick)
	}
}

// TestClocksMayDiffer has a call of unknown fate found by a clock that is far from ours.
func TestClocksMayDiffer(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-time.Hour, time.Hour} {
		r := newRigOver(t, twiliotest.Config{Ahead: ahead}, nil)
		require.NoError(t, r.dial(t, r.call("first", "+14155550199")).err) // by which the clock is known
		r.twilio.Script(string(ada), twiliotest.Behaviour{Create: lostAnswer, All: lose, End: "busy"})
		got := r.dial(t, r.call("second", ada))
		require.Equal(t, string(dialer.DialBusy), got.end(), "%v: %v", ahead, got.err)
	}
}

func TestACallThatDoesNotEndIsHungUpLater(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *twilio.Config) { c.Timing.HangUp = 200 * time.Millisecond })
	ill := twiliotest.Fault{Status: http.StatusServiceUnavailable}
	r.twilio.Script(string(ada), twiliotest.Behaviour{Talk: twiliotest.Forever, Update: []twiliotest.Fault{ill, ill, ill, ill}})
	u := begin(t, r.Dial, r.call("call", ada))
	u.reach(dialer.Connected)
	u.cancel(dialer.HangUp(dialer.Inactivity))
	got := u.over()
	require.NoError(t, got.err)
	require.Equal(t, dialer.Inactivity, got.outcome.Reason)
	require.Contains(t, got.outcome.Message, "in time")
	r.noneLive(t)
}

func TestDetails(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: brief, End: "busy"})
	details := r.dial(t, r.call("call", ada)).outcome.Details
	require.Equal(t, map[string]string{"status": "busy", "sip_code": "486", "queue_time": "0", "duration": "0"}, details)
}
