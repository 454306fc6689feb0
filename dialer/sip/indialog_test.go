package sip_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// duringCall has a call in which the peer does something, then hangs up.
func duringCall(t *testing.T, s *studio, then func(*leg)) *peer {
	t.Helper()
	p := newPeer(t, "udp", func(l *leg) {
		l.talk()
		then(l)
		l.bye()
	})
	begin(t, newDialerOf(t, with(p, s)), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
	return p
}

func (l *leg) wants(m *message, code int) *message {
	if m.code() != code {
		l.p.t.Errorf("expected %d: %+v", code, m)
	}
	return m
}

// reinvite sends a re-INVITE and acknowledges the answer.
func (l *leg) reinvite(body, ackBody string, more ...string) *message {
	m := l.begin("INVITE", body, more...)()
	if m.code() == 200 {
		l.write(l.tag, l.first.fromTag(), m.seq(), "ACK", ackBody)
	}
	return m
}

func TestReinviteWithOffer(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, transport string) {
		s := &studio{}
		p := newPeer(t, transport, func(l *leg) {
			l.talk()
			hold := sdp + "a=sendonly\r\n"
			m := l.wants(l.reinvite(hold, ""), 200)
			if !strings.Contains(m.body, "reanswer") || m.contact() == "" {
				l.p.t.Errorf("the answer has to have a description and a Contact: %+v", m)
			}
			l.wants(l.reinvite(sdp, ""), 200)
			l.bye()
		})
		begin(t, newDialerOf(t, with(p, s)), callTo(callee)).ends(dialer.ClientHangup)
		require.Contains(t, s.noted(), fmt.Sprintf("reoffer %d", len(sdp)+len("a=sendonly\r\n")))
		p.balanced()
	})
}

func TestReinviteWithoutOffer(t *testing.T) {
	t.Parallel()
	s := &studio{}
	duringCall(t, s, func(l *leg) {
		m := l.wants(l.reinvite("", sdp+"a=x\r\n"), 200)
		if !strings.Contains(m.body, "ours") {
			l.p.t.Errorf("the answer has to have an offer: %+v", m)
		}
		require.Eventually(l.p.t, func() bool {
			return strings.Contains(strings.Join(s.noted(), ","), fmt.Sprintf("answer %d false", len(sdp)+len("a=x\r\n")))
		}, patience, time.Millisecond)
	})
}

func TestReinviteThatTheMediaRefuses(t *testing.T) {
	t.Parallel()
	s := &studio{reofferErr: errors.New("no codec")}
	duringCall(t, s, func(l *leg) { l.wants(l.reinvite(sdp, ""), 488) })
	require.Eventually(t, func() bool { return s.noted()[len(s.noted())-1] == "close" }, patience, time.Millisecond)
}

func TestAnswerToAReinviteIsSentUntilAcknowledged(t *testing.T) {
	t.Parallel()
	duringCall(t, &studio{}, func(l *leg) {
		await := l.begin("INVITE", sdp)
		first := l.wants(await(), 200)
		again := l.wants(await(), 200)
		if first.body != again.body {
			l.p.t.Errorf("another answer came: %+v", again)
		}
		l.wants(l.begin("INVITE", sdp)(), 491) // one offer at a time
		l.wants(l.begin("UPDATE", "")(), 200)  // which this is none of
		l.write(l.tag, l.first.fromTag(), first.seq(), "ACK", "")
		l.pause(t1)
	})
}

func TestReinviteThatIsNeverAcknowledgedEndsTheCall(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.talk()
		l.begin("INVITE", sdp)()
	})
	begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientDisconnected)
	p.only().afterwards("BYE")
	p.balanced()
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	s := &studio{}
	duringCall(t, s, func(l *leg) {
		if m := l.wants(l.begin("UPDATE", sdp)(), 200); !strings.Contains(m.body, "reanswer") {
			l.p.t.Errorf("the answer has to have a description: %+v", m)
		}
		if m := l.wants(l.begin("UPDATE", "")(), 200); m.body != "" {
			l.p.t.Errorf("an UPDATE without offer has no answer: %+v", m)
		}
	})
}

func TestUpdateBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.ring()
		l.pause(10 * time.Millisecond)
		l.wants(l.begin("UPDATE", sdp)(), 200)
		l.accept()
		l.expect("ACK")
		l.bye()
	})
	begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

func TestOtherRequestsInTheCall(t *testing.T) {
	t.Parallel()
	duringCall(t, &studio{}, func(l *leg) {
		if m := l.wants(l.begin("OPTIONS", "")(), 200); !strings.Contains(m.get("Allow"), "UPDATE") {
			l.p.t.Errorf("it is to be said what is allowed: %+v", m)
		}
		l.wants(l.begin("INFO", "")(), 200)
		l.wants(l.begin("REFER", "")(), 405)
		l.wants(l.begin("INFO", "", "Require: path, timer")(), 420)
		l.seq = 20
		l.wants(l.begin("INFO", "")(), 200)
		l.wants(l.beginAs(l.tag, l.first.fromTag(), 3, "INFO", "")(), 500)
		l.seq = 30
	})
}

func TestKeysToldByInfo(t *testing.T) {
	t.Parallel()
	s := &studio{}
	duringCall(t, s, func(l *leg) {
		const relay, plain = "Content-Type: application/dtmf-relay", "Content-Type: Application/DTMF"
		for _, told := range []struct{ body, kind string }{
			{"Signal=5\r\nDuration=160\r\n", relay}, {"signal= *\r\n", relay}, {"Signal=11", relay}, {"d", plain}, {"0\r\n", plain},
			{"Signal=12\r\n", relay}, {"flash", plain}, // no keys
		} {
			l.wants(l.begin("INFO", told.body, told.kind)(), 200)
		}
		m := l.wants(l.begin("INFO", "<x/>", "Content-Type: application/media_control+xml")(), 415)
		if !strings.Contains(m.get("Accept"), "application/dtmf-relay") {
			l.p.t.Errorf("it has to be said what is understood: %+v", m.fields)
		}
	})
	var keys []string
	for _, note := range s.noted() {
		if key, ok := strings.CutPrefix(note, "key "); ok {
			keys = append(keys, key)
		}
	}
	require.Equal(t, []string{"5", "*", "#", "D", "0"}, keys)
}

func TestByeWithAWrongTag(t *testing.T) {
	t.Parallel()
	duringCall(t, &studio{}, func(l *leg) {
		l.wants(l.beginAs("wrong", l.first.fromTag(), 1, "BYE", "")(), 481)
		l.wants(l.beginAs(l.tag, "wrong", 2, "BYE", "")(), 481)
		l.seq = 2
	})
}

func TestTheNewContactIsUsed(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"INVITE", "UPDATE"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			moved := make(chan struct{})
			p := newPeer(t, "udp", func(l *leg) {
				defer close(moved)
				l.talk()
				contact := fmt.Sprintf("Contact: <sip:moved@%s>", l.p.addr())
				if method == "INVITE" {
					l.wants(l.reinvite(sdp, "", contact), 200)
				} else {
					l.wants(l.begin("UPDATE", "", contact)(), 200)
				}
			})
			r := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).reaches(dialer.Connected)
			<-moved
			r.cancel(nil)
			r.ends(dialer.APICancelled)
			require.Equal(t, "sip:moved@"+p.addr(), p.only().afterwards("BYE").uri())
			p.balanced()
		})
	}
}

func TestReliableProvisionalResponses(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.replyAs(l.tag, l.first, 183, "Session Progress", sdp, "Require: 100rel", "RSeq: 7")
		prack := l.expect("PRACK")
		if prack.get("RAck") != fmt.Sprintf("7 %d INVITE", l.first.seq()) || prack.toTag() != l.tag {
			l.p.t.Errorf("the PRACK is wrong: %+v", prack.fields)
		}
		l.replyAs(l.tag, l.first, 183, "Session Progress", sdp, "Require: 100rel", "RSeq: 7") // again
		l.replyAs(l.tag, l.first, 180, "Ringing", "", "Require: 100rel", "RSeq: 9")           // 8 is missing
		l.replyAs(l.tag, l.first, 180, "Ringing", "", "Require: 100rel", "RSeq: 8")           // here it is
		if prack = l.expect("PRACK"); !strings.HasPrefix(prack.get("RAck"), "8 ") {
			l.p.t.Errorf("the PRACK is wrong: %+v", prack.fields)
		}
		l.replyAs(l.tag, l.first, 200, "OK", "") // the description was in the 183
		l.expect("ACK")
		l.bye()
	})
	s := &studio{}
	begin(t, newDialerOf(t, with(p, s)), callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, []string{"INVITE", "PRACK", "PRACK", "ACK"}, p.only().saw())
	require.Contains(t, p.only().first.get("Supported"), "100rel")
	require.Contains(t, s.noted(), fmt.Sprintf("answer %d false", len(sdp)))
	p.balanced()
}

// The route set is the Record-Route headers in reverse (RFC 3261, section 12.1.2), with the
// target in the Request-URI behind a loose router, and last behind a strict one.
func TestRoutes(t *testing.T) {
	t.Parallel()
	for name, near := range map[string]string{"loose": ";lr", "strict": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const far = "sip:far.carrier.test;lr"
			proxy := func(p *peer) string { return "sip:near@" + p.addr() + near }
			p := newPeer(t, "udp", func(l *leg) {
				l.route = []string{"<" + far + ">", "<" + proxy(l.p) + ">"}
				l.replyAs(l.tag, l.first, 200, "OK", sdp, "Contact: <sip:callee@192.0.2.99:5999>")
				l.expect("ACK")
			})
			r := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).reaches(dialer.Connected)
			r.cancel(nil)
			r.ends(dialer.APICancelled)
			bye := p.only().afterwards("BYE")
			target := "sip:callee@192.0.2.99:5999"
			if near == "" {
				require.Equal(t, proxy(p), bye.uri())
				require.Equal(t, []string{"<" + far + ">", "<" + target + ">"}, bye.all("Route"))
			} else {
				require.Equal(t, target, bye.uri())
				require.Equal(t, []string{"<" + proxy(p) + ">", "<" + far + ">"}, bye.all("Route"))
			}
			p.balanced()
		})
	}
}

func TestContactThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "tcp", func(l *leg) {
		l.replyAs(l.tag, l.first, 200, "OK", sdp, "Contact: <sip:callee@unknown.invalid>")
		l.expect("ACK")
	})
	r := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).reaches(dialer.Connected)
	r.cancel(nil)
	r.ends(dialer.APICancelled)
	require.Equal(t, "sip:callee@unknown.invalid", p.only().afterwards("BYE").uri())
	p.balanced()
}

// The ACK of one re-INVITE is none of another.
func TestTheACKOfAnotherReinvite(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.talk()
		m := l.begin("INVITE", sdp)()
		l.wants(m, 200)
		l.write(l.tag, l.first.fromTag(), m.seq()-1, "ACK", "")
		for again := range l.responses { // the answer comes again
			if again.method() == "INVITE" && again.code() == 200 {
				break
			}
		}
		l.write(l.tag, l.first.fromTag(), m.seq(), "ACK", "")
		l.bye()
	})
	begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}
