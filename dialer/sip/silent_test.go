package sip_test

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// An INVITE that nothing is heard of may have rung somebody: nobody else is asked. Other calls are not placed there for a
// while.
func TestSilenceIsNoRefusal(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		for name, ring := range map[string]time.Duration{"64*T1": time.Minute, "the ringing time": time.Second} {
			t.Run(transport+" "+name, func(t *testing.T) {
				t.Parallel()
				p, q := newPeer(t, transport, func(*leg) {}), newPeer(t, "udp", answers)
				d := newDialer(t, trunkTo(p), trunkTo(q))
				call := callTo(callee)
				call.RingTimeout = ring
				o := begin(t, d, call).ends(dialer.Error)
				require.Contains(t, o.Message, "advertise")
				require.NotContains(t, o.Message, string(callee))
				require.Equal(t, 1, p.placed())
				require.Zero(t, q.placed(), "somebody was rung twice")
				require.Equal(t, sip.ServerResting, d.Servers()[0].State)

				begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
				require.Equal(t, 1, p.placed(), "it has a rest")
				require.Equal(t, 1, q.placed())
				q.balanced()
			})
		}
	}
}

// A server that nothing was heard of comes back when the call is over: what it does is undone.
func TestASilentServerWakesUp(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]struct {
		script func(*leg)
		saw    []string
	}{
		"rings":   {(*leg).ring, []string{"INVITE", "CANCEL", "ACK"}},
		"answers": {func(l *leg) { l.accept() }, []string{"INVITE", "ACK", "BYE"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wake := make(chan struct{})
			p := newPeer(t, "udp", func(l *leg) { <-wake; late.script(l) })
			d := newDialer(t, trunkTo(p))
			begin(t, d, callTo(callee)).ends(dialer.Error)
			close(wake)
			require.Eventually(t, func() bool { return slices.Equal(late.saw, p.only().saw()) }, patience, time.Millisecond,
				"it did not get %v", late.saw)
			p.balanced()
		})
	}
}

// While one call waits for a silent server, where it may ring, others go to the next one.
func TestOtherCallsLeaveASilentServer(t *testing.T) {
	t.Parallel()
	wake := make(chan struct{})
	p, q := newPeer(t, "udp", func(l *leg) { <-wake; answers(l) }), newPeer(t, "udp", answers)
	trunk := trunkTo(p)
	trunk.SilentAfter = 100 * time.Millisecond
	d := newDialer(t, trunk, trunkTo(q))
	first := begin(t, d, callTo(callee))
	require.Eventually(t, func() bool {
		all := d.Servers()
		return len(all) > 0 && all[0].State == sip.ServerResting
	}, patience, time.Millisecond)
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, []int{1, 1}, []int{p.placed(), q.placed()})
	close(wake)
	first.ends(dialer.ClientHangup)
	require.Equal(t, sip.ServerUp, d.Servers()[0].State, "it was heard, which ends its rest")
	p.balanced()
	q.balanced()
}

// What the system says to have reached nobody has rung nobody. On a busy machine that may come too late to be
// certain of it, so it is tried again.
func TestADatagramThatReachesNobody(t *testing.T) {
	t.Parallel()
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := sip.Trunk{Host: "127.0.0.1", Port: closed.LocalAddr().(*net.UDPAddr).Port, KeepAlive: -1}
	require.NoError(t, closed.Close())
	q := newPeer(t, "udp", answers)
	require.Eventually(t, func() bool {
		r := begin(t, newDialer(t, nobody, trunkTo(q)), callTo(callee)).over()
		require.NoError(t, r.err)
		return r.outcome.Reason == dialer.ClientHangup
	}, patience, time.Millisecond)
	require.Equal(t, 1, q.placed())
	q.balanced()

	r := begin(t, newDialer(t, nobody), callTo(callee)).over()
	if r.err != nil { // as above
		require.ErrorIs(t, r.err, dialer.ErrNotPlaced)
	}
}

// The details tell of the trunk that had the call last, and not of one before.
func TestDetailsAreThoseOfTheLastTrunk(t *testing.T) {
	t.Parallel()
	p, q := newPeer(t, "udp", refuses(500)), newPeer(t, "udp", func(*leg) {})
	second := trunkTo(q)
	second.Name = "second"
	o := begin(t, newDialer(t, trunkTo(p), second), callTo(callee)).ends(dialer.Error)
	require.Equal(t, "second", o.Details["trunk"])
	require.NotContains(t, o.Details, "sip_code")
	require.NotContains(t, o.Details, "sip_phrase")
}

func TestRestsAreNotForEver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refusal func(*leg)
		most    time.Duration
		after   time.Duration
	}{
		"a long one is cut":           {refuses(503, "Retry-After: 86400"), 0, 5 * time.Minute},
		"as configured":               {refuses(503, "Retry-After: 86400"), time.Minute, time.Minute},
		"a short one is kept":         {refuses(503, "Retry-After: 20"), 0, 20 * time.Second},
		"none":                        {refuses(503, "Retry-After: 20"), -1, 0},
		"only 503 is about the trunk": {refuses(500, "Retry-After: 20"), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", c.refusal)
			trunk := trunkTo(p)
			trunk.MaxRest = c.most
			d := newDialer(t, trunk)
			begin(t, d, callTo(callee)).over()
			status := d.Servers()[0]
			if c.after == 0 {
				require.Equal(t, sip.ServerUp, status.State)
				return
			}
			require.Equal(t, sip.ServerResting, status.State)
			require.WithinDuration(t, time.Now().Add(c.after), status.Until, patience/2)
		})
	}
}

// A 503 about the number dialled is no trouble of the trunk.
func TestTroubleOfTheNumber(t *testing.T) {
	t.Parallel()
	for cause, rests := range map[string]bool{"1": false, "3": false, "28": false, "34": true, "42": true} {
		t.Run(cause, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", refuses(503, "Retry-After: 20", "Reason: Q.850;cause="+cause))
			d := newDialer(t, trunkTo(p))
			r := begin(t, d, callTo(callee)).over()
			if rests {
				require.ErrorIs(t, r.err, dialer.ErrNotPlaced)
				require.Equal(t, sip.ServerResting, d.Servers()[0].State)
				return
			}
			require.Equal(t, cause, r.ends(dialer.DialFailed).Details["q850_cause"])
			require.Equal(t, sip.ServerUp, d.Servers()[0].State)
		})
	}
}

func TestUnwantedCalls(t *testing.T) {
	t.Parallel()
	for _, code := range []int{603, 607, 608} {
		begin(t, newDialer(t, trunkTo(newPeer(t, "udp", refuses(code)))), callTo(callee)).ends(dialer.DialBusy)
	}
}
