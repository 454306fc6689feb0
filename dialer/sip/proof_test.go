package sip_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
)

// strict is a registrar that challenges BYEs, too, and takes the password until it is another one.
type strict struct {
	changed       atomic.Bool
	brought       atomic.Int32 // by BYEs, since then
	byes          atomic.Int32 // that were not taken
	everyByeAnew  bool
	challengesFor atomic.Int32
}

func (s *strict) script(l *leg) {
	l.byHand("BYE")
	m := l.challenge(401, s.nonce())
	l.replyAs(l.tag, m, 200, "OK", sdp)
	l.expect("ACK")
	asked := false
	for {
		var bye *message
		select {
		case bye = <-l.requests:
		case <-l.closed:
			return
		}
		switch proves := bye.get("Authorization") != ""; {
		case bye.method() != "BYE":
		case s.changed.Load():
			if proves {
				s.brought.Add(1)
			}
			s.byes.Add(1)
			l.reply(bye, 401, "Prove It", "WWW-Authenticate: "+s.nonce())
		case !proves || s.everyByeAnew && !asked:
			asked = true
			l.reply(bye, 401, "Prove It", "WWW-Authenticate: "+s.nonce())
		default:
			l.reply(bye, 200, "OK")
			return
		}
	}
}

func (s *strict) nonce() string {
	return fmt.Sprintf(`Digest realm="r", nonce="n%d", qop="auth"`, s.challengesFor.Add(1))
}

// The password may have been changed since the calls were let in: not every BYE brings the old one.
func TestByesDoNotAllBringAWrongPassword(t *testing.T) {
	t.Parallel()
	const calls = 8
	s := &strict{}
	p := newPeer(t, "udp", s.script)
	d := newDialer(t, trunkWithUser(p))
	var all []*dialled
	for range calls {
		all = append(all, begin(t, d, callTo(callee)).reaches(dialer.Connected))
	}
	s.changed.Store(true)
	for i, r := range all {
		before := s.byes.Load()
		r.cancel(nil)
		r.ends(dialer.APICancelled)
		require.Eventually(t, func() bool { return s.byes.Load() > before }, patience, time.Millisecond, "call %d", i)
	}
	require.Eventually(t, func() bool { return s.byes.Load() >= calls }, patience, time.Millisecond)
	require.LessOrEqual(t, s.brought.Load(), int32(4), "of an old nonce, of the newest, and of one call that tries again")
	p.books(func(a *answer) { a.over = true })
}

// A trunk that challenges every BYE by a new nonce is taken at its word, however many calls end at once.
func TestEveryByeIsChallengedAnew(t *testing.T) {
	t.Parallel()
	s := &strict{everyByeAnew: true}
	p := newPeer(t, "udp", s.script)
	d := newDialer(t, trunkWithUser(p))
	var all []*dialled
	for range 20 {
		all = append(all, begin(t, d, callTo(callee)).reaches(dialer.Connected))
	}
	for _, r := range all {
		r.cancel(nil)
	}
	for _, r := range all {
		r.ends(dialer.APICancelled)
	}
	p.balanced()
}

// books changes what the peer has noted of every answer.
func (p *peer) books(change func(*answer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.live {
		change(a)
	}
}

// The nonce of a call that waits for what becomes of another one's password runs out meanwhile, without a word: the
// password is right all the same.
func TestANonceThatRunsOutWhileCallsWait(t *testing.T) {
	t.Parallel()
	const calls, life = 10, 6 * t1
	tried := make(chan struct{})
	var brought atomic.Int32
	p := newPeer(t, "udp", func(l *leg) {
		issued := time.Time{}
		for m := l.first; m != nothing; m = l.expect("INVITE") {
			if m.get("Authorization") == "" || time.Since(issued) > life {
				issued = time.Now()
				l.reply(m, 401, "Prove It", (*gate)(nil).challenge(l))
				continue
			}
			if brought.Add(1) == 1 {
				<-tried
			}
			isBusy(l, m)
			return
		}
	})
	d := newDialer(t, trunkWithUser(p))
	var all []*dialled
	for range calls {
		all = append(all, begin(t, d, callTo(callee)))
	}
	require.Eventually(t, func() bool { return p.placed() == calls+1 }, patience, time.Millisecond)
	<-time.After(2 * life)
	close(tried)
	for _, r := range all {
		r.ends(dialer.DialBusy)
	}
	begin(t, d, callTo(callee)).ends(dialer.DialBusy)
}

// Requests in a call are numbered one after the other, also where a PRACK is sent again while we hang up.
func TestAPrackThatIsSentAgainTakesNoNumberOfTheBye(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.byHand("CANCEL", "BYE", "PRACK")
		l.reply(l.first, 183, "Progress", "Require: 100rel", "RSeq: 1")
		prack := l.expect("PRACK")
		cancel := l.expect("CANCEL")
		l.accept() // it crosses the CANCEL
		l.reply(cancel, 200, "OK")
		bye := l.expect("BYE")
		l.reply(prack, 401, "Prove It", `WWW-Authenticate: Digest realm="r", nonce="n"`)
		again := l.expect("PRACK")
		if again.branch() == prack.branch() { // it came again by itself
			again = l.expect("PRACK")
		}
		if bye.seq() == again.seq() || again.seq() == prack.seq() {
			l.p.t.Errorf("a BYE has the number %d, and the PRACKs have %d and %d", bye.seq(), prack.seq(), again.seq())
		}
		l.reply(again, 200, "OK")
		l.reply(bye, 200, "OK")
	})
	call := callTo(callee)
	call.RingTimeout = 5 * t1
	begin(t, newDialer(t, trunkWithUser(p)), call).ends(dialer.DialNoAnswer)
	<-p.only().played
	p.balanced()
}

// What the peer asks by an old connection is answered there, also when a newer one to the same address came and went.
func TestAnOldConnectionIsAnswered(t *testing.T) {
	t.Parallel()
	lost := make(chan struct{})
	p := newPeer(t, "tcp", func(l *leg) {
		switch l.first.user() {
		case "+14155550101":
			l.talk()
			<-lost
			if code := l.begin("OPTIONS", "")().code(); code != 200 {
				l.p.t.Errorf("an OPTIONS by the old connection got %d", code)
			}
			l.bye()
		case "+14155550102": // nothing is said to it, by which another connection is opened for those after it
		default:
			answers(l)
		}
	})
	d := newDialer(t, trunkTo(p))
	old := begin(t, d, callTo("+14155550101")).reaches(dialer.Connected)
	first := p.open()
	silent := callTo("+14155550102")
	silent.RingTimeout = 5 * t1
	begin(t, d, silent).ends(dialer.Error)
	d.EndRests()
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	require.Eventually(t, func() bool { return p.liveCalls() == 1 }, patience, time.Millisecond, "the answer to the BYE is read")
	for conn := range p.open() {
		if !first[conn] {
			require.NoError(t, conn.Close())
		}
	}
	<-time.After(3 * t1)
	close(lost)
	old.ends(dialer.ClientHangup)
	p.balanced()
}
