package siptest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
	"github.com/outdial/outdial/dialer/sip/media"
)

// caller's part of a call, for SIPp: it hangs up at once.
const plainCall = `<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="caller">
<send retrans="500"><![CDATA[

INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]C[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:caller@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=caller 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio 9 RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
<recv response="180" optional="true"/>
<recv response="200"/>
<send><![CDATA[

ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]C[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<send retrans="500"><![CDATA[

BYE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]C[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>
</scenario>
`

// The two are compared in rounds of one each, since only what ran in the same minute can be.
func BenchmarkCallsPerSecond(b *testing.B) {
	for _, transport := range []string{"udp", "tcp"} {
		b.Run(transport, func(b *testing.B) {
			const rounds, calls, open = 3, 5000, 200
			var ours, ratios []float64
			for range b.N {
				for range rounds {
					theirs := measure(b, transport, calls, func(c *carrier) { callBySIPp(b, c, calls, open) })
					own := measure(b, transport, calls, func(c *carrier) { callByDialer(b, c, calls, open) })
					ours, ratios = append(ours, own), append(ratios, own/theirs)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(ours), "calls/s")
			b.ReportMetric(median(ratios), "of-SIPp")
		})
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// measure returns the calls per second until the carrier has seen the last one end.
func measure(b *testing.B, transport string, calls int, place func(*carrier)) float64 {
	b.Helper()
	c := newCarrier(b, transport, script{
		seen("INVITE"), echo(180, "Ringing", ""), echo(200, "OK", sdp), seenPerhaps("ACK"), seen("BYE"), echo(200, "OK", ""),
	}, "-m", strconv.Itoa(calls), "-message_file", "/dev/null")
	begun := time.Now()
	place(c)
	require.Zero(b, c.exit(), "%s", c.file("errors"))
	return float64(calls) / time.Since(begun).Seconds()
}

func callBySIPp(b *testing.B, c *carrier, calls, open int) {
	b.Helper()
	folder := b.TempDir()
	scenario := filepath.Join(folder, "scenario.xml")
	require.NoError(b, os.WriteFile(scenario, []byte(plainCall), 0o600))
	p := run(b, folder, sippProgram.path(b), "-sf", scenario, "-t", c.transport[:1]+"1", "-i", "127.0.0.1",
		"-p", port(freePort(b)), "-cp", port(freePort(b)), "-nostdin", "-skip_rlimit", "-buff_size", "4000000",
		"-r", "20000", "-l", strconv.Itoa(open), "-m", strconv.Itoa(calls), "127.0.0.1:"+port(c.port))
	require.Zero(b, p.exit(), "%s", p.file("output"))
}

func callByDialer(b *testing.B, c *carrier, calls, open int) {
	b.Helper()
	d, err := sip.New(sip.Config{Trunks: []sip.Trunk{c.trunk()}, Listen: "127.0.0.1:0", Media: mute{}})
	require.NoError(b, err)
	placeAll(b, d, calls, open, func(n int) (dialer.Call, dialer.EndReason) {
		call := newCall()
		call.ID = strconv.Itoa(n)
		return call, dialer.AgentHangup
	})
	require.NoError(b, d.Close())
}

// mute is the media of an agent that hangs up at once.
type mute struct{}

func (m mute) Open(context.Context, dialer.Call) (media.Session, error) { return m, nil }

func (mute) Offer() ([]byte, error) {
	return []byte("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
		"m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"), nil
}

func (mute) Answer([]byte, bool) error        { return nil }
func (m mute) Reoffer([]byte) ([]byte, error) { return m.Offer() }
func (mute) Run(context.Context) error        { return nil }
func (mute) Details() map[string]string       { return nil }
func (mute) Close() error                     { return nil }
func (mute) Left() <-chan struct{}            { return nil }
func (mute) Key(rune)                         {}
