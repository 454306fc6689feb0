package sip_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// An answer that comes right behind a refusal, as from another branch of a fork, is hung up, and nobody is called again.
func TestAnswerRightBehindARefusal(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "udp"} {
		for _, code := range []int{603, 503, 401} {
			t.Run(fmt.Sprint(transport, code), func(t *testing.T) {
				t.Parallel()
				for range 10 {
					q := newPeer(t, "udp", answers)
					p := newPeer(t, transport, func(l *leg) {
						together := *l.first
						var both strings.Builder
						together.answer = func(s string) {
							if transport == "udp" {
								l.first.answer(s)
							}
							both.WriteString(s)
						}
						l.replyAs("a", &together, code, "No", "", (*gate)(nil).challenge(l))
						l.replyAs("b", &together, 200, "OK", sdp)
						if transport == "tcp" {
							l.first.answer(both.String())
						}
					})
					call := callTo(callee)
					call.MaxDuration = t1 // of the answer, should it be read first
					begin(t, newDialer(t, trunkWithUser(p), trunkTo(q)), call).over()
					p.only().afterwards("BYE")
					p.balanced()
					if transport == "udp" { // which may come apart
						continue
					}
					require.Equal(t, 1, p.placed())
					require.Zero(t, q.placed())
				}
			})
		}
	}
}

// So it is when the next INVITE rings already, which is then cancelled.
func TestAnswerBehindAChallengeThatWasAnswered(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		second := l.challenge(401, `Digest realm="r", nonce="n"`)
		l.reply(second, 180, "Ringing")
		l.replyAs("b", l.first, 200, "OK", sdp)
		l.expect("CANCEL")
	})
	begin(t, newDialer(t, trunkWithUser(p)), callTo(callee)).ends(dialer.DialFailed)
	<-p.only().played
	p.balanced()
}

// The BYE of a late answer is numbered behind the PRACK of its early dialog, or the peer does not take it. So is that of
// one that comes when the call is past.
func TestByeOfALateAnswerIsNumberedBehindThePrack(t *testing.T) {
	t.Parallel()
	for name, crosses := range map[string]bool{"it crosses the CANCEL": true, "the call is past": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				l.byHand("CANCEL", "BYE")
				last := 0
				for i := range 2 {
					l.reply(l.first, 183, "Progress", "Require: 100rel", fmt.Sprint("RSeq: ", i+1))
					last = l.expect("PRACK").seq()
				}
				m := l.expect("CANCEL")
				if !crosses {
					l.reply(m, 200, "OK")
					l.pause(2 * t1) // Dial has returned
				}
				l.accept()
				if crosses {
					l.reply(m, 200, "OK")
				}
				bye := l.expect("BYE")
				if bye.seq() <= last {
					l.p.t.Errorf("the PRACK had the number %d, and the BYE has %d", last, bye.seq())
				}
				l.reply(bye, 200, "OK")
			})
			call := callTo(callee)
			call.RingTimeout = 20 * t1
			begin(t, newDialer(t, trunkTo(p)), call).ends(dialer.DialNoAnswer)
			<-p.only().played
			p.balanced()
		})
	}
}

// The branch of a fork that loses is hung up by the right number, too.
func TestByeOfALostBranchIsNumberedBehindThePrack(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.byHand("BYE")
		l.replyAs("loser", l.first, 183, "Progress", "", "Require: 100rel", "RSeq: 1")
		last := l.expect("PRACK").seq()
		l.replyAs("winner", l.first, 200, "OK", sdp)
		l.expect("ACK")
		l.replyAs("loser", l.first, 200, "OK", sdp)
		bye := l.expect("BYE")
		if bye.toTag() != "loser" || bye.seq() <= last {
			l.p.t.Errorf("the PRACK had the number %d, and the BYE of %s has %d", last, bye.toTag(), bye.seq())
		}
		l.reply(bye, 200, "OK")
		l.beginAs("winner", l.first.fromTag(), 1, "BYE", "")()
	})
	begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

// A tag may have white space around it, and the answer no Contact.
func TestAnswersThatAreWrittenOddly(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"white space around the tag": {";tag=x\r\n", " ;\ttag = x\r\n"},
		"the tag in upper case":      {";tag=x\r\n", ";TAG=x\r\n"},
		"no Contact":                 {"Contact: ", "X-Contact: "},
		"a Contact that is no SIP":   {"Contact: <sip:", "Contact: <tel:+1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				m := *l.first
				m.answer = func(s string) { l.first.answer(strings.Replace(s, change[0], change[1], 1)) }
				l.replyAs("x", &m, 200, "OK", sdp)
				l.expect("ACK")
			})
			r := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).reaches(dialer.Connected)
			r.cancel(nil)
			r.ends(dialer.APICancelled)
			p.balanced()
		})
	}
}
