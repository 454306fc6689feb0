package sip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	msg "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// credentials answers the challenges of a trunk within one call (RFC 3261, section 22; RFC 7616; RFC 8760).
// It is safe for concurrent use.
type credentials struct {
	user, secret string
	realms       []string // that are answered; nil: the first that asks

	mu        sync.Mutex
	accepted  []*realm // in the order in which they asked
	isPassing bool     // the last request was passed on by somebody who has seen it
}

// realm is who has challenged us, and how.
type realm struct {
	proxy     bool
	challenge *digest.Challenge
	uses      int // of the nonce
	tries     int // since an answer was accepted
}

const (
	// mostTries is how often the same credentials are sent to somebody who does not take them: once more
	// where the nonce was stale. More may lock an account.
	mostTries = 2

	// mostAlike is how many proxies of one realm may be in a row, mostAnswers how many answers a request has.
	mostAlike, mostAnswers = 2, 4
)

// judge takes the challenges of a 401 or 407, and says whether there is sense in sending the request again, and whether
// the challenges mean that the credentials are wrong: the same realm challenges what brought them, for no other reason.
func (c *credentials) judge(res *msg.Response) (again, wrong bool) { return c.judgeOf(nil, res) }

// judgeOf is judge for a request that has brought so much by itself, beside others. Where another request was given
// a newer nonce meanwhile, a challenge says nothing of the credentials: a nonce may be good for one request.
func (c *credentials) judgeOf(own *brought, res *msg.Response) (again, wrong bool) {
	if c.user == "" {
		return false, false
	}
	proxy := res.StatusCode == msg.StatusProxyAuthRequired
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, challenge := range strongest(res, proxy) {
		if !c.trusts(challenge.Realm) {
			continue
		}
		if !c.take(own, proxy, challenge) {
			alike := c.alike(proxy, challenge.Realm)
			return false, !challenge.Stale && len(alike) > 0 && !own.isOutdated(alike[len(alike)-1])
		}
		again = true
	}
	return again, false
}

var errStale = errors.New("it takes every nonce for an old one, also its newest")

// obstacle says why a challenge was not answered, where the credentials are not known to be wrong.
func (c *credentials) obstacle(res *msg.Response) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.user == "" {
		return errors.New("it asks for a user and a secret, and there are none for it")
	}
	challenges := strongest(res, res.StatusCode == msg.StatusProxyAuthRequired)
	if len(challenges) == 0 {
		return errors.New("it has no challenge that can be answered: Digest with a realm, a nonce and " +
			"MD5, SHA-256, SHA-512-256 or SHA-512")
	}
	for _, challenge := range challenges {
		if slices.Contains(c.realms, challenge.Realm) {
			return errStale
		}
	}
	return fmt.Errorf("the realm %q is none that is answered", printable(challenges[0].Realm))
}

// learnBeside is judge for a request that is under way beside the INVITE: how often that was tried does not count for
// it, nor the other way round.
func (c *credentials) learnBeside(res *msg.Response) (again bool) {
	if c.user == "" {
		return false
	}
	proxy := res.StatusCode == msg.StatusProxyAuthRequired
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, challenge := range strongest(res, proxy) {
		if !c.trusts(challenge.Realm) {
			continue
		}
		switch alike := c.alike(proxy, challenge.Realm); {
		case len(alike) > 0:
			last := alike[len(alike)-1]
			last.challenge, last.uses = challenge, 0
		case len(c.accepted) >= mostAnswers:
			return false
		default:
			c.accepted = append(c.accepted, &realm{proxy: proxy, challenge: challenge})
		}
		again = true
	}
	return again
}

// trusts says whether the realm is answered, and is called with the lock held. Somebody behind the trunk may
// challenge us, too, to see what we answer.
func (c *credentials) trusts(realm string) bool {
	if len(c.realms) == 0 {
		c.realms = []string{realm}
	}
	return slices.Contains(c.realms, realm)
}

// take is called with the lock held.
func (c *credentials) take(own *brought, proxy bool, challenge *digest.Challenge) bool {
	alike := c.alike(proxy, challenge.Realm)
	for _, r := range alike {
		if own.triesAt(r) == 0 { // it was accepted before, and its nonce has run out
			own.renew(r, challenge)
			return true
		}
	}
	switch n := len(alike); {
	case n == 0:
	case (challenge.Stale || own.isOutdated(alike[n-1])) && own.triesAt(alike[n-1]) < mostTries:
		own.renew(alike[n-1], challenge)
		return true
	case own != nil || !c.isPassing || n >= mostAlike || alike[n-1].challenge.Nonce == challenge.Nonce:
		return false // the credentials are wrong
	}
	if len(c.accepted) >= mostAnswers {
		return false
	}
	r := &realm{proxy: proxy}
	own.renew(r, challenge)
	c.accepted = append(c.accepted, r)
	return true
}

func (c *credentials) alike(proxy bool, name string) (alike []*realm) {
	for _, r := range c.accepted {
		if r.proxy == proxy && r.challenge.Realm == name {
			alike = append(alike, r)
		}
	}
	return alike
}

// passed notes that somebody answered the last request with a provisional response: who challenges it after
// that is somebody else, further on, of the same realm perhaps.
func (c *credentials) passed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isPassing = true
}

// forget forgets the challenges, which have become old.
func (c *credentials) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted = nil
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
func (c *credentials) apply(req *msg.Request) error { return c.applyOf(nil, req) }

// applyOf is apply for a request that is under way beside others.
func (c *credentials) applyOf(own *brought, req *msg.Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if own == nil {
		c.isPassing = false
	}
	for _, r := range c.accepted {
		r.uses++
		own.bring(r)
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
