package sip

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

//nolint:gochecknoglobals // constants, which slices cannot be
var contentLength, compactLength = []byte("content-length"), []byte("l")

const writeTimeout = 5 * time.Second

// stream is a TCP or TLS connection that several goroutines write whole messages to, and
// that tells when it is gone. It is read by one.
type stream struct {
	net.Conn

	mu   sync.Mutex    // one message at a time
	down atomic.Bool   // it is lost
	gone chan struct{} // closed when it is lost, and what came by it has been handled
	once sync.Once
	read chan struct{} // closed when sipgo reads no more
	done sync.Once

	heard atomic.Int64 // when something was read last, in nanoseconds since 1970
	peer  netip.AddrPort
	trace trace

	transport Transport
	adopt     func(*stream) // is told when sipgo begins to read; nil: nobody is
	abandon   func()        // takes that back; nil: nobody was told
	begun     sync.Once

	forget   func()       // that it is open
	overhear func([]byte) // of every message; nil: nobody is told
	received []byte       // more than one message, used again and again
	unread   []byte       // of that
}

func newStream(conn net.Conn) *stream {
	s := &stream{
		Conn: conn, gone: make(chan struct{}), read: make(chan struct{}), peer: remoteOf(conn), transport: TCP,
	}
	if _, ok := conn.(*tls.Conn); ok {
		s.transport = TLS
	}
	return s
}

// Read implements net.Conn. It returns no more than one message, so that sipgo begins with one before
// it sees the next: see socket. Any error is the end of the connection, and to sipgo,
// which would log what it was, that it was closed.
func (s *stream) Read(b []byte) (int, error) {
	s.begun.Do(func() {
		if s.adopt != nil {
			s.adopt(s)
		}
	})
	runtime.Gosched()
	if len(s.unread) == 0 {
		n, err := s.Conn.Read(b)
		if err != nil {
			s.end()
			return 0, io.EOF
		}
		s.heard.Store(time.Now().UnixNano())
		if first := firstMessage(b[:n]); first == n {
			return s.pass(b[:n])
		}
		s.received = append(s.received[:0], b[:n]...)
		s.unread = s.received
		s.overhearAll(s.unread)
	}
	n := copy(b, s.unread[:firstMessage(s.unread)])
	s.unread = s.unread[n:]
	return s.take(b[:n])
}

// overhearAll has all messages overheard that arrived together: a refusal is not to be acted upon before the answer is
// known that came right behind it.
func (s *stream) overhearAll(b []byte) {
	for s.overhear != nil && len(b) > 0 {
		n := firstMessage(b)
		s.overhear(b[:n])
		b = b[n:]
	}
}

// pass has what is read overheard, and returns its length.
func (s *stream) pass(b []byte) (int, error) {
	s.overhearAll(b)
	return s.take(b)
}

// take returns the length of what is read. A connection ends by what sipgo's parser would panic at, in a goroutine
// of its own.
func (s *stream) take(b []byte) (int, error) {
	if !harmless(b) {
		s.end()
		return 0, io.EOF
	}
	s.trace.received(s.peer, b)
	return len(b), nil
}

// heardSince says whether anything was read since then.
func (s *stream) heardSince(t time.Time) bool { return s.heard.Load() >= t.UnixNano() }

// firstMessage returns where the first message in b ends, or all of it if it ends behind that or
// is none. It is for what arrives together; sipgo finds out for itself what belongs together.
func firstMessage(b []byte) int {
	head := bytes.Index(b, []byte("\r\n\r\n"))
	if head < 0 {
		return len(b)
	}
	end := head + len("\r\n\r\n")
	for line := range bytes.SplitSeq(b[:head], []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimSpace(name); !bytes.EqualFold(name, contentLength) && !bytes.EqualFold(name, compactLength) {
			continue
		}
		length, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 16)
		if err != nil || int(length) > len(b)-end {
			return len(b)
		}
		return end + int(length)
	}
	return end
}

// Write implements net.Conn.
func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	s.trace.sent(s.peer, b)
	n, err := s.Conn.Write(b)
	if err != nil {
		s.end() // what follows a part of a message is no message
		return n, errors.Join(err, s.Conn.Close())
	}
	return n, nil
}

// Close implements net.Conn. It is for sipgo, which closes what it has read to the end.
func (s *stream) Close() error {
	s.done.Do(func() {
		close(s.read)
		s.forget()
	})
	return s.cut()
}

// cut ends the connection for us.
func (s *stream) cut() error {
	s.end()
	return s.Conn.Close()
}

// end has whoever waits for a message told that none comes, but not before those that came last
// were handled: many a peer sends a BYE or a refusal and closes the connection.
func (s *stream) end() {
	s.once.Do(func() {
		s.down.Store(true)
		const brief = 200 * time.Millisecond
		time.AfterFunc(brief, func() { close(s.gone) })
		s.begun.Do(func() {}) // nobody adopts it any more
		if s.abandon != nil {
			time.AfterFunc(transactionTime(), s.abandon)
		}
	})
}

// streams are the connections that are open. It is safe for concurrent use.
type streams struct {
	overhear func([]byte)  // is told of every message
	adopt    func(*stream) // see stream
	trace    trace

	mu   sync.Mutex
	open map[*stream]bool
}

func newStreams() *streams { return &streams{open: map[*stream]bool{}} }

func (ss *streams) add(s *stream) *stream {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.open[s] = true
	s.overhear, s.adopt, s.trace = ss.overhear, ss.adopt, ss.trace
	s.forget = func() {
		ss.mu.Lock()
		defer ss.mu.Unlock()
		delete(ss.open, s)
	}
	return s
}

// close ends them all, and waits until sipgo has seen it, though not for ever.
func (ss *streams) close() {
	ss.mu.Lock()
	open := slices.Collect(maps.Keys(ss.open))
	ss.mu.Unlock()
	for _, s := range open {
		s.cut() //nolint:errcheck,gosec // it was of use until now
	}
	timeout := time.NewTimer(time.Second)
	defer timeout.Stop()
	for _, s := range open {
		select {
		case <-s.read:
		case <-timeout.C:
			return
		}
	}
}

// handover is the listener by which connections that we opened are given to sipgo to read.
type handover struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// give returns false when it is closed.
func (h *handover) give(conn net.Conn) bool {
	select {
	case h.conns <- conn:
		return true
	case <-h.closed:
		return false
	}
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It is called once.
func (h *handover) Close() error {
	close(h.closed)
	return nil
}

// Addr implements net.Listener. There is nothing to connect to.
func (h *handover) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv6loopback, Port: 1} }
