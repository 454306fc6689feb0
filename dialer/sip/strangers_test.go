package sip_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

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
	p.other = func(m *message) {
		if m.method() != method { // another response comes again that was not acknowledged
			return
		}
		select {
		case answered <- m:
		default:
		}
	}
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
	require.Equal(t, 480, p.ask(d, "INVITE", "").code(), "a callee that calls back")
	require.Equal(t, 405, p.ask(d, "MESSAGE", "").code())
	require.Equal(t, nothing, p.ask(d, "ACK", ";tag=2"))
	require.Equal(t, 200, p.ask(d, "OPTIONS", "").code())
	require.Equal(t, 481, p.ask(d, "BYE", ";tag=2").code())
	require.Equal(t, 481, p.ask(d, "UPDATE", ";tag=2").code())
}

func TestIncomingCallsAreRefusedAsConfigured(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", answers)
	d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Incoming: 403})
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, 403, p.ask(d, "INVITE", "").code())
}
