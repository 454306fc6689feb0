package sip_test

import (
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

func TestURL(t *testing.T) {
	t.Parallel()
	u, err := url.Parse("sip://acme:s%23cret@carrier.test:5070?transport=tcp&channels=200&cps=20&burst=4&domain=d.test" +
		"&backup=192.0.2.1:5080,[2001:db8::1]:5090,b.test&keepalive=0&session=10m&display=Acme&identity=asserted&private=true" +
		"&plain=true&prefix=99%23&headers=campaign:X-Campaign,tier:X-Tier&redirects=2&large_over_udp=true&same_address=true" +
		"&proxy=edge.test:5062&from_user=line7&from_domain=f.test&user_phone=true&realm=one.test,two.test" +
		"&connect_timeout=1s&silent_after=0&max_rest=1m&auth_rest=0&call_header=X-Call&incoming=403" +
		"&allow=192.0.2.0/24,198.51.100.7&listen=127.0.0.1:0&advertise=pbx.test:5060&media=none")
	require.NoError(t, err)
	config, err := sip.Parse(u)
	require.NoError(t, err)
	first := sip.Trunk{
		Host: "carrier.test", Port: 5070, Transport: sip.TCP, Domain: "d.test", User: "acme", Secret: "s#cret",
		DisplayName: "Acme", Identity: sip.Asserted, Private: true, WithoutPlus: true, Prefix: "99#", KeepAlive: -1,
		Proxy: "edge.test:5062", FromUser: "line7", FromDomain: "f.test", UserPhone: true,
		Realms: []string{"one.test", "two.test"}, ConnectTimeout: time.Second, SilentAfter: -1, MaxRest: time.Minute, AuthRest: -1,
		SessionInterval: 10 * time.Minute, Redirects: 2, LargeOverUDP: true, SameAddress: true,
		Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.7/32")},
	}
	second, third, fourth := first, first, first
	second.Host, second.Port = "192.0.2.1", 5080
	third.Host, third.Port = "2001:db8::1", 5090
	fourth.Host, fourth.Port = "b.test", 0
	require.Equal(t, []sip.Trunk{first, second, third, fourth}, config.Trunks)
	require.Equal(t, dialer.Limits{Channels: 200, CPS: 20, Burst: 4}, config.Limits)
	require.Equal(t, map[string]string{"campaign": "X-Campaign", "tier": "X-Tier"}, config.Headers)
	require.Equal(t, "127.0.0.1:0", config.Listen)
	require.Equal(t, "pbx.test:5060", config.Advertise)
	require.Equal(t, "X-Call", config.CallHeader)
	require.Equal(t, 403, config.Incoming)
	require.Nil(t, config.Media)
}

func TestURLDefaults(t *testing.T) {
	t.Parallel()
	u, err := url.Parse("sips://carrier.test?insecure=true")
	require.NoError(t, err)
	config, err := sip.Parse(u)
	require.NoError(t, err)
	require.True(t, config.Trunks[0].Secure)
	require.True(t, config.Trunks[0].TLS.InsecureSkipVerify)
	require.Equal(t, 30*time.Second, config.Trunks[0].KeepAlive)
	require.Equal(t, 30*time.Minute, config.Trunks[0].SessionInterval)
	require.NotNil(t, config.Media)
	for _, more := range []string{
		"media=rtp", "media=srtp&transport=tls", "media=srtp-preferred&keys_in_clear=true",
		"codecs=PCMA&fixed_source=true&early_media=true&media_timeout=0&media_initial_timeout=1m", "rtp_ports=9000-9999&rtp_ip=192.0.2.1", "agent_token=x",
	} {
		u, err = url.Parse("sip://carrier.test?" + more)
		require.NoError(t, err)
		config, err = sip.Parse(u)
		require.NoError(t, err, more)
		require.NotNil(t, config.Media, more)
	}
}

func TestURLsThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"sip:carrier.test", "sip://", "sip://carrier.test/path", "sip://carrier.test?transport=sctp",
		"sips://carrier.test?transport=udp", "sip://carrier.test?channel=3", "sip://carrier.test?headers=a",
		"sip://carrier.test?headers=a:Via", "sip://carrier.test?headers=a:X-A%0d%0a", "sip://carrier.test?allow=x",
		"sip://carrier.test?backup=x:y", "sip://carrier.test?keepalive=x", "sip://carrier.test?display=a%0d%0aX:%20y",
		"sip://carrier.test?rtp_ports=9000", "sip://carrier.test?rtp_ports=9000-8000", "sip://carrier.test?rtp_ports=a-b",
		"sip://carrier.test?rtp_ip=here", "sip://carrier.test?agent_at_answer=maybe",
		"sip://carrier.test?media=srtp", "sip://carrier.test?media=srtp-preferred&transport=tcp", "sip://carrier.test?codecs=G729",
		"sip://carrier.test?identity=x", "sip://carrier.test?from_user=a%40b", "sip://carrier.test?proxy=a:b", "sip://carrier.test?incoming=200",
		"sip://carrier.test?tls_ca=missing.pem", "sip://carrier.test?tls_cert=missing.pem", "sip://carrier.test?call_header=From",
		"sip://carrier.test?connect_timeout=x", "sip://carrier.test?from_domain=a%3Cb", "sip://carrier.test?headers=a:X-A&call_header=x-a",
		"sip://carrier.test?prefix=a%20b", "sip://carrier.test?media=video", "sip://carrier.test?advertise=a%20b",
		"sip://carrier.test?listen=nonsense", "sip://carrier.test?domain=a%3Cb", "sip://u:topsecret@carrier.test?cps=-1",
	} {
		d, err := dialer.Open(raw)
		require.Error(t, err, raw)
		require.Nil(t, d)
		require.NotContains(t, err.Error(), "topsecret")
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", answers)
	d, err := dialer.Open("sip://" + p.addr() + "?keepalive=0&media=none&listen=127.0.0.1:0")
	require.NoError(t, err)
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, "1800", p.only().first.get("Session-Expires"))
	closer, ok := d.(interface{ Close() error })
	require.True(t, ok)
	require.NoError(t, closer.Close())
	require.NoError(t, closer.Close(), "closing it twice does no harm")
	p.balanced()
}

func TestConfigsThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]sip.Config{
		"no trunk":   {},
		"no host":    {Trunks: []sip.Trunk{{}}},
		"transport":  {Trunks: []sip.Trunk{{Host: "a", Transport: "ws"}}},
		"secure udp": {Trunks: []sip.Trunk{{Host: "a", Secure: true, Transport: sip.UDP}}},
		"port":       {Trunks: []sip.Trunk{{Host: "a", Port: 70000}}},
		"agent":      {Trunks: []sip.Trunk{{Host: "a"}}, UserAgent: "a\r\nb"},
		"two":        {Trunks: []sip.Trunk{{Host: "a"}}, Headers: map[string]string{"a": "X-A", "b": "x-a"}},
		"header":     {Trunks: []sip.Trunk{{Host: "a"}}, Headers: map[string]string{"a": "From"}},
		"advertise":  {Trunks: []sip.Trunk{{Host: "a"}}, Advertise: "<a>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sip.New(config)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "\r")
		})
	}
}
