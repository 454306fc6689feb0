package sip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// A connection that only this side still knows of is replaced as soon as an OPTIONS is not answered by it.
func TestAConnectionThatIsForgottenIsReplaced(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "tcp", answers)
	asked := make(chan struct{}, 1)
	p.mu.Lock()
	p.other = func(m *message) {
		p.mu.Lock()
		conns := len(p.conns)
		p.mu.Unlock()
		select {
		case asked <- struct{}{}: // the first is answered, and then nothing more on that connection
			m.answer(m.response(200, "OK", "x", nil, ""))
		default:
			if conns > 1 {
				m.answer(m.response(200, "OK", "x", nil, ""))
			}
		}
	}
	p.mu.Unlock()
	trunk := trunkTo(p)
	trunk.KeepAlive = 300 * time.Millisecond
	d := newDialer(t, trunk)
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.conns) > 1
	}, patience, 5*time.Millisecond, "no other connection is opened")
	require.Eventually(t, func() bool { return d.Servers()[0].State == sip.ServerUp }, patience, 5*time.Millisecond)
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

// The same where an INVITE is not answered.
func TestAConnectionWithoutAnswersToAnInviteIsReplaced(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "tcp", func(l *leg) {
		if l.p.placed() > 1 {
			answers(l)
		}
	})
	d := newDialer(t, trunkTo(p))
	call := callTo(callee)
	call.RingTimeout = time.Second
	begin(t, d, call).ends(dialer.Error)
	d.EndRests()
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	p.mu.Lock()
	conns := len(p.conns)
	p.mu.Unlock()
	require.Equal(t, 2, conns)
	p.balanced()
}

// The BYE of a call may come from the server that its Contact names, wherever we send ours.
func TestSameAddressStillHearsTheContact(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"of the answer": false, "of the ringing": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			elsewhere := newPeerAt(t, "127.0.0.3", "udp", nil)
			named := "Contact: " + elsewhere.contact()
			p := newPeer(t, "udp", func(l *leg) {
				if early {
					l.reply(l.current(), 180, "Ringing", named)
					l.accept()
				} else {
					l.accept(named)
				}
				l.expect("ACK")
				l.first.answer = func(s string) { _, _ = elsewhere.packets.WriteTo([]byte(s), udpAddr(l.p.t, l.first.contact())) }
				l.write(l.tag, l.first.fromTag(), 1, "BYE", "")
				l.book(l.tag, func(a *answer) { a.over = true })
			})
			trunk := trunkTo(p)
			trunk.SameAddress = true
			begin(t, newDialer(t, trunk), callTo(callee)).ends(dialer.ClientHangup)
		})
	}
}
