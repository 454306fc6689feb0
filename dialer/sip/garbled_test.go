package sip_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// A message that cannot be read costs no connection, and none of the calls that ring there. Nor does an answer with
// a header that cannot be read cost the call.
func TestWhatCannotBeReadCostsNoConnection(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, transport string) {
		garbled := map[string]func(string) string{
			"+14155550101": instead("Contact: ", "Contact:\r\nX-Contact: "),
			"+14155550102": instead("Content-Type:", "Max-Forwards: x\r\nRefer-To: <\r\nRecord-Route: junk\r\nContent-Type:"),
			"+14155550103": instead("Content-Type:", "no header at all\r\nContent-Type:"),
			"+14155550104": instead("CSeq: 1 ", "CSeq: 1   "),
			"+14155550105": instead("SIP/2.0 200 OK", "SIP/2.0 200"),
			"+14155550106": instead("Content-Length: ", "Content-Length: some, "),
			"+14155550107": func(s string) string { return "nonsense\r\n\r\nOPTIONS nonsense SIP/2.0\r\nl: 0\r\n\r\n" + s },
		}
		if transport == "udp" { // what is behind the end of a message is dropped with the datagram
			delete(garbled, "+14155550107")
		}
		others := make(chan *leg, 1)
		p := newPeer(t, transport, func(l *leg) {
			change := garbled[l.first.user()]
			if change == nil {
				l.ring()
				others <- l
				return
			}
			m := *l.first
			m.answer = func(s string) { l.first.answer(change(s)) }
			l.replyAs(l.tag, &m, 200, "OK", sdp)
			l.expect("ACK")
			l.bye()
		})
		log := &notebook{}
		d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Logger: log.logger()})
		other := begin(t, d, callTo(callee)).reaches(dialer.Ringing)
		for number := range garbled {
			begin(t, d, callTo(dialer.Phone(number))).ends(dialer.ClientHangup)
		}
		l := <-others
		l.accept()
		l.expect("ACK")
		l.bye()
		other.ends(dialer.ClientHangup)
		p.balanced()
		p.mu.Lock()
		defer p.mu.Unlock()
		require.LessOrEqual(t, len(p.conns), 1)
		require.Equal(t, transport != "udp", log.has("cannot be read as a message"))
	})
}

func instead(old, replacement string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, replacement, 1) }
}

// A refusal that cannot be read as a whole is one all the same.
func TestARefusalWithAHeaderThatCannotBeRead(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, transport string) {
		p := newPeer(t, transport, func(l *leg) {
			m := *l.first
			m.answer = func(s string) {
				l.first.answer(strings.Replace(s, "Contact: ", "garbage\r\nRecord-Route: <\r\nContact: <", 1))
			}
			l.reply(&m, 486, "Busy Here")
		})
		begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.DialBusy)
		p.only().afterwards("ACK")
	})
}

// A wrong length costs no connection, and no call but its own, if any.
func TestAWrongLengthCostsNoOtherCall(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, transport, func(l *leg) {
				if l.first.user() != string(callee) {
					l.talk()
					l.bye()
					return
				}
				m := *l.first
				m.answer = func(s string) {
					l.first.answer(strings.Replace(s, "Content-Length: 0", "Content-Length: 2000000000", 1))
				}
				l.reply(&m, 486, "Busy Here")
			})
			d := newDialer(t, trunkTo(p))
			begin(t, d, callTo(callee)).ends(dialer.DialBusy)
			begin(t, d, callTo(callee+"1")).ends(dialer.ClientHangup)
			p.balanced()
			require.Len(t, p.open(), 1)
		})
	}
}
