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
// test: 90 are 7.2 seconds.
func inShort(t *testing.T, p *peer) *sip.Dialer {
	t.Helper()
	trunk := trunkTo(p)
	trunk.SessionInterval = 90 * time.Second
	d := newDialer(t, trunk)
	d.SetSecond(80 * time.Millisecond)
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
			l.pause(1800 * time.Millisecond)
			m := l.wants(l.begin("UPDATE", "", "Session-Expires: 90;refresher=uac", "Supported: timer")(), 200)
			if m.get("Session-Expires") != "90;refresher=uac" || m.get("Require") != "timer" {
				l.p.t.Errorf("the answer is wrong: %+v", m.fields)
			}
		}
		l.wants(l.begin("UPDATE", "", "Session-Expires: 60")(), 422)
	})
	o := begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientDisconnected)
	require.Equal(t, "the session expired", o.Message)
	require.Greater(t, o.EndedAt.Sub(o.ConnectedAt), 5400*time.Millisecond)
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

// Who knows no session timers does not refresh: we do (RFC 4028, section 9).
func TestTheRefresherIsWhoCan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer   string   // the peer's, to our INVITE
		says     []string // in its UPDATE
		expires  string
		required string
	}{
		"a proxy asks for one":           {"X-No: timer", []string{"Session-Expires: 90"}, "90;refresher=uas", ""},
		"who asks has never heard of it": {"X-No: timer", []string{"Session-Expires: 90;refresher=uac"}, "90;refresher=uas", ""},
		"who asks wants us to": {
			"X-No: timer", []string{"Session-Expires: 90;refresher=uas", "Supported: timer"}, "90;refresher=uas", "",
		},
		"who asks does it": {"X-No: timer", []string{"Session-Expires: 90", "Supported: timer"}, "90;refresher=uac", "timer"},
		"compact forms":    {"X-No: timer", []string{"x: 90", "k: timer"}, "90;refresher=uac", "timer"},
		"nothing is said of the one that runs": {
			"Session-Expires: 90;refresher=uas", []string{"Supported: timer"}, "90;refresher=uas", "",
		},
		"nothing is said of one that does not run": {"X-No: timer", []string{"Supported: timer"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				l.talk(c.answer, "Allow: UPDATE")
				m := l.wants(l.begin("UPDATE", "", c.says...)(), 200)
				if m.get("Session-Expires") != c.expires || m.get("Require") != c.required {
					l.p.t.Errorf("the answer is wrong: %+v", m.fields)
				}
				if c.expires == "90;refresher=uas" {
					l.expect("UPDATE") // of ours
				}
				l.bye()
			})
			d := inShort(t, p)
			d.SetSecond(160 * time.Millisecond) // a busy machine may take its time to ask
			begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
			p.balanced()
		})
	}
}

func TestARefreshThatIsNeverTakenDoesNotEndTheCall(t *testing.T) {
	t.Parallel()
	for _, code := range []int{403, 405, 488, 501} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				l.byHand("UPDATE")
				l.accept("Session-Expires: 90;refresher=uac", "Allow: INVITE, UPDATE")
				l.expect("ACK")
				l.reply(l.expect("UPDATE"), code, "No")
				l.reply(l.expect("INVITE"), code, "No")
				l.expect("ACK")
				l.pause(8 * time.Second) // longer than the session would have lasted
				l.bye()
			})
			begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientHangup)
			require.Equal(t, []string{"INVITE", "ACK", "UPDATE", "INVITE", "ACK"}, p.only().saw(), "nothing is tried again")
			p.balanced()
		})
	}
}

// Half of half an hour is a long time to ask again and again.
func TestRefreshesThatAreRefusedAreNoStorm(t *testing.T) {
	t.Parallel()
	for code, most := range map[int]int{500: 6, 404: 6, 491: 20} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				l.byHand("UPDATE")
				l.accept("Session-Expires: 1800;refresher=uac", "Allow: UPDATE")
				l.expect("ACK")
				l.refuseAll("UPDATE", code)
			})
			trunk := trunkTo(p)
			trunk.SessionInterval = 30 * time.Minute
			d := newDialer(t, trunk)
			d.SetSecond(2 * time.Millisecond)
			o := begin(t, d, callTo(callee)).ends(dialer.ClientDisconnected)
			require.Equal(t, "the session expired", o.Message)
			updates := 0
			for _, method := range p.only().saw() {
				if method == "UPDATE" {
					updates++
				}
			}
			require.LessOrEqual(t, updates, most)
			require.GreaterOrEqual(t, updates, 5, "it was tried")
			p.balanced()
		})
	}
}

func TestARefreshThatIsAnsweredWithoutADescriptionIsTaken(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.accept("Session-Expires: 90;refresher=uac", "Allow: INVITE")
		l.expect("ACK")
		for range 2 {
			l.replyAs(l.tag, l.expect("INVITE"), 200, "OK", "", "Session-Expires: 90;refresher=uac")
			l.expect("ACK")
		}
		l.bye()
	})
	begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

// 90 seconds are the least that RFC 4028 allows.
func TestAnIntervalThatIsTooShortIsNotTakenAtItsWord(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.talk("Session-Expires: 2;refresher=uac", "Allow: UPDATE")
		l.pause(time.Second) // 12 seconds
		l.bye()
	})
	begin(t, inShort(t, p), callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, []string{"INVITE", "ACK"}, p.only().saw())
}
