package sip_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

// A trunk that asks for what its configuration does not have writes nobody off: the next one is asked, and somebody is
// told what is missing. The calls after that do not ask it.
func TestWhatTheConfigurationCannotAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		user, challenge string
		realms          []string
		says            string
		rests           bool
	}{
		"there is no user":     {"", `Digest realm="r", nonce="n"`, nil, "there are none for it", true},
		"the realm is another": {"acme", `Digest realm="r", nonce="n"`, []string{"other"}, `the realm "r"`, true},
		"the algorithm":        {"acme", `Digest realm="r", nonce="n", algorithm=ROT13`, nil, "SHA-512", true},
		"it is always stale":   {"acme", `Digest realm="r", nonce="n", stale=true`, nil, "every nonce", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				for m := l.first; ; {
					if m.method() == "INVITE" {
						l.reply(m, 401, "Prove It", "WWW-Authenticate: "+c.challenge)
					}
					select {
					case m = <-l.requests:
					case <-l.closed:
						return
					}
				}
			})
			q := newPeer(t, "udp", answers)
			trunk := trunkTo(p)
			trunk.User, trunk.Secret, trunk.Realms = c.user, secret, c.realms
			d := newDialer(t, trunk, trunkTo(q))
			begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
			placed := p.placed()
			begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
			require.Equal(t, 2, q.placed())
			require.Equal(t, c.rests, p.placed() == placed)

			log := &notebook{}
			alone := newDialerOf(t, sip.Config{Trunks: []sip.Trunk{trunk}, Logger: log.logger()})
			err := begin(t, alone, callTo(callee)).over().err
			isUnavailable(t, err)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.rests, log.has("asks for what the configuration cannot answer"))
			q.balanced()
		})
	}
}

// A trunk without a user that lets calls in does not rest because somebody behind it challenges one.
func TestACalleeThatChallengesIsNoMatterOfTheTrunk(t *testing.T) {
	t.Parallel()
	challenges := make(chan bool, 3)
	p := newPeer(t, "udp", func(l *leg) {
		if <-challenges {
			l.reply(l.first, 401, "Prove It", `WWW-Authenticate: Digest realm="r", nonce="n"`)
			return
		}
		answers(l)
	})
	d := newDialer(t, trunkTo(p))
	challenges <- false
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	challenges <- true
	require.NotEmpty(t, begin(t, d, callTo(callee)).ends(dialer.DialFailed).Message)
	challenges <- false
	begin(t, d, callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}
