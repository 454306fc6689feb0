package sip_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long anything may take that is to happen. A test that passes does not wait for it.
const patience = 30 * time.Second

// peer is a carrier that does as each test says, over raw sockets. It keeps books: a call that it
// answered is live until it was hung up, and owed an ACK.
type peer struct {
	t         *testing.T
	transport string
	host      string // what its Contact says
	port      int
	packets   net.PacketConn
	streams   net.Listener
	done      sync.WaitGroup
	tls       atomic.Pointer[tls.Config] // another one than serverTLS

	mu      sync.Mutex
	script  func(*leg) // what happens to a call, in a goroutine of its own
	other   func(*message)
	legs    map[string]*leg
	live    map[string]*answer // by Call-ID and our tag
	invites int
	conns   map[net.Conn]bool
	replies map[string]string // the last response to a request, for when it comes again
}

// answer is a 200 that was sent for an INVITE.
type answer struct{ acked, over bool }

func newPeer(t *testing.T, transport string, script func(*leg)) *peer {
	t.Helper()
	return newPeerAt(t, "127.0.0.1", transport, script)
}

func newPeerAt(t *testing.T, host, transport string, script func(*leg)) *peer {
	t.Helper()
	p := &peer{
		t: t, transport: transport, host: host, script: script, legs: map[string]*leg{},
		live: map[string]*answer{}, conns: map[net.Conn]bool{}, replies: map[string]string{},
	}
	p.listen()
	t.Cleanup(p.stop)
	return p
}

func (p *peer) listen() {
	if p.transport == "udp" {
		conn, err := net.ListenPacket("udp", net.JoinHostPort(p.host, "0"))
		require.NoError(p.t, err)
		require.NoError(p.t, conn.(*net.UDPConn).SetReadBuffer(4<<20))
		p.packets, p.port = conn, conn.LocalAddr().(*net.UDPAddr).Port
		p.done.Go(p.readPackets)
		return
	}
	l, err := net.Listen("tcp", net.JoinHostPort(p.host, "0"))
	require.NoError(p.t, err)
	p.port = l.Addr().(*net.TCPAddr).Port
	if p.transport == "tls" {
		config := serverTLS(p.t)
		config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return p.tls.Load(), nil }
		l = tls.NewListener(l, config)
	}
	p.streams = l
	p.done.Go(p.accept)
}

func (p *peer) stop() {
	if p.packets != nil {
		_ = p.packets.Close()
	}
	if p.streams != nil {
		_ = p.streams.Close()
	}
	p.drop()
	p.mu.Lock()
	legs := maps.Clone(p.legs)
	p.mu.Unlock()
	for _, l := range legs {
		l.closeOnce.Do(func() { close(l.closed) })
	}
	p.done.Wait()
}

// drop breaks every connection.
func (p *peer) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
}

// open returns the connections so far.
func (p *peer) open() map[net.Conn]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.conns)
}

func (p *peer) addr() string { return net.JoinHostPort(p.host, strconv.Itoa(p.port)) }

// contact is the peer's own address in a URI.
func (p *peer) contact() string {
	uri := "sip:peer@" + p.addr()
	if p.transport != "udp" {
		uri += ";transport=" + p.transport
	}
	return "<" + uri + ">"
}

func (p *peer) readPackets() {
	buffer := make([]byte, 65536)
	for {
		n, from, err := p.packets.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		m := readMessage(string(buffer[:n]))
		m.answer = func(s string) { _, _ = p.packets.WriteTo([]byte(s), from) }
		p.take(m)
	}
}

func (p *peer) accept() {
	for {
		conn, err := p.streams.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns[conn] = true
		p.mu.Unlock()
		p.done.Go(func() { p.readStream(conn) })
	}
}

func (p *peer) readStream(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	var mu sync.Mutex
	for {
		raw, err := readFramed(r)
		if err != nil {
			return
		}
		m := readMessage(raw)
		m.answer = func(s string) {
			mu.Lock()
			defer mu.Unlock()
			_, _ = conn.Write([]byte(s))
		}
		p.take(m)
	}
}

// readFramed reads one message off a stream.
func readFramed(r *bufio.Reader) (string, error) {
	var head strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == "\r\n" && head.Len() == 0 {
			continue
		}
		head.WriteString(line)
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Content-Length") {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return head.String() + string(body), err
}

// take gives a message to the call that it is of.
func (p *peer) take(m *message) {
	id := m.get("Call-ID")
	p.mu.Lock()
	l := p.legs[id]
	if l == nil && m.method() == "INVITE" && m.toTag() == "" {
		l = newLeg(p, m)
		p.legs[id] = l
		p.done.Go(func() {
			defer close(l.played)
			p.script(l)
		})
	}
	other := p.other
	again, known := p.replies[requestKey(m)]
	if m.method() == "INVITE" && !m.isResponse() && !known {
		p.invites++
	}
	p.mu.Unlock()
	switch {
	case l != nil && m.isResponse():
		l.responses <- m
	case l != nil && known && m.method() != "ACK":
		if again != "" {
			m.answer(again)
		}
	case l != nil:
		p.keepReply(m, "")
		l.take(m)
	case other != nil:
		other(m)
	}
}

func requestKey(m *message) string {
	if m.isResponse() {
		return ""
	}
	return m.method() + m.branch()
}

func (p *peer) keepReply(m *message, reply string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.replies[requestKey(m)] = reply
}

// placed is how many INVITEs came, without those that came again and those in a call.
func (p *peer) placed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.invites
}

// liveCalls is how many of the calls that were answered are not over.
func (p *peer) liveCalls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, a := range p.live {
		if !a.over {
			n++
		}
	}
	return n
}

// balanced waits until every answer was acknowledged and every call is over.
func (p *peer) balanced() {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, a := range p.live {
			if !a.acked || !a.over {
				return false
			}
		}
		return true
	}, patience, time.Millisecond, "a call is left live at the carrier")
}

// only returns the one call that there was.
func (p *peer) only() *leg {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Len(p.t, p.legs, 1)
	for _, l := range p.legs {
		return l
	}
	return nil
}
