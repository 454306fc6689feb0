package media

import (
	"net/netip"
	"time"
)

// source decides whose packets are taken, and where ours go. A peer behind a translator
// of addresses describes an address that is not the one its media comes from, so
// another one is believed after some packets in sequence; but a stranger who
// sends to our ports must not get the call. So the described address has
// precedence whenever it sends, and a source that was believed is exchanged only for one that
// goes on with the same stream, or when it has fallen silent: a carrier may move its media without a
// word. It is not safe for concurrent use.
type source struct {
	fixed     bool // only the described address is believed
	described netip.AddrPort
	locked    netip.AddrPort // where packets are taken from; zero: nowhere yet
	last      time.Time      // when one came from there

	candidate netip.AddrPort // who else sends
	ssrc      uint32
	sequence  uint16
	run       int // packets of it in sequence
}

const (
	// convincing is how many packets in sequence make a source believed. Strays of another call
	// and scans are shorter.
	convincing = 3

	// convincingElsewhere is the same for another stream from a host that was never heard of, which
	// takes the call over: half a second of it.
	convincingElsewhere = 25

	// fallenSilent is how long a source that was believed may send nothing before another stream
	// can take its place.
	fallenSilent = 500 * time.Millisecond
)

// describe sets the address of the peer's description. The same one again, as in a refresh of
// the session, changes nothing.
func (s *source) describe(at netip.AddrPort) (moved bool) {
	if s.described == at {
		return false
	}
	*s = source{fixed: s.fixed, described: at}
	return true
}

// admits says whether the packet is taken. stream is the SSRC that is being received.
func (s *source) admits(p packet, from netip.AddrPort, stream uint32, at time.Time) bool {
	switch {
	case s.fixed:
		return s.isHost(from)
	case from == s.described, from == s.locked:
	case s.locked.IsValid() && p.ssrc != stream && at.Sub(s.last) < fallenSilent:
		return false
	case s.follows(p, from) < s.enough(p, from, stream):
		return false
	}
	s.locked, s.last = from, at
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

func (s *source) enough(p packet, from netip.AddrPort, stream uint32) int {
	if s.locked.IsValid() && p.ssrc != stream && !s.isHost(from) {
		return convincingElsewhere
	}
	return convincing
}

// destination is where to send.
func (s *source) destination() netip.AddrPort {
	if s.locked.IsValid() && !s.fixed {
		return s.locked
	}
	return s.described
}
