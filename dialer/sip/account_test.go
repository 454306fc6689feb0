package sip_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// gate is a registrar: it challenges INVITEs, and says what it says to those that bring credentials.
type gate struct {
	brought atomic.Int32
	then    func(l *leg, m *message) // what becomes of those
}

func (g *gate) script(l *leg) {
	for m := l.first; m != nothing; m = l.expect("INVITE") {
		if m.get("Authorization") != "" {
			g.brought.Add(1)
			g.then(l, m)
			continue
		}
		l.reply(m, 401, "Prove It", g.challenge(l))
	}
}

func (*gate) challenge(l *leg) string {
	return fmt.Sprintf(`WWW-Authenticate: Digest realm="r", nonce="%s%d", qop="auth"`, l.id, len(l.saw()))
}

func challengesAgain(l *leg, m *message) { l.reply(m, 401, "Prove It", (*gate)(nil).challenge(l)) }
func forbids(l *leg, m *message)         { l.reply(m, 403, "Forbidden") }
func isBusy(l *leg, m *message)          { l.reply(m, 486, "Busy Here") }

func isUnavailable(t *testing.T, err error) {
	t.Helper()
	require.NotNil(t, unavailability(t, err))
}

func unavailability(t *testing.T, err error) *dialer.UnavailableError {
	t.Helper()
	var unavailable *dialer.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	require.ErrorIs(t, err, dialer.ErrNotPlaced)
	require.NotContains(t, err.Error(), secret)
	return unavailable
}

// A wrong password is brought by one call, and by one more when the rest is over, or the dialer is another.
func TestAWrongPasswordIsNotBroughtByEveryCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then  func(*leg, *message)
		first func(*dialled)
	}{
		"challenged again": {challengesAgain, func(r *dialled) { isUnavailable(r.t, r.over().err) }},
		"403":              {forbids, func(r *dialled) { r.ends(dialer.DialFailed) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &gate{then: c.then}
			p := newPeer(t, "udp", g.script)
			log := &notebook{}
			d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkWithUser(p)}, Logger: log.logger()})
			c.first(begin(t, d, callTo(callee)))
			require.True(t, log.has("does not take the user and the secret"))
			require.False(t, log.has(secret))
			placed := p.placed()
			for range 3 {
				after := unavailability(t, begin(t, d, callTo(callee)).over().err).After
				require.InDelta(t, 5*time.Minute, after, float64(patience))
			}
			require.Equal(t, placed, p.placed(), "not even an INVITE")
			require.EqualValues(t, 1, g.brought.Load())
			require.Equal(t, sip.ServerResting, d.Servers()[0].State)

			d.EndAuthRests()
			c.first(begin(t, d, callTo(callee)))
			isUnavailable(t, begin(t, d, callTo(callee)).over().err)
			require.EqualValues(t, 2, g.brought.Load(), "one tries again")

			c.first(begin(t, newDialer(t, trunkWithUser(p)), callTo(callee)))
			require.EqualValues(t, 3, g.brought.Load(), "with a new configuration at once")
		})
	}
}

// Many calls at once bring a password that nobody knows to be right only once, and wait for what becomes of it.
func TestManyCallsBringAnUnknownPasswordOnce(t *testing.T) {
	t.Parallel()
	const calls = 20
	for name, right := range map[string]bool{"wrong": false, "right": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var most, now atomic.Int32
			released := make(chan struct{})
			g := &gate{}
			g.then = func(l *leg, m *message) {
				most.Store(max(most.Load(), now.Add(1)))
				select {
				case <-released: // all calls are there by then
				case <-l.closed:
				}
				if now.Add(-1); right {
					isBusy(l, m)
					return
				}
				challengesAgain(l, m)
			}
			p := newPeer(t, "udp", g.script)
			d := newDialer(t, trunkWithUser(p))
			var all []*dialled
			for range calls {
				all = append(all, begin(t, d, callTo(callee)))
			}
			require.Eventually(t, func() bool { return p.placed() == calls+1 && g.brought.Load() == 1 }, patience, time.Millisecond)
			require.EqualValues(t, 1, most.Load(), "others wait")
			close(released)
			for _, r := range all {
				if right {
					r.ends(dialer.DialBusy)
					continue
				}
				isUnavailable(t, r.over().err)
			}
			if right {
				require.EqualValues(t, calls, g.brought.Load())
				return
			}
			require.EqualValues(t, 1, g.brought.Load())
		})
	}
}

// A call that waits for what becomes of another one's password can be cancelled, and its agent may leave.
func TestWhoWaitsForATrialMayLeave(t *testing.T) {
	t.Parallel()
	g := &gate{then: func(l *leg, _ *message) { <-l.closed }}
	p := newPeer(t, "udp", g.script)
	s := &studio{left: make(chan struct{})}
	d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunkWithUser(p)}, Media: s})
	begin(t, d, callTo(callee))
	require.Eventually(t, func() bool { return g.brought.Load() == 1 }, patience, time.Millisecond)
	cancelled, left := begin(t, d, callTo(callee)), begin(t, d, callTo(callee))
	short := callTo(callee)
	short.RingTimeout = 2 * time.Second
	late := begin(t, d, short)
	require.Eventually(t, func() bool { return p.placed() == 5 }, patience, time.Millisecond)
	isUnavailable(t, late.over().err)
	cancelled.cancel(nil)
	cancelled.ends(dialer.APICancelled)
	close(s.left)
	require.True(t, unavailability(t, left.over().err).AgentOnly)
	require.Equal(t, 5, p.placed())
}

// Once the password was taken, a refusal does not stop the trunk: a 403 is about the call, and after another
// challenge one call finds out at once.
func TestAPasswordThatWasTakenBefore(t *testing.T) {
	t.Parallel()
	var next atomic.Pointer[func(*leg, *message)]
	set := func(f func(*leg, *message)) { next.Store(&f) }
	g := &gate{then: func(l *leg, m *message) { (*next.Load())(l, m) }}
	p := newPeer(t, "udp", g.script)
	d := newDialer(t, trunkWithUser(p))
	set(isBusy)
	begin(t, d, callTo(callee)).ends(dialer.DialBusy)
	set(forbids)
	for range 3 {
		begin(t, d, callTo(callee)).ends(dialer.DialFailed)
	}
	set(challengesAgain)
	isUnavailable(t, begin(t, d, callTo(callee)).over().err)
	set(isBusy)
	begin(t, d, callTo(callee)).ends(dialer.DialBusy)
	set(challengesAgain)
	isUnavailable(t, begin(t, d, callTo(callee)).over().err)
	isUnavailable(t, begin(t, d, callTo(callee)).over().err)
	brought := g.brought.Load()
	isUnavailable(t, begin(t, d, callTo(callee)).over().err)
	require.Equal(t, brought, g.brought.Load(), "twice in a row is enough")
	require.EqualValues(t, 8, brought)
}

// A backup with credentials of its own takes the calls.
func TestTheNextTrunkWhereThePasswordIsWrong(t *testing.T) {
	t.Parallel()
	g := &gate{then: challengesAgain}
	p, q := newPeer(t, "udp", g.script), newPeer(t, "udp", answers)
	d := newDialer(t, trunkWithUser(p), trunkTo(q))
	for range 2 {
		begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	}
	require.EqualValues(t, 1, g.brought.Load())
	require.Equal(t, 2, q.placed())
	q.balanced()
}

// A wrong password behind ringing is no reason to ring again.
func TestAWrongPasswordBehindRingingEndsTheCall(t *testing.T) {
	t.Parallel()
	g := &gate{then: func(l *leg, m *message) {
		l.ring()
		l.pause(20 * time.Millisecond)
		challengesAgain(l, m)
	}}
	p, q := newPeer(t, "udp", g.script), newPeer(t, "udp", answers)
	begin(t, newDialer(t, trunkWithUser(p), trunkTo(q)), callTo(callee)).ends(dialer.DialFailed)
	require.Zero(t, q.placed())
}

// A probe brings a refused password no more often than a call, and what it finds ends the rest.
func TestAProbeTriesThePasswordAgain(t *testing.T) {
	t.Parallel()
	var probed atomic.Int32
	g := &gate{then: func(l *leg, m *message) {
		if probed.Load() > 0 {
			isBusy(l, m)
			return
		}
		challengesAgain(l, m)
	}}
	p := newPeer(t, "udp", g.script)
	p.mu.Lock()
	p.other = func(m *message) {
		if m.get("Authorization") != "" {
			probed.Add(1)
			m.answer(m.response(200, "OK", "x", nil, ""))
			return
		}
		m.answer(m.response(401, "Prove It", "x", []string{`WWW-Authenticate: Digest realm="r", nonce="o"`}, ""))
	}
	p.mu.Unlock()
	d := newDialer(t, trunkWithUser(p))
	isUnavailable(t, begin(t, d, callTo(callee)).over().err)
	require.ErrorContains(t, d.Probe(t.Context()), "the user and the secret")
	require.Zero(t, probed.Load())
	d.EndAuthRests()
	require.NoError(t, d.Probe(t.Context()))
	begin(t, d, callTo(callee)).ends(dialer.DialBusy)
}

// A server that says 183 before it looks at the password gets a wrong one no more often.
func TestAWrongPasswordBehindProgress(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", sdp} {
		g := &gate{then: func(l *leg, m *message) {
			l.replyAs(l.tag, m, 183, "Progress", body, "Require: 100rel", "RSeq: 1")
			l.pause(20 * time.Millisecond)
			challengesAgain(l, m)
		}}
		p := newPeer(t, "udp", g.script)
		d := newDialer(t, trunkWithUser(p))
		begin(t, d, callTo(callee)).ends(dialer.DialFailed)
		for range 3 {
			isUnavailable(t, begin(t, d, callTo(callee)).over().err)
		}
		require.LessOrEqual(t, g.brought.Load(), int32(2))
	}
}

// What a call hears that was let in before the password was changed does not end the rest.
func TestAnOldCallDoesNotEndTheRest(t *testing.T) {
	t.Parallel()
	rings, answer := make(chan bool, 1), make(chan struct{})
	g := &gate{}
	g.then = func(l *leg, m *message) {
		if !<-rings {
			challengesAgain(l, m)
			return
		}
		l.ring()
		select {
		case <-answer:
			isBusy(l, m)
		case <-l.closed:
		}
	}
	p := newPeer(t, "udp", g.script)
	d := newDialer(t, trunkWithUser(p))
	rings <- true
	old := begin(t, d, callTo(callee)).reaches(dialer.Ringing)
	for range 2 {
		rings <- false
		isUnavailable(t, begin(t, d, callTo(callee)).over().err)
	}
	close(answer)
	old.ends(dialer.DialBusy)
	isUnavailable(t, begin(t, d, callTo(callee)).over().err)
	require.EqualValues(t, 3, g.brought.Load())
}
