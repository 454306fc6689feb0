package media

import (
	"crypto/rand"
	"math"
	mathrand "math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
)

// reporting is when the next reports of RTCP are due, in frames.
type reporting struct {
	every int // on average; 0: never
	left  int
}

// newReporting has the first one sent after half of the time (RFC 3550, section 6.2).
func newReporting(every time.Duration) reporting {
	r := reporting{every: frames(every)}
	r.left = (r.every/2 + mathrand.IntN(r.every/2+1)) / 2 //nolint:gosec,mnd // see due
	return r
}

// due is told that a frame has passed. The time between reports is random, so that those of many calls
// that began together do not stay together (RFC 3550, section 6.3.1).
func (r *reporting) due() bool {
	if r.every == 0 {
		return false
	}
	if r.left--; r.left > 0 {
		return false
	}
	r.left = r.every/2 + mathrand.IntN(r.every+1) //nolint:gosec // it spreads load
	return true
}

// report sends a report; last says that none follows.
func (s *session) report(last bool) {
	now := time.Now()
	reports, to, isMuxed := s.receiver.report(now)
	if !to.IsValid() || to.Addr().IsUnspecified() || to.Port() == 0 {
		return
	}
	s.sender.report(reports, to, isMuxed, last, now)
}

// report sends a compound packet: RFC 3550, section 6.1.
func (s *sender) report(reports []rtcp.ReceptionReport, to netip.AddrPort, isMuxed, last bool, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	packets := []rtcp.Packet{s.said(reports, at), rtcp.NewCNAMESourceDescription(s.header.SSRC, s.name)}
	if last {
		packets = append(packets, &rtcp.Goodbye{Sources: []uint32{s.header.SSRC}})
	}
	datagram, err := rtcp.Marshal(packets)
	if err != nil {
		return
	}
	if s.encrypt != nil {
		if datagram, err = s.encrypt.EncryptRTCP(nil, datagram, nil); err != nil {
			return
		}
	}
	conn := s.control
	if isMuxed {
		conn = s.conn
	}
	conn.SetWriteDeadline(time.Now().Add(writeTime)) //nolint:errcheck,gosec // see send
	conn.WriteToUDPAddrPort(datagram, to)            //nolint:errcheck,gosec // see send
}

// said is a sender report, or a receiver report where nothing was sent since the one before (RFC
// 3550, section 6.4).
func (s *sender) said(reports []rtcp.ReceptionReport, at time.Time) rtcp.Packet {
	if s.sent == s.reported {
		return &rtcp.ReceiverReport{SSRC: s.header.SSRC, Reports: reports}
	}
	s.reported = s.sent
	return &rtcp.SenderReport{
		SSRC: s.header.SSRC, NTPTime: ntp(at), RTPTime: s.header.Timestamp - FrameSamples, Reports: reports,
		PacketCount: uint32(s.sent & math.MaxUint32),
		OctetCount:  uint32(s.octets & math.MaxUint32),
	}
}

// newName is a name that says nothing of us: RFC 7022, section 4.2.
func newName() string { return rand.Text() }
