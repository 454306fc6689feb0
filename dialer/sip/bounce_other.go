//go:build !linux

package sip

import (
	"net"
	"net/netip"
)

// hearBounces does nothing: a server that is not there is silent.
func hearBounces(*net.UDPConn) {}

func nextBounce(*net.UDPConn, []byte) (int, netip.AddrPort, bool) { return 0, netip.AddrPort{}, false }
