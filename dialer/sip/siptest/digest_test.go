package siptest

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"hash"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip"
)

const (
	user   = "acme"
	secret = "a secret of many words"
	realm  = "carrier.example"
)

func withCredentials(t *sip.Trunk) { t.User, t.Secret = user, secret }

func digest(nonce, more string) string {
	return fmt.Sprintf(`Digest realm=%q, nonce=%q%s`, realm, nonce, more)
}

// verified waits for an INVITE whose credentials SIPp finds right, else it refuses the call.
func verified() step {
	return func(w *scene) {
		expectAs("INVITE", "INVITE",
			fmt.Sprintf(`<verifyauth assign_to="right" username=%q password=%q/>`, user, secret))(w)
		w.labels++
		w.variables["right"] = true
		w.line(`<nop test="right" next="%d"/>`, w.labels)
		replyTo("INVITE", 403, "Forbidden", "")(w)
		w.line(`<recv request="ACK" next="%d"/>`, w.labels+1)
		w.line(`<label id="%d"/>`, w.labels)
		steps(answer(), bye())(w)
		w.labels++
		w.line(`<label id="%d"/>`, w.labels)
	}
}

// challenged waits for an INVITE and refuses it with 401.
func challenged(challenges ...string) step {
	headers := make([]string, len(challenges))
	for i, c := range challenges {
		headers[i] = "WWW-Authenticate: " + c
	}
	return steps(invited(), refuse(401, "Unauthorized", headers...))
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	challengedByProxy := steps(
		invited(), refuse(407, "Proxy Authentication Required", "Proxy-Authenticate: "+digest("n1", `, qop="auth", opaque="o"`)),
	)
	const twice = "INVITE ACK INVITE ACK 200/BYE"
	play(t, []scenario{
		{
			name: "401", trunk: withCredentials,
			peer: script{challenged(digest("n1", `, algorithm=MD5, qop="auth"`)), verified()},
			ends: dialer.ClientHangup, connected: true, hears: twice,
			check: answersTo("INVITE", 1, "authorization", md5.New),
		},
		{
			name: "401 without qop", trunk: withCredentials,
			peer: script{challenged(digest("n1", "")), verified()},
			ends: dialer.ClientHangup, connected: true, hears: twice,
			check: answersTo("INVITE", 1, "authorization", md5.New),
		},
		{
			name: "407", trunk: withCredentials,
			peer: script{challengedByProxy, invited(), answer(), bye()},
			ends: dialer.ClientHangup, connected: true, hears: twice,
			check: answersTo("INVITE", 1, "proxy-authorization", md5.New),
		},
		{
			name: "407, and the call is hung up by us", trunk: withCredentials,
			peer: script{challengedByProxy, invited(), answer(), hungUp()},
			do:   hangUpWhen(dialer.Connected, dialer.AgentHangup),
			ends: dialer.AgentHangup, connected: true, hears: "INVITE ACK INVITE ACK BYE",
		},
		{
			name: "SHA-256 before MD5, and an algorithm that nobody knows before both", trunk: withCredentials,
			peer: script{
				challenged(digest("n0", ", algorithm=ROT13"), digest("n1", `, algorithm=SHA-256, qop="auth"`), digest("n2", "")),
				invited(), answer(), bye(),
			},
			ends: dialer.ClientHangup, connected: true, hears: twice,
			check: answersTo("INVITE", 1, "authorization", sha256.New),
		},
		{
			name: "a nonce that has become stale", trunk: withCredentials,
			peer: script{
				challenged(digest("n1", `, qop="auth"`)), challenged(digest("n2", `, qop="auth", stale=true`)), verified(),
			},
			ends: dialer.ClientHangup, connected: true, hears: "INVITE ACK INVITE ACK INVITE ACK 200/BYE",
		},
		{
			name: "wrong secret", trunk: func(t *sip.Trunk) { t.User, t.Secret = user, "wrong" },
			peer: script{challenged(digest("n1", "")), verified()},
			ends: dialer.DialFailed, hears: "INVITE ACK INVITE ACK", details: map[string]string{"sip_code": "403"},
		},
		{
			name: "wrong secret is not tried again", trunk: func(t *sip.Trunk) { t.User, t.Secret = user, "wrong" },
			peer:  script{challenged(digest("n1", "")), challenged(digest("n2", "")), pause(500)},
			fails: dialer.ErrNotPlaced, hears: "INVITE ACK INVITE ACK",
		},
		{
			name:  "no credentials",
			peer:  script{challenged(digest("n1", "")), pause(300)},
			fails: dialer.ErrNotPlaced, hears: "INVITE ACK",
		},
		{
			name: "BYE", trunk: withCredentials,
			peer: script{
				invited(), answer(), expect("BYE"), say(401, "Unauthorized", "WWW-Authenticate: "+digest("n1", `, qop="auth"`)), hungUp(),
			},
			do:   hangUpWhen(dialer.Connected, dialer.AgentHangup),
			ends: dialer.AgentHangup, connected: true, hears: words("INVITE", "ACK", "BYE", "BYE"),
			check: answersTo("BYE", 1, "authorization", md5.New),
		},
		{
			name: "CANCEL after a challenge", trunk: withCredentials,
			peer: script{challenged(digest("n1", "")), invited(), ringing(), cancelled()},
			do:   hangUpWhen(dialer.Ringing, dialer.APICancelled),
			ends: dialer.APICancelled, hears: "INVITE ACK INVITE CANCEL ACK",
		},
	})
}

var parameter = regexp.MustCompile(`(\w+)="?([^",]*)"?`)

// answersTo recomputes the digest of RFC 7616, section 3.4.1, of the n-th request.
func answersTo(method string, n int, header string, algorithm func() hash.Hash) func(*testing.T, *act) {
	return func(t *testing.T, a *act) {
		value := of(t, a.trace, method, n).head[header]
		require.NotEmpty(t, value, "%s", ladder(a.trace))
		p := map[string]string{}
		for _, match := range parameter.FindAllStringSubmatch(value, -1) {
			p[match[1]] = match[2]
		}
		sum := func(s string) string {
			h := algorithm()
			_, _ = h.Write([]byte(s))
			return fmt.Sprintf("%x", h.Sum(nil))
		}
		middle := p["nonce"]
		if p["qop"] != "" {
			middle += ":" + p["nc"] + ":" + p["cnonce"] + ":" + p["qop"]
		}
		want := sum(sum(user+":"+realm+":"+secret) + ":" + middle + ":" + sum(method+":"+p["uri"]))
		require.Equal(t, want, p["response"], value)
	}
}
