package siptest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	busy := script{invited(), refuse(486, "Busy Here")}
	play(t, []scenario{
		{
			name: "plain", peer: busy, ends: dialer.DialBusy, hears: "INVITE ACK",
			check: func(t *testing.T, a *act) {
				m := of(t, a.trace, "INVITE", 0)
				require.Equal(t, "INVITE sip:+14155550123@127.0.0.1 SIP/2.0", m.first)
				require.Contains(t, m.head["from"], "<sip:+442071838750@127.0.0.1>;tag=")
				require.Equal(t, "<sip:+14155550123@127.0.0.1>", m.head["to"])
				require.Equal(t, "70", m.head["max-forwards"])
				require.Contains(t, m.head["supported"], "100rel")
				require.Contains(t, m.head["allow"], "UPDATE")
				for _, absent := range []string{"p-asserted-identity", "privacy", "session-expires"} {
					require.NotContains(t, m.head, absent)
				}
			},
		},
		{
			name: "identity", peer: busy, ends: dialer.DialBusy, hears: "INVITE ACK",
			trunk: func(t *sip.Trunk) { t.Identity, t.DisplayName, t.Domain = sip.Asserted, `Acme "A" Ltd`, "acme.example" },
			check: func(t *testing.T, a *act) {
				m := of(t, a.trace, "INVITE", 0)
				require.Equal(t, `"Acme \"A\" Ltd" <sip:+442071838750@acme.example>`, m.head["p-asserted-identity"])
				require.Contains(t, m.head["from"], `"Acme \"A\" Ltd" <sip:+442071838750@acme.example>`)
				require.Equal(t, "INVITE sip:+14155550123@acme.example SIP/2.0", m.first)
			},
		},
		{
			name: "privacy", peer: busy, ends: dialer.DialBusy, hears: "INVITE ACK",
			trunk: func(t *sip.Trunk) { t.Identity, t.Private = sip.Asserted, true },
			check: func(t *testing.T, a *act) {
				m := of(t, a.trace, "INVITE", 0)
				require.Equal(t, "id", m.head["privacy"])
				require.Contains(t, m.head["from"], "<sip:anonymous@anonymous.invalid>")
				require.Contains(t, m.head["p-asserted-identity"], "+442071838750")
				require.NotContains(t, m.head["contact"], "442071838750")
			},
		},
		{
			name: "from metadata", peer: busy, ends: dialer.DialBusy, hears: "INVITE ACK",
			config: func(c *sip.Config) {
				c.Headers = map[string]string{"campaign": "X-Campaign", "tier": "X-Tier", "none": "X-None"}
			},
			call: func(c *dialer.Call) { c.Metadata = []byte(`{"campaign":"spring; 2","tier":3,"secret":"s"}`) },
			check: func(t *testing.T, a *act) {
				m := of(t, a.trace, "INVITE", 0)
				require.Equal(t, "spring; 2", m.head["x-campaign"])
				require.Equal(t, "3", m.head["x-tier"])
				require.NotContains(t, m.head, "x-none")
			},
		},
		{
			name: "numbers as the trunk wants them", peer: busy, ends: dialer.DialBusy, hears: "INVITE ACK",
			trunk: func(t *sip.Trunk) { t.WithoutPlus, t.Prefix = true, "99" },
			check: func(t *testing.T, a *act) {
				m := of(t, a.trace, "INVITE", 0)
				require.Equal(t, "INVITE sip:9914155550123@127.0.0.1 SIP/2.0", m.first)
				require.Contains(t, m.head["from"], "<sip:442071838750@")
			},
		},
		{
			name: "an injected header", peer: busy, fails: dialer.ErrNotPlaced,
			config: func(c *sip.Config) { c.Headers = map[string]string{"campaign": "X-Campaign"} },
			call:   func(c *dialer.Call) { c.Metadata = []byte(`{"campaign":"a\r\nX-Evil: b"}`) },
		},
	})
}
