package sip

import (
	"net"
	"net/netip"
	"syscall"
)

// hearBounces has the system report, by ICMP, which datagrams reached nobody. What cannot be had is done
// without: a server that is not there is then silent.
func hearBounces(conn *net.UDPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	//nolint:errcheck,gosec // see above; one of the two is refused for a socket of IPv4
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_RECVERR, 1)
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, 1)
	})
}

// nextBounce returns the next datagram that reached nobody: the beginning of it, which is read into b, and where
// it was to go. ok is false if there is none.
func nextBounce(conn *net.UDPConn, b []byte) (n int, to netip.AddrPort, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, to, false
	}
	var from syscall.Sockaddr
	controlErr := raw.Control(func(fd uintptr) {
		n, _, _, from, err = syscall.Recvmsg(int(fd), b, nil, syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
	})
	if err != nil || controlErr != nil {
		return 0, to, false
	}
	switch a := from.(type) {
	case *syscall.SockaddrInet4:
		to = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)) //nolint:gosec // a port
	case *syscall.SockaddrInet6:
		to = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port)) //nolint:gosec // a port
	}
	return n, to, true
}
