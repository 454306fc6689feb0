package sip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"
)

// bufferSize is asked for in both directions: a burst of answers must not be lost while this
// process is busy. The system may give less.
const bufferSize = 8 << 20

// socket is the one UDP socket of a dialer. It returns from ReadFrom only with what a
// peer sent, and with an error only when it was closed: sipgo stops listening for good,
// and in silence, on any other one.
type socket struct {
	*net.UDPConn

	overhear func([]byte) // of every datagram; nil: nobody is told

	peers  *peers
	deaf   atomic.Bool // what comes is dropped
	closed chan struct{}
}

// listen opens the socket and a TCP listener on the same port, since a peer is told one
// address for both.
func listen(address string, p *peers) (*socket, *listener, error) {
	if address == "" {
		address = ":0"
	}
	const attempts = 10 // a free port for UDP may be taken for TCP
	var err error
	for range attempts {
		var s *socket
		var l *listener
		if s, l, err = listenOnce(address, p); err == nil {
			return s, l, nil
		}
	}
	return nil, nil, fmt.Errorf("sip: listening on %q: %w", address, err)
}

func listenOnce(address string, p *peers) (*socket, *listener, error) {
	packets, err := net.ListenPacket("udp", address) //nolint:noctx // it does not block
	if err != nil {
		return nil, nil, err
	}
	conn, ok := packets.(*net.UDPConn)
	if !ok {
		return nil, nil, errors.Join(errors.New("no UDP socket"), packets.Close())
	}
	//nolint:errcheck,gosec // a smaller buffer works, too
	conn.SetReadBuffer(bufferSize)
	//nolint:errcheck,gosec // see above
	conn.SetWriteBuffer(bufferSize)
	tcp, err := net.Listen("tcp", conn.LocalAddr().String()) //nolint:noctx // it does not block
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	l := &listener{Listener: tcp, peers: p, streams: newStreams()}
	return &socket{UDPConn: conn, peers: p, closed: make(chan struct{})}, l, nil
}

// ReadFrom implements net.PacketConn.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	// sipgo handles each message in a goroutine of its own, of which the last would run first: a 200
	// before the 180 that came just before it, which is then lost.
	runtime.Gosched()
	for {
		n, from, err := s.ReadFromUDPAddrPort(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0, nil, err
		case err != nil:
			s.pause()
		case s.peers.has(from.Addr()) && !s.deaf.Load():
			if s.overhear != nil {
				s.overhear(b[:n])
			}
			return n, net.UDPAddrFromAddrPort(netip.AddrPortFrom(from.Addr().Unmap(), from.Port())), nil
		}
	}
}

// pause keeps an error that comes back at once from taking the processor.
func (s *socket) pause() {
	const brief = 10 * time.Millisecond
	timer := time.NewTimer(brief)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.closed:
	}
}

// Close is called once, by the stack; sipgo closes no socket that it was given.
func (s *socket) Close() error {
	close(s.closed)
	return s.UDPConn.Close()
}

func (s *socket) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func (s *socket) port() uint16 {
	addr, ok := s.LocalAddr().(*net.UDPAddr)
	if !ok {
		return 0
	}
	return addr.AddrPort().Port()
}

// host is the address that the socket is bound to, or none if that is every one.
func (s *socket) host() netip.Addr {
	addr, ok := s.LocalAddr().(*net.UDPAddr)
	if !ok || addr.IP.IsUnspecified() {
		return netip.Addr{}
	}
	return addr.AddrPort().Addr().Unmap()
}

// listener takes the TCP connections that peers open to us. Others are closed unread.
type listener struct {
	net.Listener

	peers   *peers
	streams *streams
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if temporary(err) {
				continue
			}
			return nil, err
		}
		if l.peers.hasRemote(conn) {
			return l.streams.add(newStream(conn)), nil
		}
		conn.Close() //nolint:gosec // nobody we know
	}
}

// temporary says whether the next Accept may do better, which is whenever it was not closed.
func temporary(err error) bool { return !errors.Is(err, net.ErrClosed) }
