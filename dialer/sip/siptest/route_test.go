package siptest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	const here = "[local_ip]:[local_port];transport=[transport]"
	play(t, []scenario{
		{
			name: "loose",
			peer: script{invited(), answer("Record-Route: <sip:" + here + ";lr>, <sip:far.example;lr>"), hungUp()},
			do:   hangUpWhen(dialer.Connected, dialer.AgentHangup),
			ends: dialer.AgentHangup, connected: true, hears: "INVITE ACK BYE",
			check: func(t *testing.T, a *act) {
				for _, kind := range []string{"ACK", "BYE"} {
					m := of(t, a.trace, kind, 0)
					require.Contains(t, m.first, " sip:carrier@127.0.0.1:")
					// In reverse order, so that the nearest is the last that was recorded.
					require.Regexp(t, `^<sip:far\.example;lr>`, m.head["route"])
				}
			},
			// The nearest has to be one that can be found.
			trunk: func(t *sip.Trunk) { t.SameAddress = true },
		},
		{
			name: "loose over one proxy",
			peer: script{invited(), answer("Record-Route: <sip:" + here + ";lr>"), hungUp()},
			do:   hangUpWhen(dialer.Connected, dialer.AgentHangup),
			ends: dialer.AgentHangup, connected: true, hears: "INVITE ACK BYE",
			check: func(t *testing.T, a *act) {
				require.Contains(t, of(t, a.trace, "BYE", 0).first, " sip:carrier@127.0.0.1:")
				require.Contains(t, of(t, a.trace, "BYE", 0).head["route"], ";lr>")
			},
		},
		{
			name: "strict",
			peer: script{invited(), answer("Record-Route: <sip:strict@" + here + ">"), hungUp()},
			do:   hangUpWhen(dialer.Connected, dialer.AgentHangup),
			ends: dialer.AgentHangup, connected: true, hears: "INVITE ACK BYE",
			check: func(t *testing.T, a *act) {
				for _, kind := range []string{"ACK", "BYE"} {
					m := of(t, a.trace, kind, 0)
					require.Contains(t, m.first, " sip:strict@127.0.0.1:") // RFC 3261, section 12.2.1.1
					require.Contains(t, m.head["route"], "<sip:carrier@127.0.0.1:")
				}
			},
		},
		{
			name: "the callee moves",
			peer: script{
				invited(), answer(),
				func(w *scene) {
					w.cseq++
					w.send(true, []string{
						"INVITE [$target] SIP/2.0", "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]",
						"From:[$INVITETo]" + ourTag, "To:[$INVITEFrom]", "Call-ID: [call_id]", "CSeq: 1 INVITE",
						"Max-Forwards: 70", "Contact: <sip:moved@" + here + ">",
					}, sdp)
				},
				response(200), acknowledge(""), hungUp(),
			},
			do:   hangUpOnceHeld,
			ends: dialer.AgentHangup, connected: true, hears: "INVITE ACK 200/INVITE BYE",
			check: func(t *testing.T, a *act) {
				require.Contains(t, of(t, a.trace, "BYE", 0).first, " sip:moved@127.0.0.1:")
			},
		},
		{
			name: "the largest INVITE for UDP", only: "tcp", // SIPp listens where the INVITE goes in the end
			peer:   script{invited(), answer(), bye()},
			trunk:  func(t *sip.Trunk) { t.Transport = sip.UDP },
			config: func(c *sip.Config) { c.Headers = map[string]string{"note": "X-Note"} },
			call:   func(c *dialer.Call) { c.Metadata = []byte(`{"note":"` + strings.Repeat("x", 1000) + `"}`) },
			ends:   dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/BYE",
			check: func(t *testing.T, a *act) {
				require.Contains(t, of(t, a.trace, "INVITE", 0).head["via"], "SIP/2.0/TCP")
				require.Contains(t, of(t, a.trace, "INVITE", 0).head["contact"], "transport=tcp")
			},
		},
		{
			name: "an INVITE above the limit stays on UDP by option", only: "udp",
			peer:   script{invited(), answer(), bye()},
			trunk:  func(t *sip.Trunk) { t.LargeOverUDP = true },
			config: func(c *sip.Config) { c.Headers = map[string]string{"note": "X-Note"} },
			call:   func(c *dialer.Call) { c.Metadata = []byte(`{"note":"` + strings.Repeat("x", 1000) + `"}`) },
			ends:   dialer.ClientHangup, connected: true, hears: "INVITE ACK 200/BYE",
		},
	})
}
