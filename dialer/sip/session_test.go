package sip_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// inShort is a dialer whose seconds are short, so that a session of 90 of them passes in a
// test: 90 are 3.6 seconds.
func inShort(t *testing.T, p *peer) *sip.Dialer {
	t.Helper()
	trunk := trunkTo(p)
	trunk.SessionInterval = 90 * time.Second
	d := newDialer(t, trunk)
	d.SetSecond(40 * time.Millisecond)
	return d
}

func TestWeRefreshTheSession(t *testing.T) {
	t.Parallel()
	for method, allow := range map[string]string{"UPDATE": "INVITE, UPDATE", "INVITE": "INVITE"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				l.byHand("UPDATE")
				l.accept("Session-Expires: 90;refresher=uac", "Allow: "+allow)
				l.expect("ACK")
				for range 2 {
					m := l.expect(method)
					if m.get("Session-Expires") != "90;refresher=uac" {
						l.p.t.Errorf("the refresh is wrong: %+v", m.fields)
					}
					body := ""
					if method == "INVITE" {
						body = sdp
					}
					l.replyAs(l.tag, m, 200, "OK", body, "Session-Expires: 90;refresher=uac")
				}
				l.bye()
			})
			begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientHangup)
			require.Equal(t, "90", p.only().first.get("Session-Expires"))
			p.balanced()
		})
	}
}

func TestRefreshThatIsNotAllowedIsTriedAsReinvite(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.byHand("UPDATE")
		l.accept("Session-Expires: 90;refresher=uac", "Allow: INVITE, UPDATE")
		l.reply(l.expect("UPDATE"), 405, "Method Not Allowed")
		l.replyAs(l.tag, l.expect("INVITE"), 200, "OK", sdp, "Session-Expires: 90;refresher=uac")
		l.expect("ACK")
		l.bye()
	})
	begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

func TestRefreshesThatFail(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(*leg){
		"481":      func(l *leg) { l.reply(l.expect("UPDATE"), 481, "Gone") },
		"408":      func(l *leg) { l.reply(l.expect("UPDATE"), 408, "Timeout") },
		"no reply": func(l *leg) { l.expect("UPDATE") },
		"500":      func(l *leg) { l.refuseAll("UPDATE", 500) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				l.byHand("UPDATE")
				l.accept("Session-Expires: 90;refresher=uac", "Allow: UPDATE")
				l.expect("ACK")
				script(l)
			})
			o := begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientDisconnected)
			require.False(t, o.ConnectedAt.IsZero())
			require.Contains(t, p.only().saw(), "UPDATE")
			p.balanced()
			require.Contains(t, p.only().saw(), "BYE")
		})
	}
}

// refuseAll refuses every request of the method from now on.
func (l *leg) refuseAll(method string, code int) {
	for {
		select {
		case m := <-l.requests:
			if m.method() == method {
				l.reply(m, code, "No")
			}
		case <-l.closed:
			return
		}
	}
}

func TestThePeerRefreshesTheSession(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.accept("Session-Expires: 90;refresher=uas", "Require: timer")
		l.expect("ACK")
		for range 3 {
			l.pause(900 * time.Millisecond)
			m := l.wants(l.begin("UPDATE", "", "Session-Expires: 90;refresher=uac")(), 200)
			if m.get("Session-Expires") != "90;refresher=uac" || m.get("Require") != "timer" {
				l.p.t.Errorf("the answer is wrong: %+v", m.fields)
			}
		}
		l.wants(l.begin("UPDATE", "", "Session-Expires: 60")(), 422)
	})
	o := begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientDisconnected)
	require.Equal(t, "the session expired", o.Message)
	require.Greater(t, o.EndedAt.Sub(o.ConnectedAt), 2700*time.Millisecond)
	p.balanced()
}

func TestTheSessionMayNotBeAsShort(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.reply(l.first, 422, "Session Interval Too Small", "Min-SE: 120")
		l.expect("ACK")
		again := l.expect("INVITE")
		if again.get("Session-Expires") != "120" || again.get("Min-SE") != "120" {
			l.p.t.Errorf("the INVITE is wrong: %+v", again.fields)
		}
		l.talk("Session-Expires: 120;refresher=uac", "Allow: UPDATE")
		l.expect("UPDATE")
		l.bye()
	})
	begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

func TestNoSessionTimerUnlessThePeerWantsOne(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.talk("Allow: UPDATE")
		l.pause(500 * time.Millisecond)
		l.bye()
	})
	begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, []string{"INVITE", "ACK"}, p.only().saw())
	p.balanced()
}

func TestGlareOfRefreshes(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.accept("Session-Expires: 90;refresher=uac", "Allow: INVITE")
		l.expect("ACK")
		theirs := l.expect("INVITE")
		l.wants(l.begin("INVITE", sdp)(), 491)
		l.reply(theirs, 491, "Request Pending")
		l.expect("ACK")
		again := l.expect("INVITE")
		l.replyAs(l.tag, again, 200, "OK", sdp, fmt.Sprintf("Session-Expires: %d;refresher=uac", 90))
		l.expect("ACK")
		l.bye()
	})
	begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}
