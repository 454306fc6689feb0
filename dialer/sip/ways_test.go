package sip_test

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

func TestIPv6(t *testing.T) {
	t.Parallel()
	probe, err := net.ListenPacket("udp", "[::1]:0")
	if err != nil {
		t.Skipf("there is no IPv6: %v", err)
	}
	require.NoError(t, probe.Close())
	for _, transport := range []string{"udp", "tcp"} {
		for name, end := range map[string]func(*leg){"callee": answers, "caller": func(l *leg) { l.talk() }} {
			t.Run(transport+" "+name, func(t *testing.T) {
				t.Parallel()
				p := newPeerAt(t, "::1", transport, end)
				d, err := sip.New(sip.Config{Trunks: []sip.Trunk{{
					Host: "::1", Port: p.port, Transport: sip.Transport(transport), KeepAlive: -1,
				}}})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, d.Close()) })
				r := begin(t, d, callTo(callee))
				if name == "caller" {
					r.reaches(dialer.Connected).cancel(nil)
					r.ends(dialer.APICancelled)
				} else {
					r.ends(dialer.ClientHangup)
				}
				invite := p.only().first
				require.Equal(t, "sip:+14155550123@[::1]", invite.uri())
				require.Contains(t, invite.get("Via"), " [::1]:")
				require.Contains(t, invite.get("Contact"), "@[::1]:")
				p.balanced()
			})
		}
	}
}

// A Contact that leads somewhere, but not to the peer, is not followed where the trunk says so.
func TestSameAddress(t *testing.T) {
	t.Parallel()
	elsewhere := newPeer(t, "udp", answers)
	p := newPeer(t, "udp", func(l *leg) {
		l.replyAs(l.tag, l.first, 200, "OK", sdp, "Contact: "+elsewhere.contact())
	})
	trunk := trunkTo(p)
	trunk.SameAddress = true
	r := begin(t, newDialer(t, trunk), callTo(callee)).reaches(dialer.Connected)
	p.only().afterwards("ACK")
	r.cancel(nil)
	r.ends(dialer.APICancelled)
	require.Equal(t, strings.Trim(elsewhere.contact(), "<>"), p.only().afterwards("BYE").uri())
	p.balanced()
}

// Without that, requests in the call go to the Contact, and its address may send to us.
func TestContactElsewhere(t *testing.T) {
	t.Parallel()
	came := make(chan *message, 8)
	elsewhere := newPeerAt(t, "127.0.0.3", "udp", nil)
	elsewhere.mu.Lock()
	elsewhere.other = func(m *message) { came <- m }
	elsewhere.mu.Unlock()
	p := newPeer(t, "udp", func(l *leg) {
		l.replyAs(l.tag, l.first, 200, "OK", sdp, "Contact: "+elsewhere.contact())
		l.awaitAt(came, "ACK")
		l.book(l.tag, func(a *answer) { a.acked = true })
		_, us, _ := strings.Cut(l.first.contact(), "@")
		to, err := net.ResolveUDPAddr("udp", us)
		if err != nil {
			l.p.t.Error(err)
		}
		l.first.answer = func(s string) { _, _ = elsewhere.packets.WriteTo([]byte(s), to) }
		l.begin("BYE", "")
		l.wants(l.awaitAt(came, "BYE"), 200)
		l.book(l.tag, func(a *answer) { a.over = true })
	})
	begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

// awaitAt waits for a message of the method that comes elsewhere.
func (l *leg) awaitAt(came <-chan *message, method string) *message {
	for {
		select {
		case m := <-came:
			if m.method() == method {
				return m
			}
		case <-l.closed:
			return nothing
		}
	}
}

// A peer may open a connection of its own to our Contact.
func TestPeerConnectsToUs(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "tcp", func(l *leg) {
		l.talk()
		_, us, _ := strings.Cut(l.first.contact(), "@")
		to, _, _ := strings.Cut(us, ";")
		conn, err := net.Dial("tcp", to)
		if err != nil {
			l.p.t.Errorf("our Contact cannot be reached: %v", err)
			return
		}
		defer conn.Close()
		l.first.answer = func(s string) { _, _ = conn.Write([]byte(s)) }
		l.begin("BYE", "")
		raw, err := readFramed(bufio.NewReader(conn))
		if err != nil || readMessage(raw).code() != 200 {
			l.p.t.Errorf("the BYE was not taken: %q %v", raw, err)
		}
		l.book(l.tag, func(a *answer) { a.over = true })
	})
	begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}
