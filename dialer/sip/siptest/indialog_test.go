package siptest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// reliable is a provisional response that wants a PRACK (RFC 3262).
func reliable(number, body string) step {
	return replyTo("INVITE", 183, "Session Progress", body, "Require: 100rel", "RSeq: "+number)
}

func TestRequestsInTheCall(t *testing.T) {
	t.Parallel()
	answered := steps(invited(), trying(), ringing(), answer())
	reinvite := func(body string) step { return steps(request("INVITE", 200, body), acknowledge("")) }
	play(t, []scenario{
		{
			name: "PRACK",
			peer: script{invited(), reliable("7", sdp), expect("PRACK"), ok(), answer(), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE PRACK ACK 200/BYE",
			check: func(t *testing.T, a *act) {
				require.Equal(t, "7 1 INVITE", of(t, a.trace, "PRACK", 0).head["rack"])
			},
		},
		{
			name: "PRACK twice, and the description was in the first",
			peer: script{
				invited(), reliable("1", sdp), expect("PRACK"), ok(), reliable("2", ""), expect("PRACK"), ok(),
				replyTo("INVITE", 200, "OK", ""), expect("ACK"), bye(),
			},
			ends: dialer.ClientHangup, connected: true, hears: words("INVITE", "PRACK", "PRACK", "ACK", "200/BYE"),
		},
		{
			name: "OPTIONS and INFO",
			peer: script{answered, request("OPTIONS", 200, ""), request("INFO", 200, ""), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/OPTIONS 200/INFO 200/BYE",
			check: func(t *testing.T, a *act) {
				require.Contains(t, of(t, a.trace, "200/OPTIONS", 0).head["allow"], "BYE")
			},
		},
		{
			name: "a method that is not known",
			peer: script{answered, request("MESSAGE", 405, ""), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 405/MESSAGE 200/BYE",
		},
		{
			name: "an extension that is not known",
			peer: script{answered, request("INFO", 420, "", "Require: telepathy"), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 420/INFO 200/BYE",
			check: func(t *testing.T, a *act) {
				require.Equal(t, "telepathy", of(t, a.trace, "420/INFO", 0).head["unsupported"])
			},
		},
		{
			name: "UPDATE with and without a description",
			peer: script{answered, request("UPDATE", 200, ""), request("UPDATE", 200, sdp), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/UPDATE 200/UPDATE 200/BYE",
			check: func(t *testing.T, a *act) {
				require.NotContains(t, of(t, a.trace, "200/UPDATE", 0).raw, "m=audio")
				require.Contains(t, of(t, a.trace, "200/UPDATE", 1).raw, "m=audio")
			},
		},
		{
			name: "hold and resume",
			peer: script{answered, reinvite(held), reinvite(sdp), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/INVITE 200/INVITE 200/BYE",
		},
		{
			name: "hold, and we hang up",
			peer: script{answered, reinvite(held), hungUp()},
			do:   hangUpOnceHeld,
			ends: dialer.AgentHangup, connected: true, hears: "INVITE ACK 200/INVITE BYE",
		},
		{
			name: "re-INVITE without offer",
			peer: script{answered, request("INVITE", 200, ""), acknowledge(sdp), pause(100), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/INVITE 200/BYE",
			check: func(t *testing.T, a *act) {
				require.Contains(t, of(t, a.trace, "200/INVITE", 0).raw, "m=audio")
			},
		},
		{
			name: "re-INVITE without offer whose ACK has no answer",
			peer: script{answered, request("INVITE", 200, ""), acknowledge(""), hungUp()},
			ends: dialer.Error, connected: true, hears: "INVITE ACK 200/INVITE BYE",
		},
		{
			name: "a second re-INVITE before the first is acknowledged",
			peer: script{
				answered, request("INVITE", 200, held), request("UPDATE", 491, sdp), early(acknowledge("")), bye(),
			},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/INVITE 491/UPDATE 200/BYE",
		},
		{
			name: "BYE with a wrong tag",
			peer: script{answered, stray("BYE", 481, ";tag=wrong"), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 481/BYE 200/BYE",
		},
		{
			name: "BYEs that cross",
			peer: script{answered, expect("BYE"), unanswered("BYE", ""), response(200), ok()},
			call: lasting(300 * time.Millisecond),
			ends: dialer.MaxDuration, connected: true, hears: "INVITE ACK BYE 200/BYE",
		},
		{
			name: "BYE that is not answered",
			peer: script{answered, expect("BYE"), pause(1000)},
			call: lasting(300 * time.Millisecond), do: soon,
			ends: dialer.MaxDuration, connected: true, hears: "INVITE ACK BYE",
		},
		{
			name: "BYE that is answered with 481",
			peer: script{answered, expect("BYE"), say(481, "Call/Transaction Does Not Exist"), pause(300)},
			call: lasting(300 * time.Millisecond),
			ends: dialer.MaxDuration, connected: true, hears: "INVITE ACK BYE",
		},
		{
			name: "BYE that is answered with 100 first",
			peer: script{answered, expect("BYE"), say(100, "Trying"), pause(300), ok()},
			call: lasting(300 * time.Millisecond),
			ends: dialer.MaxDuration, connected: true, hears: "INVITE ACK BYE",
		},
	})
}

// hangUpOnceHeld waits until SIPp has its answer.
func hangUpOnceHeld(a *act) {
	a.received("200/INVITE")
	a.cancel(dialer.HangUp(dialer.AgentHangup))
}

// stray sends a request with another tag of ours in it.
func stray(method string, code int, tag string) step {
	return func(w *scene) {
		w.cseq++
		w.send(true, []string{
			method + " [$target] SIP/2.0",
			"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]",
			"From:[$INVITETo]" + tag, "To:[$INVITEFrom]", "Call-ID: [call_id]",
			"CSeq: " + port(w.cseq) + " " + method, "Max-Forwards: 70", contact,
		}, "")
		response(code)(w)
	}
}

// early writes a step as it had been before the carrier's last request.
func early(s step) step {
	return func(w *scene) {
		w.cseq--
		s(w)
		w.cseq++
	}
}
