package media_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
	"github.com/zaf/g711"
)

// got is a packet that the peer received.
type got struct {
	rtp.Packet

	at   time.Time
	from netip.AddrPort
}

// peer is the other side of a call: a socket, and whatever the test has it do.
type peer struct {
	t    testing.TB
	conn *net.UDPConn
	to   netip.AddrPort // where the session listens
	port int

	header  rtp.Header // of the next packet
	done    sync.WaitGroup
	got     chan got
	mu      sync.Mutex                   // guards open and raws
	told    chan report                  // RTCP
	raws    chan<- []byte                // the same, as it came; nil: nobody looks
	control *net.UDPConn                 // for RTCP; nil: conn
	theirs  []byte                       // the session's key for SRTP
	open    func([]byte) ([]byte, error) // decrypts; nil: plain
	seal    func([]byte) ([]byte, error) // encrypts; nil: plain
}

func newPeer(tb testing.TB) *peer {
	tb.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(tb, err)
	p := &peer{
		t: tb, conn: conn, port: conn.LocalAddr().(*net.UDPAddr).Port, got: make(chan got, 4096), told: make(chan report, 64),
		header: rtp.Header{Version: 2, SSRC: 4711, SequenceNumber: 65500, Timestamp: math.MaxUint32 - 800},
	}
	p.done.Go(p.read)
	tb.Cleanup(func() {
		conn.Close()
		p.done.Wait()
	})
	return p
}

func (p *peer) read() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		datagram := append([]byte(nil), buffer[:n]...)
		p.mu.Lock()
		open, raws := p.open, p.raws
		p.mu.Unlock()
		isControl := n > 1 && datagram[1] >= 192 && datagram[1] <= 223
		switch {
		case isControl && raws != nil:
			select {
			case raws <- datagram:
			default: // nobody listens
			}
			continue
		case isControl:
			p.hearReport(datagram)
			continue
		case open != nil:
			if datagram, err = open(datagram); err != nil {
				continue
			}
		}
		g := got{at: time.Now(), from: from}
		if g.Unmarshal(datagram) == nil {
			p.got <- g
		}
	}
}

// packet waits for a packet.
func (p *peer) packet() got {
	p.t.Helper()
	select {
	case g := <-p.got:
		return g
	case <-time.After(patience):
		require.FailNow(p.t, "no packet came")
		return got{}
	}
}

// audio waits for n packets of audio and returns their samples.
func (p *peer) audio(n int) []int16 {
	p.t.Helper()
	var samples []int16
	for len(samples) < n*160 {
		samples = append(samples, pcm(p.packet())...)
	}
	return samples
}

func pcm(g got) []int16 {
	samples := make([]int16, 0, len(g.Payload))
	for _, b := range g.Payload {
		switch g.PayloadType {
		case 0:
			samples = append(samples, g711.DecodeUlawFrame(b))
		case 8:
			samples = append(samples, g711.DecodeAlawFrame(b))
		}
	}
	return samples
}

// drain forgets what was received.
func (p *peer) drain() {
	for {
		select {
		case <-p.got:
		default:
			return
		}
	}
}

// write sends a packet with the next numbers.
func (p *peer) write(number uint8, payload []byte) {
	h := p.header
	h.PayloadType = number
	p.header.SequenceNumber++
	p.header.Timestamp += uint32(len(payload))
	p.writePacket(rtp.Packet{Header: h, Payload: payload})
}

func (p *peer) writePacket(packet rtp.Packet) {
	datagram, err := packet.Marshal()
	require.NoError(p.t, err)
	if p.seal != nil {
		datagram, err = p.seal(datagram)
		require.NoError(p.t, err)
	}
	p.raw(datagram)
}

func (p *peer) raw(datagram []byte) {
	_, err := p.conn.WriteToUDPAddrPort(datagram, p.to)
	require.NoError(p.t, err)
}

// say sends n frames of a tone, at once.
func (p *peer) say(number uint8, hertz float64, n int) {
	for i := range n {
		payload := make([]byte, 160)
		for j := range payload {
			sample := tone(hertz, i*160+j)
			if payload[j] = g711.EncodeUlawFrame(sample); number == 8 {
				payload[j] = g711.EncodeAlawFrame(sample)
			}
		}
		p.write(number, payload)
	}
}

// press sends a key as RFC 4733 has it, with each packet twice.
func (p *peer) press(event byte) {
	h := p.header
	h.PayloadType, h.Marker = 101, true
	for i := range 5 {
		payload := []byte{event, 10, 0, 0}
		binary.BigEndian.PutUint16(payload[2:], uint16(min(i+1, 3)*160))
		if i >= 3 {
			payload[1] |= 0x80
		}
		h.SequenceNumber = p.header.SequenceNumber
		p.header.SequenceNumber++
		p.writePacket(rtp.Packet{Header: h, Payload: payload})
		p.writePacket(rtp.Packet{Header: h, Payload: payload})
		h.Marker = false
	}
	p.header.Timestamp += 3 * 160
}

// sdp is a description of the peer's, with lines of attributes.
func (p *peer) sdp(formats string, attributes ...string) []byte {
	return description("127.0.0.1", p.port, "RTP/AVP", formats, attributes...)
}

func description(ip string, port int, profile, formats string, attributes ...string) []byte {
	s := fmt.Sprintf("v=0\r\no=peer 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d %s %s\r\n",
		ip, ip, port, profile, formats)
	for _, a := range attributes {
		s += "a=" + a + "\r\n"
	}
	return []byte(s)
}

// aim takes from our description where to send.
func (p *peer) aim(offer []byte) {
	p.t.Helper()
	m := regexp.MustCompile(`m=audio (\d+) `).FindSubmatch(offer)
	require.NotNil(p.t, m, "%s", offer)
	port, err := strconv.ParseUint(string(m[1]), 10, 16)
	require.NoError(p.t, err)
	p.to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
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
	power := a*a + b*b - w*a*b
	return 2 * math.Sqrt(max(power, 0)) / float64(len(samples)) / loud
}

func isSilent(samples []int16) bool {
	for _, s := range samples {
		if s > 100 || s < -100 {
			return false
		}
	}
	return true
}
