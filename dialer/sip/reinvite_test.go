package sip_test

import (
	"testing"

	"github.com/outdial/outdial/dialer"
)

// The answer to a re-INVITE whose connection was lost comes by the next one, and is acknowledged there.
func TestReinviteWhoseConnectionIsLost(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "tcp", func(l *leg) {
		l.byHand("CANCEL")
		l.talk("Session-Expires: 90;refresher=uac", "Require: timer")
		lost := l.expect("INVITE")
		l.reply(lost, 100, "Trying")
		l.pause(t1 / 2)
		l.p.drop()
		again := l.expect("INVITE")
		l.first.answer, lost.answer = again.answer, again.answer
		l.reply(again, 491, "Request Pending")
		l.replyAs(l.tag, lost, 200, "OK", sdp)
		for m := l.expect("ACK"); m != nothing && m.seq() != lost.seq(); {
			m = l.expect("ACK")
		}
		l.bye()
	})
	begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientHangup)
}
