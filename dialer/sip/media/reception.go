package media

import (
	"errors"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
)

// reception is what a receiver report says of the stream that is received (RFC 3550, section 6.4.1 and
// appendix A.3). It is not safe for concurrent use.
type reception struct {
	started  bool
	ssrc     uint32
	base     uint32 // the first sequence number
	highest  uint32 // with the wraps of it in the upper half
	received uint32

	expectedBefore, receivedBefore uint32 // at the last report

	lastReport uint32 // the middle of the time in the peer's last sender report
	lastAt     time.Time
}

// packet notes a packet of the stream that is received.
func (r *reception) packet(p packet) {
	if !r.started || p.ssrc != r.ssrc {
		*r = reception{started: true, ssrc: p.ssrc, base: uint32(p.sequence), highest: uint32(p.sequence)}
	}
	ahead := int16(p.sequence - uint16(r.highest)) //nolint:gosec // the distance in a circle
	switch {
	case ahead > maxJump || ahead < -maxBack: // a sender that began anew with the same number
		*r = reception{started: true, ssrc: p.ssrc, base: uint32(p.sequence), highest: uint32(p.sequence)}
	case ahead > 0:
		r.highest += uint32(ahead)
	}
	r.received++
}

// sent notes a sender report of the peer's.
func (r *reception) sent(report *rtcp.SenderReport, at time.Time) {
	r.lastReport, r.lastAt = middle(report.NTPTime), at
}

// report is what there is to say of it, and begins the time until the next report.
func (r *reception) report(j *jitter, at time.Time) []rtcp.ReceptionReport {
	if !r.started {
		return nil
	}
	const most = 1<<23 - 1
	expected := r.highest - r.base + 1
	report := rtcp.ReceptionReport{
		SSRC: r.ssrc, LastSequenceNumber: r.highest, Jitter: uint32(j.estimated), LastSenderReport: r.lastReport,
		TotalLost: uint32(min(max(int64(expected)-int64(r.received), 0), most)),
	}
	missing := int64(expected-r.expectedBefore) - int64(r.received-r.receivedBefore)
	if since := int64(expected - r.expectedBefore); since > 0 && missing > 0 {
		report.FractionLost = uint8(min(missing<<8/since, 255)) //nolint:gosec,mnd // of 8 bits
	}
	r.expectedBefore, r.receivedBefore = expected, r.received
	if !r.lastAt.IsZero() {
		report.Delay = fraction(at.Sub(r.lastAt))
	}
	return []rtcp.ReceptionReport{report}
}

// told is what the peer says of our stream.
type told struct {
	known  bool
	lost   int           // packets
	jitter time.Duration // of their arrival
	trip   time.Duration // there and back; 0: not known
}

func (t *told) take(reports []rtcp.ReceptionReport, ours uint32, at time.Time) {
	for _, report := range reports {
		if report.SSRC != ours {
			continue
		}
		const negative = 1 << 23 // duplicates may make it less than nothing
		t.known, t.lost = true, int(report.TotalLost)
		if t.lost >= negative {
			t.lost = 0
		}
		t.jitter = time.Duration(report.Jitter) * time.Second / SampleRate
		if report.LastSenderReport == 0 {
			continue
		}
		took := middle(ntp(at)) - report.LastSenderReport - report.Delay
		if trip := time.Duration(took) * time.Second >> 16; trip < longestTrip { //nolint:mnd // parts of 65536
			t.trip = max(trip, time.Microsecond)
		}
	}
}

// longestTrip is longer than any way there and back. A clock that was set makes one up.
const longestTrip = 10 * time.Second

// ntp is the time as RFC 3550, section 4, has it: seconds since 1900 and parts of 2^32.
func ntp(at time.Time) uint64 {
	const since1900, nano = 2208988800, 1_000_000_000
	seconds := uint64(at.Unix() + since1900)                         //nolint:gosec // after 1900
	return seconds<<32 | uint64(at.Nanosecond())<<32/nano&0xffffffff //nolint:gosec,mnd // of 32 bits each
}

// middle is 16 bits of the seconds and 16 of the parts.
func middle(ntp uint64) uint32 { return uint32(ntp >> 16) } //nolint:gosec,mnd // meant so

// fraction is a time in parts of 65536 of a second.
func fraction(d time.Duration) uint32 { return uint32(d << 16 / time.Second) } //nolint:gosec,mnd // of 32 bits

// isControl tells RTCP from RTP where both come to one port (RFC 5761, section 4).
func isControl(datagram []byte) bool {
	const first, last = 192, 223
	return len(datagram) > 1 && datagram[1] >= first && datagram[1] <= last
}

var errControl = errors.New("no report")

// takeControl takes RTCP from the network. It is a sign of life, as media is, since a peer may send no
// media in a pause of the callee.
func (r *receiver) takeControl(datagram []byte, from netip.AddrPort, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.active || !r.source.isHost(from) {
		return
	}
	packets, err := r.parseControl(datagram)
	if err != nil {
		return
	}
	r.quiet = 0
	r.controlFrom = from
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			r.reception.sent(p, at)
			r.told.take(p.Reports, r.ours, at)
		case *rtcp.ReceiverReport:
			r.told.take(p.Reports, r.ours, at)
		}
	}
}

// parseControl wants what RFC 3550, appendix A.2, wants.
func (r *receiver) parseControl(datagram []byte) ([]rtcp.Packet, error) {
	if r.decrypt != nil {
		plain, err := r.decrypt.DecryptRTCP(nil, datagram, nil)
		if err != nil {
			return nil, err
		}
		datagram = plain
	}
	packets, err := rtcp.Unmarshal(datagram)
	if err != nil {
		return nil, err
	}
	switch packets[0].(type) {
	case *rtcp.SenderReport, *rtcp.ReceiverReport:
		return packets, nil
	}
	return nil, errControl
}

// report is what our next report says of what is received, and where it goes.
func (r *receiver) report(at time.Time) (reports []rtcp.ReceptionReport, to netip.AddrPort, isMuxed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to = r.control
	switch {
	case r.isMuxed:
		to = r.source.destination()
	case r.controlFrom.IsValid():
		to = r.controlFrom
	}
	return r.reception.report(&r.jitter, at), to, r.isMuxed
}
