package twilio_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

// refusedWith is what becomes of a call to which Twilio answers with a status and a code.
func (r *rig) refusedWith(t *testing.T, status, code int, body string) dialled {
	t.Helper()
	to := dialer.Phone(fmt.Sprintf("+1%d%06d", status, code))
	r.twilio.Script(string(to), twiliotest.Behaviour{Always: &twiliotest.Fault{Status: status, Code: code, Body: body}})
	got := r.dial(t, r.call(fmt.Sprint(string(to), body), to))
	require.Error(t, got.err)
	require.NotContains(t, got.err.Error(), string(to), "no whole number in an error")
	return got
}

func TestWhatIsAboutTheCalleeEndsTheRecipient(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for code, says := range map[int]string{
		13223: "not formatted", 13224: "does not exist", 13225: "blocked", 13226: "country", 13227: "permissions",
		21201: "no number to call", 21202: "premium", 21203: "account does not reach", 21211: "does not exist",
		21214: "cannot be reached", 21215: "permissions", 21216: "blocked", 21217: "does not look like one",
		21219: "trial", 32224: "blocked", 573005: "trial",
	} {
		for _, status := range []int{http.StatusBadRequest, http.StatusForbidden} {
			got := r.refusedWith(t, status, code, "")
			require.Equal(t, isRefused, got.end(), "%d: %v", code, got.err)
			require.ErrorContains(t, got.err, says)
		}
	}
	require.Zero(t, r.twilio.Placed())
}

// TestWhatIsAboutTheCallerStopsItsCallsOnly is for a number that was not verified: nobody whom it calls is
// written off, and other numbers go on.
func TestWhatIsAboutTheCallerStopsItsCallsOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for code, says := range map[int]string{
		13214: "from is not valid", 21210: "verified", 21212: "from is not valid", 21213: "no number to call from",
		21606: "can use", 32204: "verified",
	} {
		for _, status := range []int{http.StatusBadRequest, http.StatusForbidden} {
			got := r.refusedWith(t, status, code, "")
			var busy *dialer.UnavailableError
			require.ErrorAs(t, got.err, &busy)
			require.True(t, busy.CallerOnly, code)
			require.GreaterOrEqual(t, busy.After, time.Minute)
			require.ErrorContains(t, got.err, says)
		}
	}
	require.Zero(t, r.twilio.Placed())
}

// TestWhatIsAboutTheAccountWritesNobodyOff has 5,000 recipients in mind of whom each would be refused for the
// same reason.
func TestWhatIsAboutTheAccountWritesNobodyOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	const long = time.Minute
	for _, test := range []struct {
		status, code int
		body         string
		after        time.Duration // at least
	}{
		{status: 401, code: 20003, after: long}, {status: 403, code: 20005, after: long}, {status: 404, code: 20404, after: long},
		{status: 400, code: 10001, after: long}, {status: 400, code: 10005, after: long}, {status: 403, code: 90010, after: long},
		{status: 402, after: long}, {status: 403, body: "<html>blocked</html>", after: long}, {status: 407, after: long},
		{status: 400, code: 21205}, {status: 400, code: 21200}, {status: 400}, {status: 400, body: "<html>bad request</html>"},
		{status: 413}, {status: 405}, {status: 422, code: 99999},
	} {
		got := r.refusedWith(t, test.status, test.code, test.body)
		var busy *dialer.UnavailableError
		require.ErrorAs(t, got.err, &busy, "%+v", test)
		require.False(t, busy.CallerOnly, "%+v", test)
		require.GreaterOrEqual(t, busy.After, test.after, "%+v", test)
		require.NotContains(t, got.err.Error(), token)
	}
	require.Zero(t, r.twilio.Placed())
}

// TestOnlyAClearAnswerIsARefusal has answers that may come from somebody in between, who does not know
// whether Twilio took the call.
func TestOnlyAClearAnswerIsARefusal(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	statuses := []int{300, 302, 304, 307, 308, 408, 409, 421, 423, 424, 425, 428, 444, 460, 499, 500, 501, 502, 503, 504, 520, 522, 524, 599}
	for n, status := range statuses {
		to := dialer.Phone(fmt.Sprintf("+1415555%04d", n))
		// Its code is one of a refusal, which counts for nothing with such a status.
		r.twilio.Script(string(to), twiliotest.Behaviour{
			Create: []twiliotest.Fault{{Status: status, Code: 21211, Accept: true}}, End: "busy", Ring: brief,
		})
		got := r.dial(t, r.call(string(to), to))
		require.Equal(t, string(dialer.DialBusy), got.end(), "%d: %v", status, got.err)
	}
	require.Equal(t, len(statuses), r.twilio.Placed())
}

func TestRetryAfterIsKeptInBothForms(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, -6 * time.Hour, 6 * time.Hour} {
		r := newRigOver(t, twiliotest.Config{Ahead: ahead}, nil)
		for _, dated := range []bool{false, true} {
			to := dialer.Phone(fmt.Sprintf("+14155550%v", map[bool]int{false: 100, true: 101}[dated]))
			r.twilio.Script(string(to), twiliotest.Behaviour{Always: &twiliotest.Fault{
				Status: http.StatusTooManyRequests, Code: 20429, After: 2 * time.Minute, Dated: dated,
			}})
			got := r.dial(t, r.call(string(to), to))
			var busy *dialer.UnavailableError
			require.ErrorAs(t, got.err, &busy)
			require.Equal(t, 2*time.Minute, busy.After, "a date is by Twilio's clock, which is %v ahead", ahead)
		}
	}
}

func TestTooManyCallsAtOnceIsNoRefusal(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.twilio.Script(string(ada), twiliotest.Behaviour{
		Create: []twiliotest.Fault{{Status: 400, Code: 10004}, {Status: 403, Code: 20429}}, End: "busy",
	})
	require.Equal(t, string(dialer.DialBusy), r.dial(t, r.call("call", ada)).end())
}
