package sip

import (
	"bytes"
	"cmp"
	"io"
	"slices"
	"strings"
	"sync"

	msg "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// credentials answers the challenges of a trunk within one call (RFC 3261, section 22; RFC 7616; RFC 8760).
// It is safe for concurrent use.
type credentials struct {
	user, secret string

	mu       sync.Mutex
	accepted []*realm
}

// realm is who has challenged us, and how.
type realm struct {
	proxy     bool
	challenge *digest.Challenge
	uses      int // of the nonce
	tries     int // since an answer was accepted
}

// mostTries is how often the same credentials are sent to somebody who does not take them: once more
// where the nonce was stale. More may lock an account.
const mostTries = 2

// learn takes the challenges of a 401 or 407, and says whether there is sense in sending
// the request again.
func (c *credentials) learn(res *msg.Response) bool {
	if c.user == "" {
		return false
	}
	proxy := res.StatusCode == msg.StatusProxyAuthRequired
	c.mu.Lock()
	defer c.mu.Unlock()
	again := false
	for _, challenge := range strongest(res, proxy) {
		if !c.take(proxy, challenge) {
			return false
		}
		again = true
	}
	return again
}

func (c *credentials) take(proxy bool, challenge *digest.Challenge) bool {
	i := slices.IndexFunc(c.accepted, func(r *realm) bool {
		return r.proxy == proxy && r.challenge.Realm == challenge.Realm
	})
	if i < 0 {
		c.accepted = append(c.accepted, &realm{proxy: proxy, challenge: challenge, tries: 1})
		return true
	}
	r := c.accepted[i]
	if r.tries > 0 && !challenge.Stale || r.tries >= mostTries {
		return false
	}
	r.challenge, r.uses = challenge, 0
	r.tries++
	return true
}

// known says whether there is anything to answer.
func (c *credentials) known() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.accepted) > 0
}

// taken notes that the last request was not refused for its credentials.
func (c *credentials) taken() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.accepted {
		r.tries = 0
	}
}

// apply puts the answers to all challenges so far into the request.
func (c *credentials) apply(req *msg.Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.accepted {
		r.uses++
		answer, err := digest.Digest(r.challenge, digest.Options{
			Method: string(req.Method), URI: req.Recipient.String(), Username: c.user, Password: c.secret, Count: r.uses,
			GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(req.Body())), nil },
		})
		if err != nil {
			return err
		}
		name := "Authorization"
		if r.proxy {
			name = "Proxy-Authorization"
		}
		req.AppendHeader(msg.NewHeader(name, answer.String()))
	}
	return nil
}

// strongest picks one challenge of each realm, of those that can be answered.
func strongest(res *msg.Response, proxy bool) []*digest.Challenge {
	name := "www-authenticate"
	if proxy {
		name = "proxy-authenticate"
	}
	var best []*digest.Challenge
	for _, h := range res.GetHeaders(name) {
		challenge := parseChallenge(h.Value())
		if challenge == nil {
			continue
		}
		i := slices.IndexFunc(best, func(b *digest.Challenge) bool { return b.Realm == challenge.Realm })
		switch {
		case i < 0:
			best = append(best, challenge)
		case cmp.Compare(strength(challenge), strength(best[i])) > 0:
			best[i] = challenge
		}
	}
	return best
}

// parseChallenge returns nil for one that cannot be answered.
func parseChallenge(s string) *digest.Challenge {
	challenge, err := digest.ParseChallenge(s)
	if err != nil || checkValue(challenge.Realm+challenge.Nonce+challenge.Opaque) != nil {
		return nil
	}
	for i := range challenge.QOP {
		challenge.QOP[i] = strings.ToLower(strings.TrimSpace(challenge.QOP[i]))
	}
	challenge.Algorithm = strings.ToUpper(challenge.Algorithm)
	if !digest.CanDigest(challenge) {
		return nil
	}
	return challenge
}

func strength(c *digest.Challenge) int {
	return slices.Index([]string{"", "MD5", "SHA-256", "SHA-512-256", "SHA-512"}, c.Algorithm)
}
