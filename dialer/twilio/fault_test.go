package twilio_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

var unheardOf = twiliotest.Fault{Status: http.StatusNotFound, Code: 20404}

// TestACallThatTwilioDoesNotShowYet has Twilio deny a call that it has just created, as a store does that is
// behind.
func TestACallThatTwilioDoesNotShowYet(t *testing.T) {
	t.Parallel()
	twice := []twiliotest.Fault{unheardOf, unheardOf}
	t.Run("it is hung up", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: twiliotest.Forever, Update: twice})
		u := begin(t, r.Dial, r.call("call", ada))
		u.reach(dialer.Ringing)
		u.cancel(nil)
		require.Equal(t, string(dialer.APICancelled), u.over().end())
		r.noneLive(t)
	})
	t.Run("it is resumed", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: time.Second / 2, End: "busy", Fetch: twice})
		call := r.letGo(t, r.call("call", ada), dialer.Accepted)
		require.Equal(t, string(dialer.DialBusy), begin(t, r.open(t).Resume, call).over().end())
	})
	t.Run("nobody follows it", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(c *twilio.Config) { c.Timing.LookUp = 200 * time.Millisecond })
		r.twilio.Script(string(ada), twiliotest.Behaviour{
			Ring: twiliotest.Forever, Update: twice, Create: []twiliotest.Fault{{Reset: true, Late: time.Second / 2}},
		})
		require.Equal(t, isUnknown, r.dial(t, r.call("call", ada)).end())
		require.Eventually(t, func() bool { return r.twilio.Placed() == 1 }, soon, tick)
		r.noneLive(t)
	})
}

// TestACallThatTurnsUpAfterItCouldNotBeResumed is a create whose answer was lost with the process that sent it.
func TestACallThatTurnsUpAfterItCouldNotBeResumed(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	r := newRig(t, func(c *twilio.Config) { c.Timing.LookUp = 200 * time.Millisecond }, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			next.ServeHTTP(w, r)
		})
	})
	r.twilio.Script(string(ada), twiliotest.Behaviour{
		Ring: twiliotest.Forever, Create: []twiliotest.Fault{{Late: time.Second, Linger: time.Second}},
	})
	call := r.call("call", ada)
	u := begin(t, r.Dial, call)
	<-asked
	u.cancel(dialer.ErrDetached)
	u.over()
	require.ErrorIs(t, begin(t, r.open(t).Resume, call).over().err, dialer.ErrUnknownCall)
	require.Zero(t, r.twilio.Placed())
	require.Eventually(t, func() bool { return r.twilio.Placed() == 1 }, soon, tick)
	r.noneLive(t)
	require.Equal(t, "canceled", r.twilio.Books()[0].Status)
}

func TestACallThatIsNeverSaidToHaveEnded(t *testing.T) {
	t.Parallel()
	for name, goes := range map[string]twiliotest.Behaviour{
		"while it rings": {Ring: 4 * time.Second, End: "busy", Deaf: true},
		"in its talk":    {Talk: 4 * time.Second, Deaf: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *twilio.Config) { c.Timing.HangUp = time.Second })
			r.twilio.Script(string(ada), goes)
			call := r.call("call", ada)
			call.RingTimeout, call.MaxDuration = time.Second, time.Second
			got := r.dial(t, call)
			require.NoError(t, got.err)
			require.Contains(t, got.outcome.Message, "did not say in time")
			want := dialer.MaxDuration
			if goes.Ring > 0 {
				want = dialer.DialNoAnswer
			}
			require.Equal(t, want, got.outcome.Reason)
			r.noneLive(t)
		})
	}
}

// update tells the stand-in what to do with a call, as another program of the account would.
func (r *rig) update(t *testing.T, sid, status string) {
	t.Helper()
	address := r.api.URL + "/2010-04-01/Accounts/" + account + "/Calls/" + sid + ".json"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address,
		strings.NewReader(url.Values{"Status": {status}}.Encode()))
	require.NoError(t, err)
	request.SetBasicAuth(account, token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
}

func TestSomebodyElseEndsACall(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, status string
		goes         twiliotest.Behaviour
		at           dialer.Stage
		ends         dialer.EndReason
	}{
		{"which waits", "canceled", twiliotest.Behaviour{Queue: twiliotest.Forever}, dialer.Accepted, dialer.APICancelled},
		{"which rings", "completed", twiliotest.Behaviour{Ring: twiliotest.Forever}, dialer.Ringing, dialer.APICancelled},
		{"in its talk", "completed", twiliotest.Behaviour{Talk: twiliotest.Forever}, dialer.Connected, dialer.ClientHangup},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.twilio.Script(string(ada), test.goes)
			u := begin(t, r.Dial, r.call("call", ada))
			r.update(t, u.reach(test.at), test.status)
			require.Equal(t, string(test.ends), u.over().end())
		})
	}
}

// TestCancelledAtEveryMoment cancels, or lets go of, calls that have come a little further each time.
func TestCancelledAtEveryMoment(t *testing.T) {
	t.Parallel()
	const step, steps = 40 * time.Millisecond, 40
	for name, cause := range map[string]error{"cancelled": nil, "let go of": dialer.ErrDetached} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			var calls sync.WaitGroup
			for n := range steps {
				to := numberOf(0, n)
				r.twilio.Script(string(to), twiliotest.Behaviour{
					Create: []twiliotest.Fault{{Linger: 4 * step}, lostAnswer[0]}[n%2:][:1],
					Queue:  4 * step, Ring: 8 * step, Talk: twiliotest.Forever,
				})
				call := r.call(callIDOf(0, n), to)
				u := begin(t, r.Dial, call)
				timer := time.AfterFunc(time.Duration(n)*step, func() { u.cancel(cause) })
				t.Cleanup(func() { timer.Stop() })
				calls.Go(func() { r.ends(t, cause, call, <-u.result) })
			}
			calls.Wait()
			r.noneLive(t)
			ids := map[string]bool{}
			for _, e := range r.twilio.Books() {
				require.False(t, ids[e.CallID], "%s was created twice", e.CallID)
				ids[e.CallID] = true
			}
		})
	}
}

// ends checks the end of a call, or that another process finds it.
func (r *rig) ends(t *testing.T, cause error, call dialer.Call, got dialled) {
	if cause == nil {
		if got.err == nil && got.outcome.Reason != dialer.APICancelled {
			t.Errorf("%s: %q", call.ID, got.outcome.Reason)
		}
		return
	}
	if !errors.Is(got.err, dialer.ErrDetached) {
		t.Errorf("%s: %v, %q", call.ID, got.err, got.outcome.Reason)
	}
	again := begin(t, r.Resume, call)
	timer := time.AfterFunc(2*time.Second, func() { again.cancel(dialer.HangUp(dialer.Inactivity)) })
	defer timer.Stop()
	last := <-again.result
	isNever := errors.Is(last.err, dialer.ErrUnknownCall) &&
		!slices.ContainsFunc(r.twilio.Books(), func(e twiliotest.Entry) bool { return e.CallID == call.ID })
	if !isNever && (last.err != nil || last.outcome.Reason != dialer.Inactivity) {
		t.Errorf("%s, resumed: %v, %q", call.ID, last.err, last.outcome.Reason)
	}
}

func TestATokenThatExpiresInTheMiddle(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Default(twiliotest.Behaviour{Ring: brief, Talk: time.Second / 2})
	first := begin(t, r.Dial, r.call("first", ada))
	first.reach(dialer.Connected)
	r.twilio.Expire(true)
	for n := range 10 {
		got := r.dial(t, r.call(callIDOf(1, n), numberOf(1, n)))
		require.Equal(t, isUnavailable, got.end(), "nobody is written off: %v", got.err)
	}
	require.Equal(t, answered, first.over().end(), "a call goes on without requests")
	r.twilio.Expire(false)
	for n := range 3 {
		require.Equal(t, answered, r.dial(t, r.call(callIDOf(2, n), numberOf(1, n))).end())
	}
	require.Equal(t, 4, r.twilio.Placed())
}

// TestAPublicURLThatLeadsNowhereIsSaid is what a host meets that has mistaken it.
func TestAPublicURLThatLeadsNowhereIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *twilio.Config) { c.PublicURL = nowhere + "/twilio" })
	r.twilio.Script(string(ada), twiliotest.Behaviour{Ring: brief, Talk: twiliotest.Forever})
	call := r.call("call", ada)
	call.RingTimeout = time.Second / 2
	got := r.dial(t, call)
	require.Equal(t, string(dialer.Error), got.end())
	require.Contains(t, got.outcome.Message, "public URL")

	// The engine may be first to lose patience. That does not make it nobody's answer.
	u := begin(t, r.Dial, r.call("another", ada))
	u.reach(dialer.Accepted)
	r.noneLive(t)
	u.cancel(dialer.HangUp(dialer.DialNoAnswer))
	require.Equal(t, string(dialer.Error), u.over().end())
}

// TestAnEndThatIsKnownBeforeItsCallbacks has Twilio's list be faster than its callbacks: that they have not come yet
// does not mean that they cannot.
func TestAnEndThatIsKnownBeforeItsCallbacks(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *twilio.Config) { c.Timing.Settle = soon })
	r.twilio.Script(string(ada), twiliotest.Behaviour{
		Create: lostAnswer, All: twiliotest.Delivery{Late: time.Second}, Stream: twiliotest.StreamFault{Never: true},
	})
	require.Equal(t, answered, r.dial(t, r.call("call", ada)).end())
}

// TestACallThatWaitsForAnotherOneSaysNothingOfTheCarrier has two calls from one number to another, of which the first
// one's fate is looked for longer than the second one may wait.
func TestACallThatWaitsForAnotherOneSaysNothingOfTheCarrier(t *testing.T) {
	t.Parallel()
	var creates atomic.Int64
	r := newRig(t, func(c *twilio.Config) { c.Timing.LookUp, c.Timing.Create = time.Hour, 200*time.Millisecond },
		func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					creates.Add(1)
				}
				next.ServeHTTP(w, r)
			})
		})
	r.twilio.Script(string(ada), twiliotest.Behaviour{Create: []twiliotest.Fault{{Reset: true}}})
	first := begin(t, r.Dial, r.call("one", ada))
	require.Eventually(t, func() bool { return creates.Load() == 1 }, soon, tick)
	got := r.dial(t, r.call("two", ada))
	require.ErrorAs(t, got.err, new(*dialer.UnavailableError))
	require.ErrorIs(t, got.err, dialer.ErrNotAsked)
	require.EqualValues(t, 1, creates.Load())
	first.cancel(dialer.ErrDetached)
	require.ErrorIs(t, first.over().err, dialer.ErrDetached)
}
