package sip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// bufferSize is asked for in both directions: a burst of answers must not be lost while this
// process is busy. The system may give less.
const bufferSize = 8 << 20

// socket is the one UDP socket of a stack. It returns from ReadFrom only with what a
// peer sent, and with an error only when it was closed: sipgo stops listening for good,
// and in silence, on any other one.
type socket struct {
	*net.UDPConn

	dialers *dialers
	deaf    atomic.Bool // what comes is dropped
	closed  chan struct{}

	bounces sync.Mutex // one reads of them at a time
	quoted  [1024]byte // the beginning of a datagram that reached nobody
}

// listen opens the socket and a TCP listener on the same port, since a peer is told one
// address for both.
func listen(address string, ds *dialers) (*socket, *listener, error) {
	if address == "" {
		address = ":0"
	}
	const attempts = 10 // a free port for UDP may be taken for TCP
	var err error
	for range attempts {
		var s *socket
		var l *listener
		if s, l, err = listenOnce(address, ds); err == nil {
			return s, l, nil
		}
	}
	return nil, nil, fmt.Errorf("sip: listening on %q: %w", address, err)
}

func listenOnce(address string, ds *dialers) (*socket, *listener, error) {
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
	hearBounces(conn)
	tcp, err := net.Listen("tcp", conn.LocalAddr().String()) //nolint:noctx // it does not block
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	l := &listener{Listener: tcp, dialers: ds, streams: newStreams(ds)}
	return &socket{UDPConn: conn, dialers: ds, closed: make(chan struct{})}, l, nil
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
			if !s.readBounces() {
				pause(s.closed)
			}
		case s.dialers.admits(from.Addr()) && !s.deaf.Load():
			s.dialers.received(from, b[:n])
			m := mended(b[:n], false)
			if len(m) == 0 || len(m) > len(b) {
				s.dialers.unread(from)
				continue
			}
			n = copy(b, m) // nearly always onto itself
			s.dialers.overhear(b[:n])
			return n, net.UDPAddrFromAddrPort(netip.AddrPortFrom(from.Addr().Unmap(), from.Port())), nil
		}
	}
}

// WriteTo implements net.PacketConn, for what sipgo answers.
func (s *socket) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("no UDP address")
	}
	return s.send(b, to.AddrPort())
}

// send writes a datagram. An error says that it did not leave.
func (s *socket) send(b []byte, to netip.AddrPort) (int, error) {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	s.dialers.sent(to, b)
	const attempts = 4
	for range attempts - 1 {
		n, err := s.WriteToUDPAddrPort(b, to)
		if err == nil || !unreached(err) {
			return n, err
		}
		s.readBounces() // the error may be that of a datagram before, to somebody else
	}
	return s.WriteToUDPAddrPort(b, to)
}

func unreached(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ENETUNREACH)
}

// readBounces tells of the datagrams that reached nobody, and says whether there were any.
func (s *socket) readBounces() (some bool) {
	s.bounces.Lock()
	defer s.bounces.Unlock()
	for {
		n, to, ok := nextBounce(s.UDPConn, s.quoted[:])
		if !ok {
			return some
		}
		some = true
		s.dialers.bounced(to, s.quoted[:n])
	}
}

// pause keeps an error that comes back at once from taking the processor.
func pause(closed <-chan struct{}) {
	const brief = 10 * time.Millisecond
	timer := time.NewTimer(brief)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-closed:
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

	dialers *dialers
	streams *streams
	told    seldom
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if !temporary(err) {
				return nil, err
			}
			if d := l.dialers.newest(); d != nil && l.told.may() {
				d.log.Error("connections of SIP peers cannot be taken", "error", err)
			}
			pause(nil)
			continue
		}
		if l.dialers.admits(remoteOf(conn).Addr()) {
			return l.streams.add(newStream(conn)), nil
		}
		conn.Close() //nolint:gosec // nobody we know
	}
}

// temporary says whether the next Accept may do better, which is whenever it was not closed.
func temporary(err error) bool { return !errors.Is(err, net.ErrClosed) }
