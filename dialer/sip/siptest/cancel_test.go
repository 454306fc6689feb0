package siptest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

func ringingFor(d time.Duration) func(*dialer.Call) {
	return func(c *dialer.Call) { c.RingTimeout = d }
}

// soon checks that Dial did not wait for what the carrier takes its time for.
func soon(a *act) {
	a.over()
	select {
	case <-a.carrier.done:
		require.Fail(a.t, "Dial returned only when the carrier was through")
	default:
	}
}

func TestCallsThatAreGivenUp(t *testing.T) {
	t.Parallel()
	briefly := ringingFor(2 * time.Second) // in which a busy machine hears of what the carrier says at once
	tooBriefly := ringingFor(300 * time.Millisecond)
	crossing := script{ // the answer leaves before the CANCEL has stopped it
		invited(), trying(), ringing(), expect("CANCEL"), ok(), answer(), hungUp(),
	}
	late := script{
		invited(), trying(), ringing(), expect("CANCEL"), ok(), pause(2000), answer(), hungUp(),
	}
	play(t, []scenario{
		{
			name: "ring timeout",
			peer: script{invited(), trying(), ringing(), cancelled()},
			call: briefly, ends: dialer.DialNoAnswer, hears: "INVITE CANCEL ACK",
		},
		{
			name: "ring timeout after early media",
			peer: script{invited(), progress(), cancelled()},
			call: briefly, ends: dialer.DialNoAnswer, hears: "INVITE CANCEL ACK",
		},
		{
			name: "ring timeout after nothing but 100",
			peer: script{invited(), trying(), cancelled()},
			call: briefly, ends: dialer.DialNoAnswer, hears: "INVITE CANCEL ACK",
			check: func(t *testing.T, a *act) { require.True(t, a.outcome.RangAt.IsZero()) },
		},
		{
			name: "cancelled by API while it rings",
			peer: script{invited(), trying(), ringing(), cancelled()},
			do: func(a *act) {
				a.reaches(dialer.Ringing)
				a.cancel(nil)
			},
			ends: dialer.APICancelled, hears: "INVITE CANCEL ACK",
		},
		{
			name: "200 crosses CANCEL", peer: crossing,
			call: briefly, do: soon, ends: dialer.DialNoAnswer, hears: "INVITE CANCEL ACK BYE",
		},
		{
			name: "200 crosses CANCEL of the API", peer: crossing,
			do:   hangUpWhen(dialer.Ringing, dialer.APICancelled),
			ends: dialer.APICancelled, hears: "INVITE CANCEL ACK BYE",
		},
		{
			name: "200 seconds after CANCEL", peer: late,
			call: briefly, do: soon, ends: dialer.DialNoAnswer, hears: "INVITE CANCEL ACK BYE",
		},
		{
			name: "200 and CANCEL refused",
			peer: script{
				invited(), ringing(), expect("CANCEL"), say(481, "Call/Transaction Does Not Exist"),
				pause(500), answer(), hungUp(),
			},
			call: briefly, do: soon, ends: dialer.DialNoAnswer, hears: "INVITE CANCEL ACK BYE",
		},
		{
			name: "busy crosses CANCEL",
			peer: script{invited(), ringing(), expect("CANCEL"), refuse(486, "Busy Here")},
			call: briefly, ends: dialer.DialNoAnswer, hears: "INVITE CANCEL ACK",
		},
		{
			name: "CANCEL is not answered",
			peer: script{invited(), ringing(), expect("CANCEL"), pause(1000), refuse(487, "Request Terminated")},
			call: briefly, do: soon, ends: dialer.DialNoAnswer, hears: "INVITE CANCEL ACK",
		},
		{
			name: "100 late, after the ring timeout",
			peer: script{invited(), pause(2500), trying(), cancelled()},
			call: tooBriefly, do: soon, ends: dialer.Error, hears: "INVITE CANCEL ACK",
		},
		{
			name: "180 late, after the ring timeout",
			peer: script{invited(), pause(2500), ringing(), cancelled()},
			call: tooBriefly, do: soon, ends: dialer.Error, hears: "INVITE CANCEL ACK",
		},
		{
			name: "200 late, after the ring timeout",
			peer: script{invited(), pause(2500), answer(), hungUp()},
			call: tooBriefly, do: soon, ends: dialer.Error, hears: "INVITE ACK BYE",
		},
		{
			name: "refused late, after the ring timeout",
			peer: script{invited(), pause(2500), refuse(503, "Service Unavailable")},
			call: tooBriefly, do: soon, ends: dialer.Error, hears: "INVITE ACK",
		},
	})
}

// 64*T1 are 32 seconds.
func TestNoWordAtAll(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes 32 seconds")
	}
	play(t, []scenario{
		{
			name: "from the only trunk",
			peer: script{invited(), pause(33000)},
			ends: dialer.Error, hears: "INVITE",
		},
		{
			name: "from the first of two, which rings late: the second one is not asked",
			peer: script{invited(), pause(33000), ringing(), cancelled()}, backup: script{invited(), answer(), bye()},
			ends: dialer.Error, hears: "INVITE CANCEL ACK", spares: "",
		},
	})
}
