package sip_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

func TestConnectionLostWhileRinging(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			p, q := newPeer(t, transport, func(l *leg) { l.ring() }), newPeer(t, "udp", answers)
			r := begin(t, newDialer(t, trunkTo(p), trunkTo(q)), callTo(callee)).reaches(dialer.Ringing)
			p.drop()
			o := r.ends(dialer.Error)
			require.NotEmpty(t, o.Message)
			p.only().afterwards("CANCEL") // over another connection, like the ACK of what it brings about
			p.only().afterwards("ACK")
			require.Zero(t, q.placed())
			p.balanced()
		})
	}
}

// A connection is no dialog: the call goes on over another one, which the peer is told of.
func TestConnectionLostInTheCall(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			revived := make(chan *message, 1)
			p := newPeer(t, transport, func(l *leg) {
				l.byHand("UPDATE")
				l.talk("Allow: UPDATE")
				l.p.drop()
				update := l.expect("UPDATE")
				l.reply(update, 200, "OK")
				revived <- update
				l.first.answer = update.answer // the connection that there is now
				l.bye()
			})
			begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientHangup)
			update := <-revived
			require.NotEmpty(t, update.contact())
			require.Equal(t, transport == "tls", update.contact() != p.only().first.contact(),
				"over TLS there is no way to us but the connection")
			p.balanced()
		})
	}
}

func TestACallThatIsGoneWhenTheConnectionIsBack(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]string{"the peer knows it no more": "tcp", "there is no way": "tls"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, transport, func(l *leg) {
				l.byHand("UPDATE")
				l.talk("Allow: UPDATE")
				if transport == "tls" {
					_ = l.p.streams.Close()
				}
				l.p.drop()
				if transport == "tcp" {
					l.reply(l.expect("UPDATE"), 481, "Call/Transaction Does Not Exist")
				}
			})
			begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientDisconnected)
			if transport == "tcp" {
				p.only().afterwards("BYE")
				p.balanced()
			}
		})
	}
}

// An idle connection is used now and then, so that it stays (RFC 5626, section 4.4.1).
func TestConnectionsOfCallsAreKeptInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	nudged := make(chan struct{})
	p := &peer{
		t: t, transport: "tcp", host: "127.0.0.1", port: listener.Addr().(*net.TCPAddr).Port, legs: map[string]*leg{},
		live: map[string]*answer{}, conns: map[net.Conn]bool{}, replies: map[string]string{},
		streams: watched{listener, func() { close(nudged) }},
	}
	p.script = func(l *leg) {
		l.talk()
		select {
		case <-nudged:
		case <-time.After(patience):
			p.t.Errorf("the connection is never used")
		}
		l.bye()
	}
	p.done.Go(p.accept)
	defer p.stop()
	d := newDialer(t, trunkTo(p))
	d.SetSecond(5 * time.Millisecond)
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
}

// watched has what is read from its connections seen.
type watched struct {
	net.Listener

	see func()
}

func (w watched) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	return &seen{conn, sync.OnceFunc(w.see)}, err
}

type seen struct {
	net.Conn

	nudge func()
}

func (s *seen) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if string(b[:n]) == "\r\n\r\n" {
		s.nudge()
	}
	return n, err
}

// A peer that says its last word and closes the connection is heard first.
func TestLastWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script func(*leg)
		reason dialer.EndReason
	}{
		"a refusal": {refuses(404), dialer.DialFailed},
		"busy":      {refuses(486), dialer.DialBusy},
		"a BYE":     {func(l *leg) { l.talk(); l.begin("BYE", "") }, dialer.ClientHangup},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 20 {
				p := newPeer(t, "tcp", func(l *leg) {
					c.script(l)
					l.p.drop()
				})
				begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(c.reason)
			}
		})
	}
}

func TestCertificateThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "tls", answers)
	trunk := trunkTo(p)
	trunk.TLS = nil
	require.ErrorIs(t, begin(t, newDialer(t, trunk), callTo(callee)).over().err, dialer.ErrNotPlaced)
	require.Zero(t, p.placed())
}

func TestSecureURIs(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "tls", answers)
	trunk := trunkTo(p)
	trunk.Secure = true
	begin(t, newDialer(t, trunk), callTo(callee)).ends(dialer.ClientHangup)
	invite := p.only().first
	for _, uri := range []string{invite.uri(), invite.contact(), find(uriPattern, invite.get("From")), find(uriPattern, invite.get("To"))} {
		require.True(t, strings.HasPrefix(uri, "sips:"), uri)
	}
	p.balanced()
}

// large is a call whose INVITE is too large for UDP.
func large() (dialer.Call, map[string]string) {
	call := callTo(callee)
	metadata, err := json.Marshal(map[string]string{"note": strings.Repeat("x", 1000)})
	if err != nil {
		panic(err)
	}
	call.Metadata = metadata
	return call, map[string]string{"note": "X-Note"}
}

func TestLargeInviteGoesOverTCP(t *testing.T) {
	t.Parallel()
	tcp := newPeer(t, "tcp", answers)
	trunk := trunkTo(tcp)
	trunk.Transport = sip.UDP
	call, headers := large()
	d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunk}, Headers: headers})
	begin(t, d, call).ends(dialer.ClientHangup)
	require.True(t, strings.HasPrefix(tcp.only().first.get("Via"), "SIP/2.0/TCP "))
	require.Contains(t, tcp.only().first.get("Contact"), "transport=tcp")
	tcp.balanced()
}

func TestLargeInviteOverUDP(t *testing.T) {
	t.Parallel()
	for name, allowed := range map[string]bool{"by option": true, "where there is no TCP": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", answers)
			trunk := trunkTo(p)
			trunk.LargeOverUDP = allowed
			call, headers := large()
			d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunk}, Headers: headers})
			begin(t, d, call).ends(dialer.ClientHangup)
			require.True(t, strings.HasPrefix(p.only().first.get("Via"), "SIP/2.0/UDP "))
			p.balanced()
		})
	}
}

// A re-INVITE may be as large as an INVITE: here by the Contact of the peer, which is its Request-URI. It goes
// over TCP, and what belongs to it goes to the same place.
func TestLargeReinviteGoesOverTCP(t *testing.T) {
	t.Parallel()
	moved := make(chan *message, 1)
	var tcp *peer
	udp := newPeer(t, "udp", func(l *leg) {
		contact := fmt.Sprintf("Contact: <sip:peer@%s;x=%s>", l.p.addr(), strings.Repeat("x", 900))
		l.accept("Session-Expires: 90;refresher=uac", "Allow: INVITE", contact)
		l.expect("ACK")
		reinvite := <-moved
		reinvite.answer(reinvite.response(200, "OK", "", []string{
			"Session-Expires: 90;refresher=uac", "Contact: " + tcp.contact(),
		}, sdp))
		if (<-moved).method() != "ACK" {
			l.p.t.Errorf("the answer is to be acknowledged")
		}
		l.bye()
	})
	listener, err := net.Listen("tcp", udp.addr())
	if err != nil {
		t.Skip("the port is taken for TCP")
	}
	tcp = &peer{
		t: t, transport: "tcp", host: "127.0.0.1", port: udp.port, streams: listener, legs: map[string]*leg{},
		live: map[string]*answer{}, conns: map[net.Conn]bool{}, replies: map[string]string{},
		script: func(*leg) {}, other: func(m *message) { moved <- m },
	}
	tcp.done.Go(tcp.accept)
	t.Cleanup(tcp.stop)
	begin(t, inShort(t, udp), callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, []string{"INVITE", "ACK"}, udp.only().saw())
}

func TestGarbageDoesNoHarm(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", answers)
	d := newDialer(t, trunkTo(p))
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	for _, raw := range []string{
		"", "\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "BYE", "BYE sip:x SIP/2.0\r\n\r\n", strings.Repeat("x", 60000),
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKx\r\nCSeq: 1 INVITE\r\nCall-ID: x\r\n\r\n",
	} {
		_, err := p.packets.WriteTo([]byte(raw), d.Addr())
		require.NoError(t, err)
	}
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

func TestCloseHangsUp(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.ring()
		if l.first.user() == string(callee) {
			l.accept()
		}
	})
	d := newDialer(t, trunkTo(p))
	talking := begin(t, d, callTo(callee)).reaches(dialer.Connected)
	ringing := begin(t, d, callTo(callee+"1")).reaches(dialer.Ringing)
	require.NoError(t, d.Close())
	talking.ends(dialer.APICancelled)
	ringing.ends(dialer.APICancelled)
	p.balanced()
	require.ErrorIs(t, begin(t, d, callTo(callee)).over().err, dialer.ErrNotPlaced)
}
