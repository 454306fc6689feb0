package bridge_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
	"github.com/zaf/g711"

	"github.com/outdial/outdial/dialer/sip/bridge"
	"github.com/outdial/outdial/dialer/sip/media"
)

// phone is the callee's side of a call: RTP, with PCMA.
type phone struct {
	t    *testing.T
	conn *net.UDPConn
	to   netip.AddrPort
	next rtp.Header
}

func (p *phone) say(hertz float64, from, n int) {
	for i := from; i < from+n; i++ {
		payload := make([]byte, 160)
		for j := range payload {
			payload[j] = g711.EncodeAlawFrame(tone(hertz, i*160+j))
		}
		datagram, err := (&rtp.Packet{Header: p.next, Payload: payload}).Marshal()
		require.NoError(p.t, err)
		p.next.SequenceNumber++
		p.next.Timestamp += 160
		_, err = p.conn.WriteToUDPAddrPort(datagram, p.to)
		require.NoError(p.t, err)
	}
}

// hear waits for a frame.
func (p *phone) hear() (samples []int16, header rtp.Header) {
	p.t.Helper()
	buffer := make([]byte, 1500)
	require.NoError(p.t, p.conn.SetReadDeadline(time.Now().Add(patience)))
	n, err := p.conn.Read(buffer)
	require.NoError(p.t, err)
	var packet rtp.Packet
	require.NoError(p.t, packet.Unmarshal(buffer[:n]))
	for _, b := range packet.Payload {
		samples = append(samples, g711.DecodeAlawFrame(b))
	}
	return samples, packet.Header
}

// drain forgets what has arrived.
func (p *phone) drain() {
	p.t.Helper()
	buffer := make([]byte, 1500)
	for {
		require.NoError(p.t, p.conn.SetReadDeadline(time.Now().Add(time.Millisecond)))
		if _, err := p.conn.Read(buffer); err != nil {
			return
		}
	}
}

const loud = 8000

func tone(hertz float64, at int) int16 {
	return int16(loud * math.Sin(2*math.Pi*hertz*float64(at)/8000))
}

// level is how much of a tone is in the samples, from 0 to about 1 (Goertzel's algorithm).
func level(samples []int16, hertz float64) float64 {
	w := 2 * math.Cos(2*math.Pi*hertz/8000)
	var a, b float64
	for _, s := range samples {
		a, b = float64(s)+w*a-b, a
	}
	return 2 * math.Sqrt(max(a*a+b*b-w*a*b, 0)) / float64(len(samples)) / loud
}

// dial answers a call of h, to an agent at that URL.
func dial(t *testing.T, h media.Handler, url string) (*phone, media.Session, <-chan error) {
	t.Helper()
	s, err := h.Open(t.Context(), aCall(url))
	require.NoError(t, err)
	p := phoneOf(t, s)
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel(media.HungUp())
		require.NoError(t, s.Close())
		require.NoError(t, p.conn.Close())
	})
	return p, s, ended
}

// phoneOf answers the offer of a session.
func phoneOf(t *testing.T, s media.Session) *phone {
	t.Helper()
	offer, err := s.Offer()
	require.NoError(t, err)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	port, err := strconv.ParseUint(regexp.MustCompile(`m=audio (\d+)`).FindStringSubmatch(string(offer))[1], 10, 16)
	require.NoError(t, err)
	p := &phone{
		t: t, conn: conn, to: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)),
		next: rtp.Header{Version: 2, PayloadType: 8, SSRC: 1},
	}
	answer := fmt.Sprintf("v=0\r\no=p 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
		"m=audio %d RTP/AVP 8\r\n", conn.LocalAddr().(*net.UDPAddr).Port)
	require.NoError(t, s.Answer([]byte(answer), false))
	return p
}

func handler(t *testing.T, first uint16) media.Handler {
	t.Helper()
	h, err := media.RTP(media.Config{
		Agent: bridge.WebSocket(bridge.Config{}), IP: netip.MustParseAddr("127.0.0.1"),
		ListenIP: netip.MustParseAddr("127.0.0.1"), Ports: media.PortRange{First: first, Last: first + 499},
	})
	require.NoError(t, err)
	return h
}

// TestACall is a whole one: RTP with A-law on one side, a WebSocket with mu-law on the other.
func TestACall(t *testing.T) {
	server := serve(t)
	p, session, ended := dial(t, handler(t, 42000), server.url)
	s := &stream{t: t, conn: <-server.conns}
	require.Equal(t, "connected", s.read().Event)
	s.start = s.read()
	s.sid = s.start.StreamSid

	p.say(440, 0, 10)
	for heard := 0; heard < 9; {
		if m := s.read(); m.Event == "media" && level(pcm(m.Media.Payload), 440) > 0.9 {
			heard++
		}
	}

	say := func(hertz float64, seconds int) {
		audio := make([]byte, seconds*8000)
		for i := range audio {
			audio[i] = g711.EncodeUlawFrame(tone(hertz, i))
		}
		s.say(audio)
	}
	say(620, 60)
	for heard := 0; heard < 10; {
		if samples, _ := p.hear(); level(samples, 620) > 0.9 {
			heard++
		}
	}

	s.write(`{"event":"mark","mark":{"name":"never heard"}}`)
	s.write(`{"event":"clear"}`)
	for s.read().Event != "mark" { //nolint:revive // until the clear was carried out
	}
	p.drain()
	loudFrames := 0
	for range 20 {
		if samples, _ := p.hear(); level(samples, 620) > 0.1 {
			loudFrames++
		}
	}
	require.LessOrEqual(t, loudFrames, 2, "at most 40 ms of the agent are heard after a clear")

	p.drain()
	say(880, 1)
	require.NoError(t, s.conn.Close(websocket.StatusNormalClosure, ""))
	heard := 0
	for heard < 50 {
		if samples, _ := p.hear(); level(samples, 880) > 0.9 {
			heard++
		}
	}
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(patience):
		require.FailNow(t, "the call goes on though the agent has hung up and was heard")
	}
	details := session.Details()
	require.Equal(t, "PCMA", details["media_codec"])
	require.Equal(t, "10", details["media_packets_received"])
	require.NotEmpty(t, details["media_agent_first_audio_ms"])
}

func pcm(mulaw []byte) []int16 {
	samples := make([]int16, len(mulaw))
	for i, b := range mulaw {
		samples[i] = g711.DecodeUlawFrame(b)
	}
	return samples
}
