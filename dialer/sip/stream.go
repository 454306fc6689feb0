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
	"sync"
	"sync/atomic"
	"time"
)

const writeTimeout = 5 * time.Second

// streamPort tells the names of connections from those of flows.
const streamPort = 2

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

	name  net.TCPAddr  // by which sipgo looks for it, since several may lead to one address
	heard atomic.Int64 // when a message was read last, or what keeps alive, in nanoseconds since 1970
	peer  netip.AddrPort

	transport Transport
	adopt     func(*stream) // is told when sipgo begins to read; nil: nobody is
	abandon   func()        // takes that back; nil: nobody was told
	begun     sync.Once

	forget  func() // that it is open
	dialers *dialers
	frames  frames
	ready   [][]byte // messages that sipgo has not seen yet
	queue   [][]byte // where they are kept
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
// which would log what it was, that it was closed. What sipgo could not read never gets there: it would end the
// connection by it.
func (s *stream) Read(b []byte) (int, error) {
	s.begun.Do(func() {
		if s.adopt != nil {
			s.adopt(s)
		}
	})
	runtime.Gosched()
	for len(s.ready) == 0 {
		if err := s.frames.read(s.Conn); err != nil {
			s.end()
			return 0, io.EOF
		}
		s.collect(len(b))
	}
	n := copy(b, s.ready[0])
	if s.ready[0] = s.ready[0][n:]; len(s.ready[0]) == 0 {
		s.ready = s.ready[1:]
	}
	return n, nil
}

// collect has all messages overheard that arrived together: a refusal is not to be acted upon before the answer is
// known that came right behind it. Sipgo reads no more than room at once. What is none of its messages is not heard: a
// connection by which nothing else comes is of no use.
func (s *stream) collect(room int) {
	s.queue = s.queue[:0]
	for raw, o := s.frames.next(); raw != nil; raw, o = s.frames.next() {
		s.dialers.received(s.peer, raw)
		m := raw // what keeps the connection alive
		if keepAlive(raw) == 0 {
			m = mend(raw, o, true)
		}
		if len(m) == 0 || len(m) > mostBytes || isOverlooked(m, room) {
			s.dialers.unread(s.peer)
			continue
		}
		s.dialers.overhear(m)
		s.queue = append(s.queue, m)
	}
	if s.ready = s.queue; len(s.ready) > 0 {
		s.heard.Store(time.Now().UnixNano())
	}
}

// isOverlooked says whether sipgo, reading no more than room at once, would read nothing but NUL once. It drops that,
// and would take what follows for the rest of the message.
func isOverlooked(m []byte, room int) bool {
	for part := range slices.Chunk(m, room) {
		if len(bytes.TrimLeft(part, "\x00")) == 0 {
			return true
		}
	}
	return false
}

// heardSince says whether a message was read since then, or what keeps the connection alive.
func (s *stream) heardSince(t time.Time) bool { return s.heard.Load() >= t.UnixNano() }

// RemoteAddr implements net.Conn, for sipgo: no two connections have the same one.
func (s *stream) RemoteAddr() net.Addr { return &s.name }

// Write implements net.Conn.
func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	s.dialers.sent(s.peer, b)
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
	dialers *dialers
	adopt   func(*stream) // see stream

	mu   sync.Mutex
	open map[*stream]bool
	last uint64 // so many were opened
}

func newStreams(ds *dialers) *streams { return &streams{dialers: ds, open: map[*stream]bool{}} }

func (ss *streams) add(s *stream) *stream {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.open[s] = true
	ss.last++
	s.name = net.TCPAddr{IP: flowKey(ss.last).IP, Port: streamPort}
	s.dialers, s.adopt = ss.dialers, ss.adopt
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
