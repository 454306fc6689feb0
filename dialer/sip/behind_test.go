package sip_test

import (
	"crypto/md5"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

const proxyChallenge = `Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"`

// A challenge behind a provisional response that is no 180 is answered, at the same trunk. That the first INVITE
// seemed to ring is forgotten when the phone does.
func TestChallengesBehindProvisionalResponses(t *testing.T) {
	t.Parallel()
	for _, code := range []int{181, 182, 183} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			rang := make(chan time.Time, 1)
			p := newPeer(t, "udp", func(l *leg) {
				l.reply(l.first, code, "Progress", "Require: 100rel", "RSeq: 7")
				l.expect("PRACK")
				l.reply(l.first, 407, "Prove It", proxyChallenge)
				l.expect("ACK")
				second := l.expect("INVITE")
				if !proves(second, "Proxy-Authorization", "n", md5.New) {
					l.p.t.Errorf("the credentials are wrong: %+v", second.fields)
				}
				rang <- time.Now()
				l.reply(second, 180, "Ringing", "Require: 100rel", "RSeq: 1") // of the same tag, numbered anew
				l.expect("PRACK")
				l.accept()
				l.expect("ACK")
				l.bye()
			})
			q := newPeer(t, "udp", answers)
			o := begin(t, newDialer(t, trunkWithUser(p), trunkTo(q)), callTo(callee)).ends(dialer.ClientHangup)
			require.False(t, o.RangAt.Before(<-rang), "it rang when the phone did")
			require.Equal(t, []string{"INVITE", "PRACK", "ACK", "INVITE", "PRACK", "ACK"}, p.only().saw())
			require.Zero(t, q.placed())
			p.balanced()
		})
	}
}

// What comes of the second INVITE is the end, and no other trunk is asked.
func TestRefusalsBehindALateChallenge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code   int
		reason dialer.EndReason
	}{
		"503": {503, dialer.DialFailed}, "408, though nothing rang": {408, dialer.DialFailed}, "486": {486, dialer.DialBusy},
		"challenged again": {407, dialer.DialFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				l.reply(l.first, 183, "Progress")
				l.pause(20 * time.Millisecond)
				l.reply(l.first, 407, "Prove It", proxyChallenge)
				l.expect("ACK")
				l.reply(l.expect("INVITE"), c.code, "No", proxyChallenge)
			})
			q := newPeer(t, "udp", answers)
			o := begin(t, newDialer(t, trunkWithUser(p), trunkTo(q)), callTo(callee)).ends(c.reason)
			require.False(t, o.RangAt.IsZero(), "which was reported")
			require.NotContains(t, o.Details, "ringing_at")
			require.Equal(t, 2, p.placed())
			require.Zero(t, q.placed())
		})
	}
}

// A 180 is a phone that rang, however close the challenge is behind it; a 183 with a description may be one, which a
// gateway plays.
func TestNoPhoneRingsTwiceForAChallenge(t *testing.T) {
	t.Parallel()
	for name, ring := range map[string]func(*leg){
		"180": (*leg).ring,
		"183": func(l *leg) { l.replyAs("gateway", l.first, 183, "Progress", sdp) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 10 {
				p := newPeer(t, "udp", func(l *leg) {
					l.reply(l.first, 183, "Progress")
					ring(l)
					l.reply(l.first, 407, "Prove It", proxyChallenge)
				})
				o := begin(t, newDialer(t, trunkWithUser(p)), callTo(callee)).ends(dialer.DialFailed)
				require.Contains(t, o.Message, "a phone may have rung")
				require.Equal(t, 1, p.placed())
			}
		})
	}
}

// A call that seemed to ring is no other trunk's, and was placed, though nobody is there for the INVITE with credentials.
func TestNobodyIsThereBehindALateChallenge(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			q := newPeer(t, "udp", answers)
			p := newPeer(t, transport, func(l *leg) {
				l.reply(l.first, 183, "Progress")
				l.pause(20 * time.Millisecond)
				if transport == "tcp" {
					_ = l.p.streams.Close()
				}
				l.reply(l.first, 407, "Prove It", proxyChallenge)
				if transport == "udp" {
					_ = l.p.packets.Close()
					return
				}
				l.p.drop()
			})
			begin(t, newDialer(t, trunkWithUser(p), trunkTo(q)), callTo(callee)).ends(dialer.Error)
			require.Zero(t, q.placed())
		})
	}
}
