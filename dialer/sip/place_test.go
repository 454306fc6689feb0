package sip_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

func refuses(code int, more ...string) func(*leg) {
	return func(l *leg) { l.reply(l.first, code, "No", more...) }
}

func answers(l *leg) {
	l.talk()
	l.bye()
}

func TestTheNextTrunkTakesTheCall(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(*leg){
		"503": refuses(503), "500": refuses(500), "502 after 100": func(l *leg) { l.trying(); refuses(502)(l) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, q := newPeer(t, "udp", first), newPeer(t, "udp", answers)
			trunk := trunkTo(q)
			trunk.Name = "second"
			o := begin(t, newDialer(t, trunkTo(p), trunk), callTo(callee)).ends(dialer.ClientHangup)
			require.Equal(t, "second", o.Details["trunk"])
			require.Equal(t, 1, p.placed())
			require.Equal(t, p.only().id, q.only().id, "a call has one reference")
			require.Greater(t, q.only().first.seq(), p.only().first.seq())
			q.balanced()
		})
	}
}

// Once a phone may ring, no other trunk is tried, whatever comes.
func TestNobodyIsCalledTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script func(*leg)
		reason dialer.EndReason
	}{
		"503 after 180": {func(l *leg) { l.ring(); l.pause(20 * time.Millisecond); refuses(503)(l) }, dialer.DialFailed},
		"500 after 183": {
			func(l *leg) { l.reply(l.first, 183, "Progress"); l.pause(20 * time.Millisecond); refuses(500)(l) }, dialer.DialFailed,
		},
		"503 after 182": {
			func(l *leg) { l.reply(l.first, 182, "Queued"); l.pause(20 * time.Millisecond); refuses(503)(l) }, dialer.DialFailed,
		},
		"408 after 180": {func(l *leg) { l.ring(); l.pause(20 * time.Millisecond); refuses(408)(l) }, dialer.DialNoAnswer},
		"401 after 180": {
			func(l *leg) {
				l.ring()
				l.pause(20 * time.Millisecond)
				refuses(401, `WWW-Authenticate: Digest realm="r", nonce="n"`)(l)
			}, dialer.DialFailed,
		},
		"504 after 100": {func(l *leg) { l.trying(); refuses(504)(l) }, dialer.DialFailed}, // whoever was asked may ring
		"403":           {refuses(403), dialer.DialFailed},
		"603":           {refuses(603), dialer.DialBusy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, q := newPeer(t, "udp", c.script), newPeer(t, "udp", answers)
			begin(t, newDialer(t, trunkWithUser(p), trunkTo(q)), callTo(callee)).ends(c.reason)
			require.Equal(t, 1, p.placed())
			require.Zero(t, q.placed())
		})
	}
}

func TestNoTrunkTakesTheCall(t *testing.T) {
	t.Parallel()
	refused := sip.Trunk{Host: "127.0.0.1", Port: 1, Transport: sip.TCP, KeepAlive: -1}
	unknown := sip.Trunk{Host: "unknown.invalid", KeepAlive: -1}
	p, q := newPeer(t, "udp", refuses(503, "Retry-After: 40 (busy)")), newPeer(t, "udp", refuses(503, "Retry-After: 20"))
	d := newDialerOf(t, sip.Config{
		Trunks: []sip.Trunk{refused, unknown, trunkTo(p), trunkTo(q)}, Resolver: zone{},
	})
	for range 2 { // the second time they are at rest, and not asked
		r := begin(t, d, callTo(callee)).over()
		var unavailable *dialer.UnavailableError
		require.ErrorAs(t, r.err, &unavailable)
		require.ErrorIs(t, r.err, dialer.ErrNotPlaced)
		require.InDelta(t, 20, unavailable.After.Seconds(), 5)
		require.NotContains(t, r.err.Error(), string(callee))
	}
	require.Equal(t, 1, p.placed())
	require.Equal(t, 1, q.placed())
}

func TestRestEnds(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		if l.p.placed() == 1 {
			refuses(503, "Retry-After: 2")(l)
			return
		}
		answers(l)
	})
	d := newDialer(t, trunkTo(p))
	d.SetSecond(50 * time.Millisecond)
	require.ErrorIs(t, begin(t, d, callTo(callee)).over().err, dialer.ErrNotPlaced)
	require.Eventually(t, func() bool {
		return begin(t, d, callTo(callee)).over().outcome.Reason == dialer.ClientHangup
	}, patience, 20*time.Millisecond)
	p.balanced()
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	q := newPeer(t, "udp", answers)
	p := newPeer(t, "udp", refuses(302, "Contact: <sip:elsewhere@"+q.addr()+">"))
	o := begin(t, newDialer(t, trunkTo(p)), callTo(callee)).ends(dialer.DialFailed)
	require.Equal(t, "302", o.Details["sip_code"])
	require.Zero(t, q.placed())

	trunk := trunkTo(p)
	trunk.Redirects = 1
	begin(t, newDialer(t, trunk), callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, "elsewhere", q.only().first.user())
	q.balanced()
}

func TestRedirectsHaveAnEnd(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		for m := l.first; m != nothing; m = l.expect("INVITE") {
			l.reply(m, 302, "Moved", "Contact: <sip:round@"+l.p.addr()+">")
		}
	})
	trunk := trunkTo(p)
	trunk.Redirects = 3
	begin(t, newDialer(t, trunk), callTo(callee)).ends(dialer.DialFailed)
	require.Equal(t, 4, p.placed())
}

// zone is a name server. Names that it does not know do not exist.
type zone map[string]any

func (z zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	records, ok := z["_"+service+"._"+proto+"."+name].([]*net.SRV)
	if !ok {
		return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return name, records, nil
}

func (z zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	addr, ok := z[host].(string)
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return []netip.Addr{netip.MustParseAddr(addr)}, nil
}

func srv(p *peer, priority uint16) *net.SRV {
	return &net.SRV{Target: "a.carrier.test.", Port: uint16(p.port), Priority: priority, Weight: 10}
}

func TestServersOfAName(t *testing.T) {
	t.Parallel()
	for transport, service := range map[string]string{"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			first, second, third := newPeer(t, transport, refuses(503)), newPeer(t, transport, answers), newPeer(t, transport, answers)
			trunk := trunkTo(first)
			trunk.Host, trunk.Port = "carrier.test", 0
			d := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunk}, Resolver: zone{
				service + ".carrier.test": []*net.SRV{srv(third, 30), srv(first, 10), srv(second, 20)},
				"a.carrier.test":          "127.0.0.1",
			}})
			begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
			require.Equal(t, []int{1, 1, 0}, []int{first.placed(), second.placed(), third.placed()})
			require.True(t, strings.HasSuffix(second.only().first.uri(), "@carrier.test"))
			second.balanced()
		})
	}
}

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	dead := make(chan bool, 1)
	dead <- false
	asked := make(chan struct{}, 1000)
	p, q := newPeer(t, "udp", answers), newPeer(t, "udp", answers)
	p.mu.Lock()
	p.other = func(m *message) {
		isDead := <-dead
		dead <- isDead
		asked <- struct{}{}
		if m.method() == "OPTIONS" && !isDead {
			m.answer(m.response(200, "OK", "x", nil, ""))
		}
	}
	p.mu.Unlock()
	trunk := trunkTo(p)
	trunk.KeepAlive = 50 * time.Millisecond
	d := newDialer(t, trunk, trunkTo(q))
	<-asked
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	require.Equal(t, 1, p.placed())

	<-dead
	dead <- true
	require.Eventually(t, func() bool {
		begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
		return q.placed() > 0
	}, patience, 10*time.Millisecond)

	<-dead
	dead <- false
	before := p.placed()
	require.Eventually(t, func() bool {
		begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
		return p.placed() > before
	}, patience, 10*time.Millisecond)
	p.balanced()
	q.balanced()
}

func TestCancelWhileTheNameIsLookedUp(t *testing.T) {
	t.Parallel()
	d := newDialerOf(t, sip.Config{
		Trunks: []sip.Trunk{{Host: "slow.test", KeepAlive: -1}}, Resolver: slow{zone{}},
	})
	r := begin(t, d, callTo(callee))
	r.cancel(dialer.HangUp(dialer.Error))
	r.over()
	require.True(t, errors.Is(r.err, dialer.ErrNotPlaced) || r.outcome.Reason == dialer.Error, "%v %v", r.outcome, r.err)
}

type slow struct{ zone }

func (slow) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
