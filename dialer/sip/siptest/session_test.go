package siptest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// The shortest session there is takes 90 seconds, of which half pass until we refresh it, and two thirds until it is
// over.
func TestSessions(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	const (
		byUs   = "Session-Expires: 90;refresher=uac"
		byThem = "Session-Expires: 90;refresher=uas"
		update = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE"
	)
	reinvited := steps(
		expectAs("AGAIN", "INVITE"), replyTo("AGAIN", 200, "OK", sdp, contact, byUs), expect("ACK"),
	)
	play(t, []scenario{
		{
			name: "we refresh by UPDATE",
			peer: script{invited(), answer(byUs, update), expect("UPDATE"), ok(contact, byUs), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK UPDATE 200/BYE",
			check: func(t *testing.T, a *act) {
				require.Equal(t, "90;refresher=uac", of(t, a.trace, "UPDATE", 0).head["session-expires"])
			},
		},
		{
			name: "we refresh by re-INVITE",
			peer: script{invited(), answer(byUs, "Allow: INVITE, ACK, BYE, CANCEL"), reinvited, bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK INVITE ACK 200/BYE",
		},
		{
			name: "UPDATE is not allowed after all",
			peer: script{
				invited(), answer("Session-Expires: 4;refresher=uac", update),
				expect("UPDATE"), say(405, "Method Not Allowed"), reinvited, bye(),
			},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK UPDATE INVITE ACK 200/BYE",
		},
		{
			name: "our refresh is answered with 481",
			peer: script{
				invited(), answer(byUs, update), expect("UPDATE"), say(481, "Call/Transaction Does Not Exist"), hungUp(),
			},
			ends: dialer.ClientDisconnected, connected: true, hears: "INVITE ACK UPDATE BYE",
		},
		{
			name: "they refresh",
			peer: script{
				invited(), answer(byThem, update), pause(1000),
				request("UPDATE", 200, "", "Supported: timer", "Session-Expires: 90;refresher=uac"), bye(),
			},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/UPDATE 200/BYE",
			check: func(t *testing.T, a *act) {
				require.Equal(t, "90;refresher=uac", of(t, a.trace, "200/UPDATE", 0).head["session-expires"])
				require.Equal(t, "timer", of(t, a.trace, "200/UPDATE", 0).head["require"])
			},
		},
		{
			name: "they refresh too often",
			peer: script{invited(), answer(), request("UPDATE", 422, "", "Session-Expires: 20"), bye()},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK 422/UPDATE 200/BYE",
			check: func(t *testing.T, a *act) {
				require.Equal(t, "90", of(t, a.trace, "422/UPDATE", 0).head["min-se"])
			},
		},
		{
			name: "they do not refresh",
			peer: script{invited(), answer(byThem), hungUp()},
			ends: dialer.ClientDisconnected, connected: true, hears: "INVITE ACK BYE",
		},
		{
			name:  "too short an interval",
			trunk: func(t *sip.Trunk) { t.SessionInterval = 90 * time.Second },
			peer: script{
				invited(), refuse(422, "Session Interval Too Small", "Min-SE: 120"), invited(), answer(), bye(),
			},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK INVITE ACK 200/BYE",
			check: func(t *testing.T, a *act) {
				require.Equal(t, "90", of(t, a.trace, "INVITE", 0).head["session-expires"])
				require.Equal(t, "120", of(t, a.trace, "INVITE", 1).head["session-expires"])
				require.Equal(t, "120", of(t, a.trace, "INVITE", 1).head["min-se"])
			},
		},
	})
}
