package siptest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// hangUpWhen hangs up once the call has come so far.
func hangUpWhen(stage dialer.Stage, reason dialer.EndReason) func(*act) {
	return func(a *act) {
		a.reaches(stage)
		a.cancel(dialer.HangUp(reason))
	}
}

func lasting(d time.Duration) func(*dialer.Call) {
	return func(c *dialer.Call) { c.MaxDuration = d }
}

func TestAnsweredCalls(t *testing.T) {
	t.Parallel()
	const reason = `Q.850;cause=16;text="Normal clearing"`
	play(t, []scenario{
		{
			name: "callee hangs up",
			peer: script{invited(), trying(), pause(50), ringing(), pause(50), answer(), bye("Reason: " + reason)},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/BYE",
			details: map[string]string{
				"sip_code": "200", "sip_phrase": "OK", "trunk": "sipp", "reason": reason, "q850_cause": "16",
			},
			check: timesAreInOrder,
		},
		{
			name: "agent hangs up",
			peer: script{invited(), trying(), ringing(), answer(), hungUp()},
			do:   hangUpWhen(dialer.Connected, dialer.AgentHangup),
			ends: dialer.AgentHangup, connected: true, hears: "INVITE ACK BYE",
		},
		{
			name: "cancelled by API in the call",
			peer: script{invited(), trying(), ringing(), answer(), hungUp()},
			do: func(a *act) {
				a.reaches(dialer.Connected)
				a.cancel(nil)
			},
			ends: dialer.APICancelled, connected: true, hears: "INVITE ACK BYE",
		},
		{
			name: "maximum duration",
			peer: script{invited(), answer(), hungUp()},
			call: lasting(300 * time.Millisecond),
			ends: dialer.MaxDuration, connected: true, hears: "INVITE ACK BYE",
		},
		{
			name: "180 and 200 back to back",
			peer: script{invited(), ringing(), answer(), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/BYE",
		},
		{
			name: "callee hangs up at once",
			peer: script{invited(), unacknowledged(), expect("ACK"), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/BYE",
		},
		{
			name: "ringing again and again",
			peer: script{invited(), trying(), steps(times(18, steps(ringing(), pause(20)))...), answer(), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/BYE",
		},
		{
			name: "early media",
			peer: script{invited(), trying(), progress(), pause(100), ringing(), answer(), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/BYE",
			check: func(t *testing.T, a *act) { require.False(t, a.outcome.RangAt.IsZero()) },
		},
		{
			name: "181 and 182",
			peer: script{
				invited(), replyTo("INVITE", 181, "Call Is Being Forwarded", ""),
				replyTo("INVITE", 182, "Queued", ""), answer(), bye(),
			},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/BYE",
		},
		{
			name: "ringing that comes when all is over",
			peer: script{invited(), answer(), bye(), ringing(), pause(300)},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/BYE",
		},
		{
			name: "an answer that comes again when all is over",
			peer: script{invited(), answer(), bye(), pause(600), replyTo("INVITE", 200, "OK", sdp), expect("ACK"), pause(300)},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/BYE",
		},
		{
			name: "an answer without description",
			peer: script{invited(), replyTo("INVITE", 200, "OK", ""), expect("ACK"), hungUp()},
			ends: dialer.DialFailed, hears: "INVITE ACK BYE", details: map[string]string{"sip_code": "200"},
		},
	})
}

// times repeats a step.
func times(n int, s step) []step {
	all := make([]step, n)
	for i := range all {
		all[i] = s
	}
	return all
}

func timesAreInOrder(t *testing.T, a *act) {
	last := time.Time{}
	for _, key := range []string{"invite_at", "trying_at", "ringing_at", "answered_at", "acked_at", "ended_at"} {
		at, err := time.Parse(time.RFC3339, a.outcome.Details[key])
		require.NoError(t, err, key)
		require.False(t, at.Before(last), "%s: %v", key, a.outcome.Details)
		last = at
	}
	require.Equal(t, of(t, a.trace, "INVITE", 0).head["call-id"], a.outcome.Ref)
}

func TestLostMessages(t *testing.T) {
	t.Parallel()
	var all []scenario
	for name, lose := range map[string]func() losing{
		"INVITE":        func() losing { return once("INVITE", false) },
		"100":           func() losing { return once("100/INVITE", true) },
		"180":           func() losing { return once("180/INVITE", true) },
		"200":           func() losing { return once("200/INVITE", true) },
		"ACK":           func() losing { return once("ACK", false) },
		"BYE":           func() losing { return once("BYE", false) },
		"answer to BYE": func() losing { return once("200/BYE", true) },
	} {
		all = append(all, scenario{
			name: name, only: "udp", lose: lose,
			// The pause at the end is for the BYE that comes again, and the call lasts until the
			// ACK has come again: SIPp wants that first.
			peer: script{invited(), trying(), ringing(), answer(), hungUp(), pause(1000)},
			call: lasting(time.Second),
			ends: dialer.MaxDuration, connected: true, hears: "INVITE ACK BYE",
		})
	}
	play(t, append(all, scenario{
		name: "CANCEL", only: "udp", lose: func() losing { return once("CANCEL", false) },
		peer: script{invited(), trying(), ringing(), cancelled()},
		call: ringingFor(2 * time.Second), // in which a busy machine hears that it rings
		ends: dialer.DialNoAnswer, hears: "INVITE CANCEL ACK",
	}, scenario{
		name: "the callee's BYE", only: "udp", lose: func() losing { return once("BYE", true) },
		peer: script{invited(), trying(), ringing(), answer(), bye()},
		ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/BYE",
	}))
}
