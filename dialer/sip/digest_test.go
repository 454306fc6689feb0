package sip_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

const secret = "s3cr3t with; \"odd\" characters"

func trunkWithUser(p *peer) sip.Trunk {
	trunk := trunkTo(p)
	trunk.User, trunk.Secret = "acme", secret
	return trunk
}

func param(header, name string) string {
	return find(regexp.MustCompile(`(?:^|[ ,])`+name+`="?([^",]+)`), header)
}

func hashed(h func() hash.Hash, s string) string {
	sum := h()
	sum.Write([]byte(s))
	return hex.EncodeToString(sum.Sum(nil))
}

// proves says whether the credentials in the request are right: RFC 7616, section 3.4.1.
func proves(m *message, header, nonce string, h func() hash.Hash) bool {
	for _, c := range m.all(header) {
		if param(c, "nonce") != nonce {
			continue
		}
		a1 := hashed(h, "acme:"+param(c, "realm")+":"+secret)
		a2 := hashed(h, m.method()+":"+param(c, "uri"))
		between := nonce
		if param(c, "qop") != "" {
			between += ":" + param(c, "nc") + ":" + param(c, "cnonce") + ":" + param(c, "qop")
		}
		return param(c, "uri") == m.uri() && param(c, "username") == "acme" &&
			param(c, "response") == hashed(h, a1+":"+between+":"+a2)
	}
	return false
}

// challenge refuses the INVITE with challenges, and waits for the next one.
func (l *leg) challenge(code int, challenges ...string) *message {
	name := "WWW-Authenticate: "
	if code == 407 {
		name = "Proxy-Authenticate: "
	}
	var lines []string
	for _, c := range challenges {
		lines = append(lines, name+c)
	}
	l.reply(l.current(), code, "Prove It", lines...)
	l.expect("ACK")
	return l.expect("INVITE")
}

func TestChallengesAreAnswered(t *testing.T) {
	t.Parallel()
	const unknown = `Digest realm="r", nonce="u", algorithm=SHA-3, qop="auth"`
	for name, c := range map[string]struct {
		code       int
		challenges []string
		header     string
		nonce      string
		hash       func() hash.Hash
	}{
		"MD5": {401, []string{`Digest realm="r", nonce="n", algorithm=MD5, qop="auth"`}, "Authorization", "n", md5.New},
		"MD5 of RFC 2617, without qop and algorithm": {
			407, []string{`Digest realm="r", nonce="n", opaque="o"`}, "Proxy-Authorization", "n", md5.New,
		},
		"names in any case": {401, []string{`Digest Realm="r", Nonce="n1", QOP="auth", Opaque="o"`}, "Authorization", "n1", md5.New},
		"a parameter of the vendor's": {
			401, []string{`Digest realm="r",nonce="n",qop="auth",x_vendor=1, y="a,b"`}, "Authorization", "n", md5.New,
		},
		"a comma at the end": {401, []string{`Digest realm="r", nonce="n", algorithm=MD5,`}, "Authorization", "n", md5.New},
		"several in one header": {
			401, []string{`Basic realm="r", Digest realm="r", nonce="m", qop="auth", Digest realm="r", nonce="s", algorithm=SHA-256, qop="auth"`},
			"Authorization", "s", sha256.New,
		},
		"white space everywhere": {401, []string{`digest  realm = "r" ,  nonce = "n" , algorithm = MD5`}, "Authorization", "n", md5.New},
		"in lower case":          {401, []string{`Digest realm="r",nonce="n",algorithm=md5,qop="auth,auth-int"`}, "Authorization", "n", md5.New},
		"SHA-256": {
			407, []string{`Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"`}, "Proxy-Authorization", "n", sha256.New,
		},
		"the strongest of three": {
			401, []string{unknown, `Digest realm="r", nonce="m", algorithm=MD5`, `Digest realm="r", nonce="s", algorithm=SHA-256, qop="auth"`},
			"Authorization", "s", sha256.New,
		},
		"the one that is known": {
			401, []string{`Basic realm="r"`, unknown, `Digest realm="r", nonce="m", algorithm=MD5, qop="auth-int , auth"`}, "Authorization", "m", md5.New,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				second := l.challenge(c.code, c.challenges...)
				if !proves(second, c.header, c.nonce, c.hash) {
					l.p.t.Errorf("the credentials are wrong: %+v", second.fields)
				}
				if second.seq() <= l.first.seq() || second.branch() == l.first.branch() {
					l.p.t.Errorf("it is no new request: %+v", second.fields)
				}
				l.accept()
				ack := l.expect("ACK")
				if ack.get(c.header) == "" {
					l.p.t.Errorf("the ACK has no credentials")
				}
				l.bye()
			})
			begin(t, newDialer(t, trunkWithUser(p)), callTo(callee)).ends(dialer.ClientHangup)
			require.Equal(t, []string{"INVITE", "ACK", "INVITE", "ACK"}, p.only().saw())
			p.balanced()
		})
	}
}

func TestTwoParties(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.challenge(407, `Digest realm="proxy", nonce="p", algorithm=MD5`)
		third := l.challenge(401, `Digest realm="far", nonce="f", algorithm=MD5`)
		if !proves(third, "Proxy-Authorization", "p", md5.New) || !proves(third, "Authorization", "f", md5.New) {
			l.p.t.Errorf("both are to be answered: %+v", third.fields)
		}
		l.talk()
		l.bye()
	})
	trunk := trunkWithUser(p)
	trunk.Realms = []string{"proxy", "far"}
	begin(t, newDialer(t, trunk), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

// Whoever is behind the trunk gets nothing of its credentials.
func TestAnotherRealmIsNotAnswered(t *testing.T) {
	t.Parallel()
	for name, realms := range map[string][]string{"the first": nil, "as configured": {"proxy"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			p := newPeer(t, "udp", func(l *leg) {
				l.challenge(407, `Digest realm="proxy", nonce="p", algorithm=MD5`)
				if calls.Add(1) == 1 {
					l.ring()
					l.reply(l.current(), 486, "Busy")
					return
				}
				l.reply(l.current(), 401, "Prove It", `WWW-Authenticate: Digest realm="far", nonce="f", algorithm=MD5`)
			})
			trunk := trunkWithUser(p)
			trunk.Realms = realms
			d := newDialer(t, trunk)
			begin(t, d, callTo(callee)).ends(dialer.DialBusy)
			for range 2 { // it is no matter of the trunk, which has let a call in
				o := begin(t, d, callTo(callee)).ends(dialer.DialFailed)
				require.Equal(t, "401", o.Details["sip_code"])
				require.Contains(t, o.Message, `"far"`)
			}
			require.Equal(t, 6, p.placed())
		})
	}
}

// A server that a 3xx names is not the trunk.
func TestRedirectionsGetNoCredentials(t *testing.T) {
	t.Parallel()
	other := newPeer(t, "udp", refuses(401, `WWW-Authenticate: Digest realm="r", nonce="n"`))
	p := newPeer(t, "udp", func(l *leg) {
		l.challenge(401, `Digest realm="r", nonce="n", algorithm=MD5`)
		l.reply(l.current(), 302, "Moved", "Contact: <sip:x@"+other.addr()+">")
	})
	trunk := trunkWithUser(p)
	trunk.Redirects = 1
	begin(t, newDialer(t, trunk), callTo(callee)).ends(dialer.DialFailed)
	require.Equal(t, 1, other.placed())
	require.Empty(t, other.only().first.get("Authorization"))
}

// Half of a challenge is not answered: a wrong answer may lock an account.
func TestChallengesThatCannotBeAnswered(t *testing.T) {
	t.Parallel()
	for _, c := range []string{
		`Digest realm="r"`, `Digest nonce="n"`, `Digest realm="", nonce="n"`, `Digest realm="r", nonce=""`, `Digest`, ``,
		`Basic realm="r", nonce="n"`, `realm="r", nonce="n"`, `Digest realm="r", nonce="n", algorithm=ROT13`,
	} {
		p := newPeer(t, "udp", func(l *leg) { l.reply(l.first, 401, "Prove It", "WWW-Authenticate: "+c) })
		isUnavailable(t, begin(t, newDialer(t, trunkWithUser(p)), callTo(callee)).over().err)
		require.Equal(t, 1, p.placed(), c)
	}
}

// Two proxies in a row may be of one realm, and both want an answer. That the first was content is seen
// by its 100: without that, a second challenge says that the password is wrong.
func TestTwoProxiesOfOneRealm(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.challenge(407, `Digest realm="carrier", nonce="edge", qop="auth"`)
		l.trying()
		l.pause(20 * time.Millisecond)
		third := l.challenge(407, `Digest realm="carrier", nonce="core", qop="auth"`)
		answers := third.all("Proxy-Authorization")
		if len(answers) != 2 || param(answers[0], "nonce") != "edge" || param(answers[1], "nonce") != "core" {
			l.p.t.Errorf("both are to be answered, in turn: %v", answers)
		}
		if !proves(third, "Proxy-Authorization", "edge", md5.New) || !proves(third, "Proxy-Authorization", "core", md5.New) {
			l.p.t.Errorf("the answers are wrong: %v", answers)
		}
		l.talk()
		l.bye()
	})
	begin(t, newDialer(t, trunkWithUser(p)), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

func TestStaleNonceIsReplaced(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.challenge(401, `Digest realm="r", nonce="old", algorithm=MD5, qop="auth"`)
		third := l.challenge(401, `Digest realm="r", nonce="new", stale=true, algorithm=MD5, qop="auth"`)
		if !proves(third, "Authorization", "new", md5.New) {
			l.p.t.Errorf("the new nonce is to be used: %+v", third.fields)
		}
		l.talk()
		l.bye()
	})
	begin(t, newDialer(t, trunkWithUser(p)), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}

// A wrong password is tried once, and once more where only the nonce is said to be at fault.
func TestAccountsAreNotLocked(t *testing.T) {
	t.Parallel()
	for stale, most := range map[string]int{"": 2, ", stale=true": 3} {
		t.Run(stale, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "udp", func(l *leg) {
				for i := 0; ; i++ {
					l.reply(l.current(), 401, "No", fmt.Sprintf(`WWW-Authenticate: Digest realm="r", nonce="%d"%s`, i, stale))
					select {
					case <-l.closed:
						return
					case m := <-l.requests:
						for m.method() != "INVITE" || m == l.first {
							select {
							case <-l.closed:
								return
							case m = <-l.requests:
							}
						}
					}
				}
			})
			r := begin(t, newDialer(t, trunkWithUser(p)), callTo(callee)).over()
			require.Equal(t, most, p.placed())
			require.ErrorIs(t, r.err, dialer.ErrNotPlaced, "it is the trunk's trouble, not the callee's")
		})
	}
}

func TestByeIsChallenged(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.byHand("BYE")
		l.challenge(401, `Digest realm="r", nonce="n", algorithm=MD5, qop="auth"`)
		l.talk()
		l.reply(l.expect("BYE"), 401, "No", `WWW-Authenticate: Digest realm="r", nonce="b", algorithm=SHA-256, qop="auth"`)
		again := l.expect("BYE")
		if !proves(again, "Authorization", "b", sha256.New) {
			l.p.t.Errorf("the BYE has the wrong credentials: %+v", again)
		}
		l.reply(again, 200, "OK")
	})
	r := begin(t, newDialer(t, trunkWithUser(p)), callTo(callee)).reaches(dialer.Connected)
	r.cancel(nil)
	r.ends(dialer.APICancelled)
	p.balanced()
	require.Equal(t, []string{"INVITE", "ACK", "INVITE", "ACK", "BYE", "BYE"}, p.only().saw())
}

// A PRACK answers a challenge of its own, while nobody has looked at the credentials of the INVITE.
func TestPrackIsChallenged(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "udp", func(l *leg) {
		l.byHand("PRACK")
		second := l.challenge(401, `Digest realm="r", nonce="n", algorithm=MD5, qop="auth"`)
		l.reply(second, 183, "Progress", "Require: 100rel", "RSeq: 1")
		l.reply(l.expect("PRACK"), 401, "No", `WWW-Authenticate: Digest realm="r", nonce="p", algorithm=MD5, qop="auth"`)
		again := l.expect("PRACK")
		if !proves(again, "Authorization", "p", md5.New) {
			l.p.t.Errorf("the PRACK has the wrong credentials: %+v", again)
		}
		l.reply(again, 200, "OK")
		l.accept()
		l.expect("ACK")
		l.bye()
	})
	begin(t, newDialer(t, trunkWithUser(p)), callTo(callee)).ends(dialer.ClientHangup)
	p.balanced()
}
