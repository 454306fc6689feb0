package media

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// maxDatagram is more than any packet that is sent or taken.
const maxDatagram = 1500

// writeTime is how long the system may take for a packet, so that one call's buffer that is full does not
// hold up the pace of all others for good.
const writeTime = 50 * time.Millisecond

// sender is the way from the agent to the callee. It is safe for concurrent use.
type sender struct {
	conn    *net.UDPConn
	control *net.UDPConn // for RTCP
	name    string       // by which RTCP knows us
	comfort Comfort
	playout *playout

	mu      sync.Mutex
	header  rtp.Header // of the next packet
	audio   format
	events  int            // the payload type of telephone events; -1: not agreed
	encrypt *srtp.Context  // nil: not encrypted
	to      netip.AddrPort // zero: nothing was agreed yet
	mute    bool           // the peer takes no media
	paused  bool           // the last frame was not sent
	keys    pressed
	noise   noise
	buffer  [maxDatagram]byte
	secret  []byte

	sent     int
	octets   int       // of payload
	reported int       // what was sent at the last report
	isFull   bool      // the system did not take the last packet in time
	firstAt  time.Time // when the agent's first frame was sent
}

// newSender begins a stream at random numbers, so that it is not taken for another one
// (RFC 3550, section 5.1). The sequence number begins in the lower half, for SRTP's sake: a peer
// that misses the first packets must not miss that it wrapped (RFC 3711, section 3.3.1).
func newSender(conn, control *net.UDPConn, comfort Comfort) *sender {
	var random [10]byte
	rand.Read(random[:])
	const version, lowerHalf = 2, 0x7fff
	return &sender{
		conn: conn, control: control, name: newName(), comfort: comfort, playout: newPlayout(), events: -1, paused: true,
		header: rtp.Header{
			Version:        version,
			SSRC:           binary.BigEndian.Uint32(random[:]),
			Timestamp:      binary.BigEndian.Uint32(random[4:]),
			SequenceNumber: binary.BigEndian.Uint16(random[8:]) & lowerHalf,
		},
	}
}

// tick sends a frame. skipped is how many should have been sent before it.
func (s *sender) tick(skipped int) {
	for _, played := range s.advance(skipped) {
		played()
	}
}

// advance returns what is to be called now that the frame before it is played.
func (s *sender) advance(skipped int) (marks []func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header.Timestamp += uint32(skipped) * FrameSamples //nolint:gosec // timestamps wrap
	defer func() { s.header.Timestamp += FrameSamples }()
	if s.sendKey() {
		return nil
	}
	var f Frame
	marks, isAgents := s.playout.next(&f)
	if !isAgents && s.comfort == Noise {
		s.noise.frame(&f)
	}
	if s.isMute() || (!isAgents && s.comfort == Nothing) {
		s.paused = true
		return marks
	}
	s.sendAudio(&f)
	if isAgents && s.firstAt.IsZero() {
		s.firstAt = time.Now()
	}
	return marks
}

func (s *sender) isMute() bool { return s.mute || !s.to.IsValid() }

// sendKey says whether a key is being pressed, which takes the place of audio. It waits
// while the peer takes no media.
func (s *sender) sendKey() bool {
	if s.isMute() || s.events < 0 {
		return false
	}
	e, tells, busy := s.keys.next(s.header.Timestamp)
	if !tells {
		s.paused = s.paused || busy
		return busy
	}
	header := s.header
	header.Timestamp, header.Marker = e.timestamp, e.isFirst
	header.PayloadType = uint8(s.events) //nolint:gosec // of 7 bits
	s.send(header, e.payload[:])
	s.paused = true // for the audio's sake, which begins anew after it
	return true
}

// sendAudio marks what comes after a pause (RFC 3551, section 4.1).
func (s *sender) sendAudio(f *Frame) {
	var payload [FrameSamples]byte
	header := s.header
	header.Marker, s.paused = s.paused, false
	header.PayloadType = s.audio.number
	s.send(header, s.audio.codec.encode(payload[:0], f))
}

// send never reports that a packet could not be sent: it is as lost as one that the network
// loses, and inactivity ends a call that has no way.
func (s *sender) send(header rtp.Header, payload []byte) {
	s.header.SequenceNumber++
	n, err := header.MarshalTo(s.buffer[:])
	if err != nil {
		return
	}
	datagram := append(s.buffer[:n], payload...)
	if s.encrypt != nil {
		if s.secret, err = s.encrypt.EncryptRTP(s.secret[:0], datagram, nil); err != nil {
			return
		}
		datagram = s.secret
	}
	if s.write(datagram) == nil {
		s.sent++
		s.octets += len(payload)
	}
}

// write tries twice, unless the packet before was not sent either: the time may also have passed because
// this process got none.
func (s *sender) write(datagram []byte) (err error) {
	for range 2 {
		if err = s.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
		_, err = s.conn.WriteToUDPAddrPort(datagram, s.to)
		if s.isFull || !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	s.isFull = errors.Is(err, os.ErrDeadlineExceeded)
	return err
}

func (s *sender) press(keys string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.events < 0 {
		return ErrNoDTMF
	}
	return s.keys.press(keys)
}

// redirect is where to send from now on.
func (s *sender) redirect(to netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = to
}

// apply begins with what was agreed, but for the address.
func (s *sender) apply(a agreement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.audio, s.events, s.encrypt, s.mute = a.audio, a.events, a.encrypt, a.isMute
}
