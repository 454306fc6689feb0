package sip

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	msg "github.com/emiago/sipgo/sip"
)

// flow is the way to one server: over the UDP socket, or a connection. It takes the place of
// sipgo's own connections, which refuse a message above 1300 bytes on UDP, and are
// opened anew in silence where one was lost.
type flow struct {
	transport Transport
	remote    netip.AddrPort

	destination string // remote, as sipgo has it

	host   string   // what Via and Contact call us
	port   uint16   // likewise
	key    msg.Addr // by which sipgo finds it
	write  func([]byte) (int, error)
	gone   <-chan struct{} // closed when the connection was lost; nil: there is none to lose
	down   *atomic.Bool    // it is lost; nil: see gone
	stream *stream         // nil: there is no connection
	name   string          // by which sipgo knows the host of a connection; empty: by its address

	users atomic.Int32 // what needs it to be there
	stale atomic.Bool  // new calls open another one
	used  atomic.Int64 // when somebody wanted it last, in nanoseconds since 1970
}

// writeError says that a message did not leave, or not as a whole.
type writeError struct {
	written int
	err     error
}

func (e *writeError) Error() string { return "writing a message: " + e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// WriteMsg implements sipgo's Connection.
func (f *flow) WriteMsg(m msg.Message) error {
	f.unname(m)
	b := buffer()
	defer buffers.Put(b)
	m.StringWrite(b)
	if n, err := f.write(b.Bytes()); err != nil {
		return &writeError{n, err}
	}
	return nil
}

// unname tells the peer its address (RFC 3581, section 4), and not the name by which sipgo knows the connection.
func (f *flow) unname(m msg.Message) {
	via := m.Via()
	if f.name == "" || via == nil {
		return
	}
	if received, _ := via.Params.Get("received"); received == f.name {
		via.Params.Add("received", f.remote.Addr().String())
		via.Params.Add("rport", strconv.Itoa(int(f.remote.Port())))
	}
}

// wire is the message as it leaves.
func wire(m msg.Message) []byte {
	b := buffer()
	defer buffers.Put(b)
	m.StringWrite(b)
	return bytes.Clone(b.Bytes())
}

//nolint:gochecknoglobals // messages are written by every dialer
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func buffer() *bytes.Buffer {
	b, _ := buffers.Get().(*bytes.Buffer)
	b.Reset()
	return b
}

// LocalAddr implements sipgo's Connection.
func (f *flow) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(f.remote) }

// Ref implements sipgo's Connection, whose counting has no say in when a flow ends.
func (f *flow) Ref(int) int { return 1 }

// TryClose implements sipgo's Connection.
func (f *flow) TryClose() (int, error) { return 1, nil }

// Close implements sipgo's Connection.
func (f *flow) Close() error { return nil }

// hold keeps the flow open until release is called.
func (f *flow) hold() { f.users.Add(1) }

func (f *flow) release() {
	f.touch()
	f.users.Add(-1)
}

func (f *flow) touch() { f.used.Store(time.Now().UnixNano()) }

// isIdle says whether nobody needs the flow, nor has for so long.
func (f *flow) isIdle(d time.Duration) bool {
	return f.users.Load() <= 0 && time.Since(time.Unix(0, f.used.Load())) > d
}

// cutIfSilent ends a connection on which nothing was heard since then, though something should have been: a
// translator or a firewall has forgotten it. The next request opens another one.
func (f *flow) cutIfSilent(since time.Time) bool {
	if f.stream == nil || f.lost() || f.stream.heardSince(since) {
		return false
	}
	f.stream.cut() //nolint:errcheck,gosec // it is of no use
	return true
}

// leaveIfSilent is the same for a connection that an INVITE had no answer by: it is left open for what may yet
// come by it, but is used for nothing new.
func (f *flow) leaveIfSilent(since time.Time) {
	if f.stream != nil && !f.stream.heardSince(since) {
		f.stale.Store(true)
	}
}

func (f *flow) lost() bool { return f.down != nil && f.down.Load() }

// via is the Via of a new request over the flow, with a branch of its own.
func (f *flow) via() *msg.ViaHeader {
	via := &msg.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: f.network(), Host: f.host, Port: int(f.port),
	}
	const entropy = 24
	via.Params.Add("branch", msg.GenerateBranchN(entropy))
	via.Params.Add("rport", "") // RFC 3581: answer to where it came from
	return via
}

// contact is where the peer reaches us.
func (f *flow) contact(user string, secure bool) *msg.ContactHeader {
	uri := msg.Uri{Scheme: scheme(secure), User: user, Host: f.host, Port: int(f.port)}
	if f.transport != UDP && !secure {
		uri.UriParams.Add("transport", string(f.transport))
	}
	return &msg.ContactHeader{Address: uri}
}

func (f *flow) network() string {
	switch f.transport {
	case TCP:
		return "TCP"
	case TLS:
		return "TLS"
	case UDP:
	}
	return "UDP"
}

// carry makes sipgo send the request over the flow and nothing else.
func (f *flow) carry(req *msg.Request) {
	req.SetTransport(f.network())
	req.SetDestination(f.destination)
	req.Laddr = f.key
}

// flowKey returns an address that no host has (RFC 6666) for sipgo's table of connections. Should a
// flow be missing there, sipgo tries to bind to it, and fails.
func flowKey(n uint64) msg.Addr {
	ip := netip.MustParsePrefix("100::/64").Addr().As16()
	for i := range 8 {
		ip[15-i] = byte(n >> (8 * i)) //nolint:gosec // one byte after the other
	}
	return msg.Addr{IP: net.IP(ip[:]), Port: 1}
}

func scheme(secure bool) string {
	if secure {
		return "sips"
	}
	return "sip"
}

func defaultPort(t Transport) uint16 {
	if t == TLS {
		return 5061
	}
	return 5060
}

// splitAdvertised reads Config.Advertise.
func splitAdvertised(s string) (host string, port uint16, err error) {
	if s == "" {
		return "", 0, nil
	}
	host, p, err := splitHostPort(s)
	if err != nil || host == "" || strings.ContainsAny(host, " \t\r\n<>;@\"") {
		return "", 0, fmt.Errorf("sip: advertised address %s: expected host or host:port", strconv.Quote(s))
	}
	return host, uint16(p), nil //nolint:gosec // checked by parsePort
}
