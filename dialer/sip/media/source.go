package media

import (
	"math"
	"net/netip"
	"time"
)

// source decides whose packets are taken, and where ours go. A peer behind a translator
// of addresses describes an address that is not the one its media comes from, so
// the first one that sends some packets in sequence is believed; but a stranger who
// sends to our ports must not get the call. So the described address has
// precedence whenever it sends, and a source that was believed is never left while it sends. When it has
// fallen silent, who goes on with its stream is followed, a translator having given it another address, and another
// stream only from a host of the peer's: a carrier may move its media without a word. It is not safe for
// concurrent use.
type source struct {
	fixed     bool // only the described address is believed
	authentic bool // whose packets these are is proven, as by SRTP: a stranger has none
	described netip.AddrPort
	locked    netip.AddrPort // where packets are taken from; zero: nowhere yet
	last      packet         // that came from there
	lastAt    time.Time
	taken     int // packets from there

	candidate netip.AddrPort // who else sends
	ssrc      uint32
	sequence  uint16
	run       int // packets of it in sequence
}

const (
	// convincing is how many packets in sequence make a source believed. Strays of another call
	// and scans are shorter.
	convincing = 3

	// convincingElsewhere is the same for another stream, which takes the call over: half a second of it.
	convincingElsewhere = 25

	// settled is how many packets make a source the peer's for good: a second of them. Whoever sent fewer may have been
	// a stray that came first, and must not keep the peer out.
	settled = 50

	// fallenSilent is how long a source that was believed may send nothing before another one
	// can take its place.
	fallenSilent = 500 * time.Millisecond
)

// describe sets the address of the peer's description. The same one again, as in a refresh of
// the session, changes nothing.
func (s *source) describe(at netip.AddrPort) (moved bool) {
	if s.described == at {
		return false
	}
	*s = source{fixed: s.fixed, authentic: s.authentic, described: at}
	return true
}

// admits says whether the packet is taken.
func (s *source) admits(p packet, from netip.AddrPort, at time.Time) bool {
	switch {
	case s.fixed:
		return s.isHost(from)
	case from == s.described, from == s.locked:
	case s.locked.IsValid() && at.Sub(s.lastAt) < fallenSilent:
		return false
	case s.follows(p, from) < s.enough(p, from):
		return false
	}
	if from != s.locked {
		s.taken = 0
	}
	s.locked, s.lastAt = from, at
	s.last.ssrc, s.last.sequence = p.ssrc, p.sequence
	s.taken++
	return true
}

// isHost says whether the address is one of the peer's hosts.
func (s *source) isHost(from netip.AddrPort) bool {
	isLocked := !s.fixed && s.locked.IsValid() && from.Addr() == s.locked.Addr()
	return from.Addr() == s.described.Addr() || isLocked
}

// isCurrent says whether media is taken from the address.
func (s *source) isCurrent(from netip.AddrPort) bool {
	return from == s.described || from == s.locked || s.fixed && s.isHost(from)
}

// follows is how many packets in sequence the candidate has sent.
func (s *source) follows(p packet, from netip.AddrPort) int {
	if from != s.candidate || p.ssrc != s.ssrc || p.sequence != s.sequence+1 {
		s.run = 0
	}
	s.candidate, s.ssrc, s.sequence = from, p.ssrc, p.sequence
	s.run++
	return s.run
}

// enough is how many packets in sequence are enough to follow the candidate.
func (s *source) enough(p packet, from netip.AddrPort) int {
	switch {
	case !s.locked.IsValid(), s.goesOn(p):
		return convincing
	case s.isHost(from), s.authentic, s.taken < settled:
		return convincingElsewhere
	}
	return math.MaxInt
}

// goesOn says whether the packet is of the stream that was taken, further on.
func (s *source) goesOn(p packet) bool {
	ahead := int16(p.sequence - s.last.sequence) //nolint:gosec // the distance in a circle
	return p.ssrc == s.last.ssrc && 0 < ahead && ahead <= maxJump
}

// destination is where to send.
func (s *source) destination() netip.AddrPort {
	if s.locked.IsValid() && !s.fixed {
		return s.locked
	}
	return s.described
}
