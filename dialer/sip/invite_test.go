package sip_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
	"github.com/outdial/outdial/dialer/sip/media"
)

func with(p *peer, s *studio) sip.Config {
	return sip.Config{Trunks: []sip.Trunk{trunkTo(p)}, Media: s}
}

func TestProvisionalResponsesHaveNoLimit(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		for range 30 {
			l.reply(l.first, 183, "Session Progress")
			l.ring()
			l.pause(time.Millisecond)
		}
		l.accept()
		l.expect("ACK")
		l.bye()
	})
	begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, []string{"INVITE", "ACK"}, p.only().saw())
	p.balanced()
}

func TestEarlyMediaIsHeard(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.replyAs(l.tag, l.first, 183, "Session Progress", sdp)
		l.pause(20 * time.Millisecond)
		l.accept()
		l.expect("ACK")
		l.bye()
	})
	s := &studio{}
	o := begin(t, newDialerOf(t, with(p, s)), callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, "7", o.Details["media_packets"])
	early, final := fmt.Sprintf("answer %d true", len(sdp)), fmt.Sprintf("answer %d false", len(sdp))
	require.Eventually(t, func() bool { return slices.Contains(s.noted(), "close") }, patience, time.Millisecond)
	require.Equal(t, []string{"open", "offer", early, final, "run", "stop true", "close"}, s.noted())
	p.balanced()
}

func TestRingTimeoutIsCancelled(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) { l.ring() })
	call := callTo(callee)
	call.RingTimeout = 50 * time.Millisecond
	r := begin(t, newDialer(t, trunkTo(p)), call)
	r.ends(dialer.DialNoAnswer)
	require.GreaterOrEqual(t, r.took, call.RingTimeout)
	l := p.only()
	l.expect("ACK")
	require.Equal(t, []string{"INVITE", "CANCEL", "ACK"}, l.saw())
	p.balanced()
}

func TestCancelMatchesItsInvite(t *testing.T) {
	t.Parallel()
	cancels := make(chan *message, 1)
	p := newPeer(t, "udp", func(l *leg) {
		l.byHand("CANCEL")
		l.ring()
		m := l.expect("CANCEL")
		cancels <- m
		l.cancel(m)
	})
	r := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).reaches(dialer.Ringing)
	r.cancel(nil)
	r.ends(dialer.APICancelled)
	cancel, invite := <-cancels, p.only().first
	require.Equal(t, invite.all("Via"), cancel.all("Via"))
	require.Equal(t, invite.uri(), cancel.uri())
	require.Equal(t, invite.seq(), cancel.seq())
	require.Equal(t, invite.get("From"), cancel.get("From"))
	require.Equal(t, invite.get("To"), cancel.get("To"))
	p.only().afterwards("ACK")
	p.balanced()
}

// The answer crosses the CANCEL, at once or as late as an answer may come.
func TestAnswerThatCrossesTheCancelIsHungUp(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{0, 20 * t1, 50 * t1} {
		t.Run(late.String(), func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				l.byHand("CANCEL")
				l.ring()
				l.reply(l.expect("CANCEL"), 200, "OK")
				l.pause(late)
				l.accept()
			})
			call := callTo(callee)
			call.RingTimeout = 8 * t1 // long enough for the 180 to be heard first
			r := begin(t, newDialer(t, trunkTo(p)), call)
			o := r.ends(dialer.DialNoAnswer)
			require.True(t, o.ConnectedAt.IsZero())
			require.Less(t, r.took, 20*t1, "Dial returns without waiting for it")
			p.only().afterwards("BYE")
			require.Equal(t, []string{"INVITE", "CANCEL", "ACK", "BYE"}, p.only().saw())
			p.balanced()
		})
	}
}

func TestRingTimeoutInSilence(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]struct {
		script func(*leg)
		saw    []string
	}{
		"nothing comes": {func(*leg) {}, []string{"INVITE"}},
		"it rings late": {func(l *leg) { l.pause(10 * t1); l.ring() }, []string{"INVITE", "CANCEL", "ACK"}},
		"it is answered late": {
			func(l *leg) { l.pause(10 * t1); l.accept() },
			[]string{"INVITE", "ACK", "BYE"},
		},
		"it is refused late": {
			func(l *leg) { l.pause(10 * t1); l.reply(l.first, 404, "Not Found") },
			[]string{"INVITE", "ACK"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", then.script)
			call := callTo(callee)
			call.RingTimeout = 30 * time.Millisecond
			r := begin(t, newDialer(t, trunkTo(p)), call)
			r.ends(dialer.Error)
			require.Less(t, r.took, 8*t1)
			require.Eventually(t, func() bool { return slices.Equal(then.saw, p.only().saw()) }, patience, time.Millisecond)
			p.balanced()
		})
	}
}

// Two branches of a fork answer. The first is the call, the other is hung up by itself.
func TestForkedAnswers(t *testing.T) {
	t.Parallel()
	for _, apart := range []time.Duration{0, 5 * time.Millisecond, 20 * t1} {
		t.Run(apart.String(), func(t *testing.T) {
			t.Parallel()
			byes := make(chan *message, 2)
			p := newPeer(t, "udp", func(l *leg) {
				l.replyAs("one", l.first, 180, "Ringing", "")
				l.replyAs("two", l.first, 180, "Ringing", "")
				l.replyAs("one", l.first, 200, "OK", sdp)
				for range 3 { // as long as there is no ACK, an answer is sent again
					l.pause(apart)
					l.replyAs("two", l.first, 200, "OK", sdp)
					l.pause(t1)
				}
				byes <- l.expect("BYE")
			})
			r := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).reaches(dialer.Connected)
			hungUp := (<-byes).toTag()
			if apart > 0 { // else either may be the first
				require.Equal(t, "two", hungUp)
			}
			require.Equal(t, 1, p.liveCalls())
			r.cancel(nil)
			r.ends(dialer.APICancelled)
			require.NotEqual(t, hungUp, p.only().afterwards("BYE").toTag())
			p.balanced()
		})
	}
}

// The second branch answers when the call with the first is over.
func TestForkedAnswerAfterTheCall(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.talk()
		l.bye()
		l.pause(20 * t1)
		l.replyAs("second", l.first, 200, "OK", sdp)
	})
	begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, "second", p.only().afterwards("BYE").toTag())
	p.balanced()
}

func TestAnswerThatComesAgainIsAcknowledgedAgain(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.accept()
		first := l.expect("ACK")
		for range 3 {
			l.pause(t1)
			l.accept()
			again := l.expect("ACK")
			if again.branch() != first.branch() || again.toTag() != first.toTag() {
				l.p.t.Errorf("another ACK came: %+v", again)
			}
		}
		l.bye()
	})
	begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, []string{"INVITE", "ACK", "ACK", "ACK", "ACK"}, p.only().saw())
	p.balanced()
}

func TestMaxDurationEndsWithABye(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) { l.talk() })
	call := callTo(callee)
	call.MaxDuration = 60 * time.Millisecond
	o := begin(t, newDialer(t, trunkTo(p)), call).ends(dialer.MaxDuration)
	require.GreaterOrEqual(t, o.EndedAt.Sub(o.ConnectedAt), call.MaxDuration)
	p.only().afterwards("BYE")
	p.balanced()
}

func TestTheMediaEndsTheCall(t *testing.T) {
	t.Parallel()
	for reason, err := range map[dialer.EndReason]error{
		dialer.AgentHangup: nil, dialer.Inactivity: media.ErrInactive,
		dialer.ClientDisconnected: media.ErrDisconnected, dialer.Error: errors.New("the agent spoke nonsense"),
	} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) { l.talk() })
			s := &studio{run: func(context.Context) error { return err }}
			o := begin(t, newDialerOf(t, with(p, s)), callTo(callee)).ends(reason)
			if reason == dialer.Error {
				require.Equal(t, err.Error(), o.Message)
			}
			require.False(t, o.ConnectedAt.IsZero())
			p.only().afterwards("BYE")
			p.balanced()
		})
	}
}

func TestNobodyIsCalledWithoutMedia(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) { l.talk() })
	for _, s := range []*studio{{openErr: errors.New("no agent")}, {offerErr: errors.New("no port")}} {
		r := begin(t, newDialerOf(t, with(p, s)), callTo(callee)).over()
		require.ErrorIs(t, r.err, dialer.ErrNotPlaced)
	}
	require.Zero(t, p.placed())
}

func TestAnswerWithoutUsableMediaIsHungUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		media *studio
		body  string
	}{
		"the media cannot use it": {&studio{answerErr: errors.New("no codec")}, sdp},
		"there is none":           {&studio{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				l.ring()
				l.replyAs(l.tag, l.first, 200, "OK", c.body)
			})
			o := begin(t, newDialerOf(t, with(p, c.media)), callTo(callee)).ends(dialer.DialFailed)
			require.True(t, o.ConnectedAt.IsZero())
			p.only().afterwards("BYE")
			require.Equal(t, []string{"INVITE", "ACK", "BYE"}, p.only().saw())
			p.balanced()
		})
	}
}

// Dial does not wait for the answer to its BYE.
func TestByeWithoutAnswer(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.byHand("BYE")
		l.talk()
		bye := l.expect("BYE")
		l.pause(5 * t1)
		l.reply(bye, 200, "OK")
	})
	r := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).reaches(dialer.Connected)
	r.cancel(nil)
	r.ends(dialer.APICancelled)
	p.balanced()
}

func TestByesThatCross(t *testing.T) {
	t.Parallel()
	codes := make(chan int, 1)
	p := newPeer(t, "udp", func(l *leg) {
		l.byHand("BYE")
		l.talk()
		theirs := l.expect("BYE")
		codes <- l.bye().code()
		l.reply(theirs, 200, "OK")
	})
	r := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).reaches(dialer.Connected)
	r.cancel(nil)
	r.ends(dialer.APICancelled)
	require.Equal(t, 200, <-codes)
	p.balanced()
}

// The BYE comes right behind the answer, and may be read before it.
func TestByeRightBehindTheAnswer(t *testing.T) {
	t.Parallel()
	for range 20 {
		p := newPeer(t, "udp", func(l *leg) {
			l.accept()
			l.bye()
		})
		begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.ClientHangup)
		p.balanced()
	}
}
