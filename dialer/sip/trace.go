package sip

import (
	"net"
	"net/netip"
)

// Direction is which way a message goes.
type Direction string

// The directions.
const (
	Sent     Direction = "sent"
	Received Direction = "received"
)

// trace is Config.Trace. Nil: nobody is told.
type trace func(way Direction, peer netip.AddrPort, message []byte)

func (t trace) sent(to netip.AddrPort, message []byte) {
	if t != nil {
		t(Sent, to, message)
	}
}

func (t trace) received(from netip.AddrPort, message []byte) {
	if t != nil {
		t(Received, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), message)
	}
}

// remoteOf is the far end of a connection.
func remoteOf(conn net.Conn) netip.AddrPort {
	addr, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	to := addr.AddrPort()
	return netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
}
