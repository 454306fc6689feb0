package twilio

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's choice
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
)

// bodyHash is the parameter in the URL of a callback whose body is no form.
const bodyHash = "bodySHA256"

// keys are the auth tokens that Twilio may sign with, the present one first.
type keys []string

// signature is what a request has come with, to be checked against the keys and addresses of many dialers: what costs
// time is done once. It is not safe for concurrent use. The zero value is nobody's.
type signature struct {
	given  []byte // nil: none that Twilio makes
	suffix string // what is signed after the address
	failed map[keyedAddress]struct{}
}

type keyedAddress struct{ key, address string }

// signatureOf takes the header's value. What is signed is the address and the form.
func signatureOf(header string, form url.Values) signature {
	given, err := base64.StdEncoding.DecodeString(header)
	if err != nil || len(given) != sha1.Size {
		return signature{}
	}
	return signature{given: given, suffix: canonical(form), failed: map[keyedAddress]struct{}{}}
}

// signer returns the token by which Twilio signed a request to the address, or "" if by none
// (https://www.twilio.com/docs/usage/security#validating-requests). The address is as Twilio was given
// it; Twilio is of two minds about the port in it.
func (s signature) signer(k keys, address string) string {
	if s.given == nil {
		return ""
	}
	signer := ""
	for _, key := range k {
		with := keyedAddress{key, address}
		if _, has := s.failed[with]; has || key == "" {
			continue // anybody can sign with an empty one
		}
		if s.isBy(with) {
			signer = key
		} else {
			s.failed[with] = struct{}{}
		}
	}
	return signer
}

func (s signature) isBy(with keyedAddress) bool {
	is := false
	for _, address := range ports(with.address) {
		mac := hmac.New(sha1.New, []byte(with.key))
		mac.Write([]byte(address + s.suffix))
		is = subtle.ConstantTimeCompare(mac.Sum(nil), s.given) == 1 || is
	}
	return is
}

// canonical is the form as it is signed: sorted by name, each different value of a name in
// order, with its name before it.
func canonical(form url.Values) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(form)) {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			b.WriteString(name)
			b.WriteString(value)
		}
	}
	return b.String()
}

// hashed says whether the body is the one whose hash the URL has.
func hashed(body []byte, hash string) bool {
	sum := sha256.Sum256(body)
	given, err := hex.DecodeString(hash)
	return err == nil && subtle.ConstantTimeCompare(sum[:], given) == 1
}

// ports returns the address with and without its port, and touches nothing else of it.
func ports(address string) []string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return []string{address}
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		end = i
	}
	host, tail := rest[:end], rest[end:]
	if name, _, err := net.SplitHostPort(host); err == nil {
		bare := name
		if strings.Contains(name, ":") {
			bare = "[" + name + "]"
		}
		return []string{address, scheme + "://" + bare + tail}
	}
	port := ":443"
	if scheme == "http" || scheme == "ws" {
		port = ":80"
	}
	return []string{address, scheme + "://" + host + port + tail}
}
