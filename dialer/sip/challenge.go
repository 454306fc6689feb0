package sip

import (
	"cmp"
	"slices"
	"strings"

	msg "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// strongest picks one challenge of each realm, of those that can be answered.
func strongest(res *msg.Response, proxy bool) []*digest.Challenge {
	name := "www-authenticate"
	if proxy {
		name = "proxy-authenticate"
	}
	var best []*digest.Challenge
	for _, h := range res.GetHeaders(name) {
		for _, challenge := range parseChallenges(h.Value()) {
			i := slices.IndexFunc(best, func(b *digest.Challenge) bool { return b.Realm == challenge.Realm })
			switch {
			case i < 0:
				best = append(best, challenge)
			case cmp.Compare(strength(challenge), strength(best[i])) > 0:
				best[i] = challenge
			}
		}
	}
	return best
}

func strength(c *digest.Challenge) int {
	return slices.Index([]string{"", "MD5", "SHA-256", "SHA-512-256", "SHA-512"}, c.Algorithm)
}

// parseChallenges reads the challenges of a header (RFC 7616, section 3.3; RFC 7235, section 4.1) and leaves
// out those that cannot be answered. Names are taken in any case; what is not known is passed over: to answer
// with half of a challenge is to be taken for somebody who guesses passwords.
func parseChallenges(s string) []*digest.Challenge {
	var all []*digest.Challenge
	var current *digest.Challenge // nil: of a scheme that we do not know
	for _, part := range splitQuoted(s, ',') {
		scheme, param := cutScheme(strings.TrimSpace(part))
		if scheme != "" {
			current = nil
			if strings.EqualFold(scheme, "digest") {
				current = &digest.Challenge{}
				all = append(all, current)
			}
		}
		if current != nil {
			setParam(current, param)
		}
	}
	return slices.DeleteFunc(all, func(c *digest.Challenge) bool { return !isUsable(c) })
}

// cutScheme takes the scheme off a parameter: a word that stands before another.
func cutScheme(s string) (scheme, param string) {
	first, rest, found := strings.Cut(s, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.ContainsAny(first, "=\""), found && strings.HasPrefix(rest, "="):
		return "", s
	case !found && !strings.EqualFold(first, "digest"):
		return "", s
	}
	return first, rest
}

func setParam(c *digest.Challenge, param string) {
	name, value, _ := strings.Cut(param, "=")
	value = unquoted(strings.TrimSpace(value))
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "realm":
		c.Realm = value
	case "nonce":
		c.Nonce = value
	case "opaque":
		c.Opaque = value
	case "stale":
		c.Stale = strings.EqualFold(value, "true")
	case "algorithm":
		c.Algorithm = strings.ToUpper(value)
	case "qop":
		for one := range strings.SplitSeq(value, ",") {
			if one = strings.ToLower(strings.TrimSpace(one)); one != "" {
				c.QOP = append(c.QOP, one)
			}
		}
	case "userhash":
		c.Userhash = strings.EqualFold(value, "true")
	}
}

func isUsable(c *digest.Challenge) bool {
	return c.Realm != "" && c.Nonce != "" && checkValue(c.Realm+c.Nonce+c.Opaque) == nil && digest.CanDigest(c)
}

// unquoted is the text of a quoted-string, or of a token as it is.
func unquoted(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' { //nolint:mnd // the quotes
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
