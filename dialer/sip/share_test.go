package sip_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// listenAgain is a dialer at a port that has a number. The first one has to find a port that is free, which somebody else
// may take before it listens there.
func listenAgain(t *testing.T, config sip.Config) (*sip.Dialer, sip.Config) {
	t.Helper()
	var d *sip.Dialer
	require.Eventually(t, func() bool {
		free, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		config.Listen = free.LocalAddr().String()
		require.NoError(t, free.Close())
		d, err = sip.New(config)
		return err == nil
	}, patience, time.Millisecond)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, config
}

// noted is what a dialer is told that it sent and received.
type noted struct {
	mu    sync.Mutex
	lines []string
}

func (n *noted) note(way sip.Direction, _ netip.AddrPort, raw []byte) {
	m := readMessage(string(raw))
	if m.method() == "OPTIONS" || strings.TrimSpace(string(raw)) == "" {
		return
	}
	line := string(way) + " " + m.method()
	if m.isResponse() {
		line = string(way) + " " + strings.Fields(m.start)[1]
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *noted) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines)
}

// A dialer is replaced at the port at which its calls go on.
func TestTwoDialersAtOnePort(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			testTwoDialersAtOnePort(t, transport)
		})
	}
}

func testTwoDialersAtOnePort(t *testing.T, transport string) {
	hangUp, hungUp := make(chan struct{}), make(chan *message, 1)
	end := make(chan struct{})
	p := newPeer(t, transport, func(l *leg) {
		l.talk()
		if l.first.user() != string(callee) {
			<-end
			l.bye()
			return
		}
		<-hangUp
		if transport == "tcp" { // by a connection of the peer's own, which is to where Contact says
			l.first.answer = connect(l.p, l.first.contact())
		}
		hungUp <- l.bye()
	})
	asked := make(chan string, 64)
	p.mu.Lock()
	p.other = func(m *message) {
		m.answer(m.response(200, "OK", "there", nil, ""))
		select {
		case asked <- m.get("User-Agent"):
		default:
		}
	}
	p.mu.Unlock()
	trunk := trunkTo(p)
	trunk.KeepAlive = 50 * time.Millisecond
	var olds, news noted
	older, config := listenAgain(t, sip.Config{Trunks: []sip.Trunk{trunk}, UserAgent: "older", Trace: olds.note})
	old := begin(t, older, callTo(callee)).reaches(dialer.Connected)

	config.UserAgent, config.Incoming, config.Trace = "newer", 486, news.note
	newer, err := sip.New(config)
	require.NoError(t, err)
	defer newer.Close()
	require.Equal(t, older.Addr(), newer.Addr())
	fresh := begin(t, newer, callTo(callee+"1")).reaches(dialer.Connected)
	for seen := map[string]bool{}; len(seen) < 2; {
		select {
		case by := <-asked:
			seen[by] = true
		case <-time.After(patience):
			require.Fail(t, "not both ask whether the trunk is there")
		}
	}
	require.Equal(t, 486, incoming(t, p, newer.Addr()).code(), "what is of no call is for the newest")

	close(hangUp)
	require.Equal(t, 200, (<-hungUp).code())
	old.ends(dialer.ClientHangup)
	require.Equal(t, []string{
		"sent INVITE", "received 180", "received 200", "sent ACK", "received BYE", "sent 200",
	}, olds.all(), "each is told of its own")
	require.NoError(t, older.Close())
	require.True(t, sip.IsShared(config.Listen))
	require.Equal(t, 486, incoming(t, p, newer.Addr()).code())
	require.ErrorIs(t, begin(t, older, callTo(callee)).over().err, dialer.ErrNotPlaced)
	later := begin(t, newer, callTo(callee+"2")).reaches(dialer.Connected)

	close(end)
	fresh.ends(dialer.ClientHangup)
	later.ends(dialer.ClientHangup)
	p.balanced()
	require.NoError(t, newer.Close())
	require.False(t, sip.IsShared(config.Listen))
}

// connect opens a connection of the peer's, and returns what writes to it.
func connect(p *peer, uri string) func(string) {
	at := uri[strings.Index(uri, "@")+1:]
	at, _, _ = strings.Cut(at, ";")
	conn, err := net.Dial("tcp", at)
	if err != nil {
		p.t.Errorf("there is no way to %s: %v", uri, err)
		return func(string) {}
	}
	p.mu.Lock()
	p.conns[conn] = true
	p.mu.Unlock()
	p.done.Go(func() { p.readStream(conn) })
	return func(s string) { _, _ = conn.Write([]byte(s)) }
}

// incoming calls the dialer from the peer's address, and returns the final response.
func incoming(t *testing.T, p *peer, to net.Addr) *message {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	branch := strings.ReplaceAll(conn.LocalAddr().String(), ":", "x")
	raw := "INVITE sip:us@" + to.String() + " SIP/2.0\r\nVia: SIP/2.0/UDP " + conn.LocalAddr().String() + ";branch=z9hG4bK" + branch +
		"\r\nMax-Forwards: 70\r\nFrom: <sip:them@" + p.addr() + ">;tag=1\r\nTo: <sip:us@" + to.String() + ">\r\nCall-ID: " + branch +
		"\r\nCSeq: 1 INVITE\r\nContact: " + p.contact() + "\r\nContent-Length: 0\r\n\r\n"
	_, err = conn.WriteTo([]byte(raw), to.(*net.UDPAddr))
	require.NoError(t, err)
	b := make([]byte, 65536)
	for {
		n, _, err := conn.ReadFrom(b)
		require.NoError(t, err)
		m := readMessage(string(b[:n]))
		if m.code() < 200 {
			continue
		}
		ack := strings.NewReplacer("INVITE sip", "ACK sip", "1 INVITE", "1 ACK", "To: <sip:us@"+to.String()+">", "To: "+m.get("To")).Replace(raw)
		_, err = conn.WriteTo([]byte(ack), to)
		require.NoError(t, err)
		return m
	}
}

// The older one is the newest again where the newer one is given up, as by a reload that fails.
func TestTheNewerDialerIsGivenUp(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", answers)
	older, config := listenAgain(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Incoming: 600})
	begin(t, older, callTo(callee)).ends(dialer.ClientHangup) // by which it knows whose address that is
	config.Incoming = 486
	newer, err := sip.New(config)
	require.NoError(t, err)
	require.Equal(t, 486, incoming(t, p, older.Addr()).code())
	require.NoError(t, newer.Close())
	require.Equal(t, 600, incoming(t, p, older.Addr()).code())
	begin(t, older, callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

// Dialers come and go at a port, and none of them takes it away from another.
func TestDialersComeAndGoAtOnePort(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", answers)
	stays, config := listenAgain(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 3 {
				d, err := sip.New(config)
				if err != nil {
					t.Errorf("the port cannot be shared: %v", err)
					return
				}
				o, err := d.Dial(t.Context(), callTo(callee), func(dialer.Progress) {})
				if err != nil || o.Reason != dialer.ClientHangup {
					t.Errorf("a call comes to nothing: %+v %v", o, err)
				}
				if err := d.Close(); err != nil {
					t.Errorf("the dialer does not close: %v", err)
				}
			}
		})
	}
	all.Wait()
	begin(t, stays, callTo(callee)).ends(dialer.ClientHangup)
	require.NoError(t, stays.Close())
	p.balanced()
	require.False(t, sip.IsShared(config.Listen))
}
