package media

import "net/netip"

// source decides whose packets are taken, and where ours go. A peer behind a translator
// of addresses describes an address that is not the one its media comes from, so
// another one is believed after some packets in sequence; but a stranger who
// sends to our ports must not get the call. So the described address has
// precedence whenever it sends, and a source that was believed is exchanged only for one that
// goes on with the same stream. It is not safe for concurrent use.
type source struct {
	fixed     bool // only the described address is believed
	described netip.AddrPort
	locked    netip.AddrPort // where packets are taken from; zero: nowhere yet

	candidate netip.AddrPort // who else sends
	ssrc      uint32
	sequence  uint16
	run       int // packets of it in sequence
}

// convincing is how many packets in sequence make a source believed. Strays of another call
// and scans are shorter.
const convincing = 3

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
func (s *source) admits(p packet, from netip.AddrPort, stream uint32) bool {
	switch {
	case s.fixed:
		return from.Addr() == s.described.Addr()
	case from == s.described:
		s.locked = from
		return true
	case from == s.locked:
		return true
	case s.locked.IsValid() && p.ssrc != stream:
		return false
	case !s.convinces(p, from):
		return false
	}
	s.locked = from
	return true
}

func (s *source) convinces(p packet, from netip.AddrPort) bool {
	follows := from == s.candidate && p.ssrc == s.ssrc && p.sequence == s.sequence+1
	if !follows {
		s.run = 0
	}
	s.candidate, s.ssrc, s.sequence = from, p.ssrc, p.sequence
	s.run++
	return s.run >= convincing
}

// destination is where to send.
func (s *source) destination() netip.AddrPort {
	if s.locked.IsValid() && !s.fixed {
		return s.locked
	}
	return s.described
}
