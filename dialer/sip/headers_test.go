package sip_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// inviteOf is the INVITE of a call over such a trunk.
func inviteOf(t *testing.T, change func(*sip.Trunk), call dialer.Call, headers map[string]string) *message {
	t.Helper()
	p := newPeer(t, "udp", answers)
	trunk := trunkTo(p)
	change(&trunk)
	begin(t, newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunk}, Headers: headers}), call).ends(dialer.ClientHangup)
	p.balanced()
	return p.only().first
}

func TestInvite(t *testing.T) {
	t.Parallel()
	m := inviteOf(t, func(trunk *sip.Trunk) { trunk.Domain = "carrier.test" }, callTo(callee), nil)
	require.Equal(t, "sip:+14155550123@carrier.test", m.uri())
	require.Equal(t, "<sip:+14155550123@carrier.test>", m.get("To"))
	require.Equal(t, "<sip:+442071838750@carrier.test>;tag="+m.fromTag(), m.get("From"))
	require.Contains(t, m.get("Contact"), "<sip:+442071838750@127.0.0.1:")
	require.Equal(t, "70", m.get("Max-Forwards"))
	require.Equal(t, "application/sdp", m.get("Content-Type"))
	require.Equal(t, "outdial", m.get("User-Agent"))
	require.Contains(t, m.body, "m=audio")
	require.Contains(t, m.get("Via"), ";rport")
	require.Empty(t, m.get("P-Asserted-Identity")+m.get("Privacy")+m.get("Session-Expires"))
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	m := inviteOf(t, func(trunk *sip.Trunk) {
		trunk.Identity, trunk.DisplayName = sip.Asserted, `Zoë "Z" \ Co`
		trunk.WithoutPlus, trunk.Prefix = true, "9911"
	}, callTo(callee), nil)
	require.Equal(t, "sip:991114155550123@127.0.0.1", m.uri())
	require.Equal(t, `"Zoë \"Z\" \\ Co" <sip:442071838750@127.0.0.1>`, m.get("P-Asserted-Identity"))
	require.True(t, strings.HasPrefix(m.get("From"), `"Zoë \"Z\" \\ Co" <sip:442071838750@127.0.0.1>;tag=`), m.get("From"))
}

func TestPrivacy(t *testing.T) {
	t.Parallel()
	m := inviteOf(t, func(trunk *sip.Trunk) { trunk.Identity, trunk.Private = sip.Asserted, true }, callTo(callee), nil)
	require.Equal(t, "id", m.get("Privacy"))
	require.True(t, strings.HasPrefix(m.get("From"), `"Anonymous" <sip:anonymous@anonymous.invalid>;tag=`), m.get("From"))
	require.Contains(t, m.get("P-Asserted-Identity"), string(caller))
	require.NotContains(t, m.get("Contact"), string(caller))
}

func TestMetadataInHeaders(t *testing.T) {
	t.Parallel()
	call := callTo(callee)
	call.Metadata = json.RawMessage(`{"campaign": "spring; \"a\"", "tier": 3, "vip": true, "none": null, "other": "secret", "deep": {"a": 1}}`)
	m := inviteOf(t, func(*sip.Trunk) {}, call, map[string]string{
		"campaign": "X-Campaign", "tier": "X-Tier", "vip": "X-VIP", "none": "X-None", "absent": "X-Absent",
	})
	require.Equal(t, `spring; "a"`, m.get("X-Campaign"))
	require.Equal(t, "3", m.get("X-Tier"))
	require.Equal(t, "true", m.get("X-VIP"))
	require.Empty(t, m.get("X-None")+m.get("X-Absent"))
	require.NotContains(t, m.raw, "secret")
}

func TestInjectionIsRefused(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", answers)
	d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Headers: map[string]string{"note": "X-Note"}})
	calls := []dialer.Call{callTo("+1415\r\nX: y"), callTo("+1415@evil"), callTo("+1415;x=y"), callTo("")}
	for _, from := range []dialer.Phone{"+44\nX: y", "+44\x00", "+44 20", "<sip:x>"} {
		call := callTo(callee)
		call.From = from
		calls = append(calls, call)
	}
	for _, note := range []string{"a\r\nX: y", "a\nb", "a\rb", "a\x00b", "a\x7fb", strings.Repeat("x", 2000), "[1]"} {
		call := callTo(callee)
		value, err := json.Marshal(note)
		require.NoError(t, err)
		if note == "[1]" {
			value = []byte(note)
		}
		call.Metadata = json.RawMessage(`{"note": ` + string(value) + `}`)
		calls = append(calls, call)
	}
	for _, call := range calls {
		r := begin(t, d, call).over()
		require.ErrorIs(t, r.err, dialer.ErrNotPlaced)
		require.NotContains(t, r.err.Error(), "1415")
	}
	require.Zero(t, p.placed())
}

func TestAdvertisedAddress(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) { l.ring(); l.reply(l.first, 486, "Busy Here") })
	d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Advertise: "pbx.example:5999"})
	begin(t, d, callTo(callee)).ends(dialer.DialBusy)
	require.Contains(t, p.only().first.get("Via"), " pbx.example:5999;")
	require.Contains(t, p.only().first.get("Contact"), "@pbx.example:5999>")
}

func TestIdentityHeaders(t *testing.T) {
	t.Parallel()
	const uri = "<sip:+442071838750@127.0.0.1>"
	for identity, c := range map[sip.Identity]struct{ name, plain, private string }{
		sip.Asserted:    {"P-Asserted-Identity", uri, uri},
		sip.Preferred:   {"P-Preferred-Identity", uri, uri},
		sip.RemoteParty: {"Remote-Party-ID", uri + ";party=calling;screen=yes;privacy=off", uri + ";party=calling;screen=yes;privacy=full"},
	} {
		for private, want := range map[bool]string{false: c.plain, true: c.private} {
			m := inviteOf(t, func(trunk *sip.Trunk) { trunk.Identity, trunk.Private = identity, private }, callTo(callee), nil)
			require.Equal(t, want, m.get(c.name))
		}
	}
}

func TestAnAccountInFrom(t *testing.T) {
	t.Parallel()
	m := inviteOf(t, func(trunk *sip.Trunk) {
		trunk.FromUser, trunk.FromDomain, trunk.Identity, trunk.UserPhone = "line7", "accounts.test", sip.Asserted, true
	}, callTo(callee), nil)
	require.Equal(t, "sip:+14155550123@127.0.0.1;user=phone", m.uri())
	require.Equal(t, "<sip:+14155550123@127.0.0.1;user=phone>", m.get("To"))
	require.Equal(t, "<sip:line7@accounts.test>;tag="+m.fromTag(), m.get("From"))
	require.Contains(t, m.get("Contact"), "<sip:line7@127.0.0.1:")
	require.Equal(t, "<sip:+442071838750@accounts.test;user=phone>", m.get("P-Asserted-Identity"))
}

func TestPrefixWithNumberSign(t *testing.T) {
	t.Parallel()
	m := inviteOf(t, func(trunk *sip.Trunk) { trunk.Prefix = "99#" }, callTo(callee), nil)
	require.Equal(t, "sip:99%23+14155550123@127.0.0.1", m.uri())
}

func TestProxy(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			asked := make(chan *message, 1)
			p := newPeer(t, transport, func(l *leg) {
				l.ring()
				l.expect("CANCEL")
			})
			p.optionsAt(func(m *message) {
				m.answer(m.response(200, "OK", "x", nil, ""))
				asked <- m
			})
			trunk := trunkTo(p)
			trunk.Host, trunk.Port, trunk.Proxy = "carrier.test", 0, p.addr()
			d := newDialer(t, trunk) // whose resolver knows no such name
			require.NoError(t, d.Probe(t.Context()))
			r := begin(t, d, callTo(callee)).reaches(dialer.Ringing)
			r.cancel(nil)
			r.ends(dialer.APICancelled)
			route := "<sip:" + p.addr() + ";lr"
			if transport != "udp" {
				route += ";transport=" + transport
			}
			require.Eventually(t, func() bool { return len(p.only().saw()) > 1 }, patience, time.Millisecond)
			for _, m := range []*message{p.only().first, <-asked} {
				require.Equal(t, route+">", m.get("Route"))
				require.True(t, strings.HasSuffix(m.uri(), "carrier.test"), m.uri())
			}
		})
	}
}

func TestOurOwnIDOfTheCall(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", answers)
	d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, CallHeader: "X-Call"})
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, "call-1", p.only().first.get("X-Call"))
	call := callTo(callee)
	call.ID = "a\r\nb"
	require.ErrorIs(t, begin(t, d, call).over().err, dialer.ErrNotPlaced)
}
