package sip_test

import (
	"encoding/json"
	"net"
	"strings"
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
			p.only().expect("CANCEL") // over another connection, like the ACK of what it brings about
			p.only().expect("ACK")
			require.Zero(t, q.placed())
			p.balanced()
		})
	}
}

func TestConnectionLostInTheCall(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			talking := make(chan struct{}, 2)
			p := newPeer(t, transport, func(l *leg) {
				l.talk()
				talking <- struct{}{}
			})
			d := newDialer(t, trunkTo(p))
			r := begin(t, d, callTo(callee)).reaches(dialer.Connected)
			<-talking
			p.drop()
			r.ends(dialer.ClientDisconnected)
			p.only().expect("BYE")
			p.balanced()
			again := begin(t, d, callTo(callee)).reaches(dialer.Connected) // over a new connection
			again.cancel(nil)
			again.ends(dialer.APICancelled)
			p.balanced()
		})
	}
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

// What a stranger sends is dropped before it is read: from another address of the loopback.
func TestStrangersAreNotHeard(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) { l.talk() })
	d := newDialer(t, trunkTo(p))
	r := begin(t, d, callTo(callee)).reaches(dialer.Connected)
	stranger, err := net.ListenPacket("udp", "127.0.0.2:0")
	require.NoError(t, err)
	defer stranger.Close()
	l := p.only()
	byes := readMessage("BYE " + l.first.contact() + " SIP/2.0\r\n" + "Via: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKx;rport\r\n" +
		"From: <sip:x@x>;tag=" + l.tag + "\r\nTo: <sip:y@y>;tag=" + l.first.fromTag() + "\r\nCall-ID: " + l.id + "\r\nCSeq: 1 BYE\r\n\r\n")
	for _, raw := range []string{byes.raw, "garbage", "OPTIONS sip:x SIP/2.0\r\n\r\n"} {
		_, err = stranger.WriteTo([]byte(raw), d.Addr())
		require.NoError(t, err)
	}
	require.NoError(t, stranger.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	_, _, err = stranger.ReadFrom(make([]byte, 2048))
	require.Error(t, err, "a stranger gets no answer")
	select {
	case <-r.done:
		require.Fail(t, "a stranger has ended the call")
	default:
	}
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext(t.Context(), "tcp", d.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorContains(t, err, "EOF", "the connection is closed")
	r.cancel(nil)
	r.ends(dialer.APICancelled)
	p.balanced()
}

// ask sends a request that belongs to no call, and returns the response, if there is one soon.
func (p *peer) ask(d *sip.Dialer, method, toTag string) *message {
	answered := make(chan *message, 1)
	p.mu.Lock()
	p.other = func(m *message) { answered <- m }
	p.mu.Unlock()
	raw := method + " sip:x@" + d.Addr().String() + " SIP/2.0\r\nVia: SIP/2.0/UDP " + p.addr() + ";branch=z9hG4bK" + method + toTag +
		"\r\nFrom: <sip:x@x>;tag=1\r\nTo: <sip:y@y>" + toTag + "\r\nCall-ID: unknown\r\nCSeq: 1 " + method + "\r\nContact: <sip:x@" + p.addr() + ">\r\n\r\n"
	_, err := p.packets.WriteTo([]byte(raw), d.Addr())
	require.NoError(p.t, err)
	timer := time.NewTimer(500 * time.Millisecond)
	defer timer.Stop()
	select {
	case m := <-answered:
		return m
	case <-timer.C:
		return nothing
	}
}

func TestRequestsForNoCall(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", answers)
	d := newDialer(t, trunkTo(p))
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup) // now the peer is known
	require.Equal(t, nothing, p.ask(d, "INVITE", ""))
	require.Equal(t, nothing, p.ask(d, "MESSAGE", ""))
	require.Equal(t, nothing, p.ask(d, "ACK", ";tag=2"))
	require.Equal(t, 200, p.ask(d, "OPTIONS", "").code())
	require.Equal(t, 481, p.ask(d, "BYE", ";tag=2").code())
	require.Equal(t, 481, p.ask(d, "UPDATE", ";tag=2").code())
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
