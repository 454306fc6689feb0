package sip_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// A peer that takes each nonce once, and does not say that one is stale, challenges two requests that are under way
// beside each other. The BYE is sent again.
func TestAByeBesideAChallengedRefresh(t *testing.T) {
	t.Parallel()
	s := &strict{}
	updating := make(chan struct{})
	p := newPeer(t, "udp", func(l *leg) {
		l.byHand("UPDATE", "BYE")
		m := l.challenge(401, s.nonce())
		l.replyAs(l.tag, m, 200, "OK", sdp, "Session-Expires: 90;refresher=uac", "Allow: UPDATE")
		l.expect("ACK")
		update := l.expect("UPDATE")
		close(updating)
		bye := l.expect("BYE")
		l.reply(update, 401, "Prove It", "WWW-Authenticate: "+s.nonce())
		update = l.expect("UPDATE")
		l.reply(bye, 401, "Prove It", "WWW-Authenticate: "+s.nonce())
		l.reply(update, 200, "OK", "Session-Expires: 90;refresher=uac")
		l.reply(l.expect("BYE"), 200, "OK")
	})
	trunk := trunkWithUser(p)
	trunk.SessionInterval = 90 * time.Second
	d := newDialer(t, trunk)
	d.SetSecond(40 * time.Millisecond)
	r := begin(t, d, callTo(callee)).reaches(dialer.Connected)
	<-updating
	r.cancel(nil)
	r.ends(dialer.APICancelled)
	<-p.only().played
	p.balanced()
}

// An answer may cross the CANCEL of a call that Close ends.
func TestCloseWaitsForTheEndOfACancelledINVITE(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.byHand("CANCEL")
		l.ring()
		l.reply(l.expect("CANCEL"), 200, "OK")
		l.pause(t1)
		l.accept()
	})
	d := newDialer(t, trunkTo(p))
	r := begin(t, d, callTo(callee)).reaches(dialer.Ringing)
	require.NoError(t, d.Close())
	r.over()
	<-p.only().played
	require.Zero(t, p.liveCalls(), "left live: %v", p.only().saw())
}

// So may one that comes when the dialer is closed: another one at its port hangs up.
func TestALateAnswerForADialerThatIsClosed(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			goOn := make(chan struct{})
			p := newPeer(t, transport, func(l *leg) {
				l.byHand("CANCEL")
				l.ring()
				l.reply(l.expect("CANCEL"), 200, "OK")
				<-goOn
				if transport == "tcp" { // its connection went with the dialer
					l.first.answer = connect(l.p, l.first.contact())
				}
				l.accept()
			})
			older, config := listenAgain(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}})
			r := begin(t, older, callTo(callee)).reaches(dialer.Ringing)
			newer, err := sip.New(config)
			require.NoError(t, err)
			defer newer.Close()
			require.NoError(t, older.Close())
			r.over()
			close(goOn)
			<-p.only().played
			p.balanced()
		})
	}
}

// A port is the same one however it is written.
func TestAPortIsSharedHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", answers)
	d, config := listenAgain(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}})
	_, port, err := net.SplitHostPort(config.Listen)
	require.NoError(t, err)
	for _, other := range []string{"localhost:" + port, "127.0.0.1:0" + port, "[::ffff:127.0.0.1]:" + port} {
		config.Listen = other
		same, err := sip.New(config)
		require.NoError(t, err, other)
		require.Equal(t, d.Addr(), same.Addr())
		require.NoError(t, same.Close())
	}
}
