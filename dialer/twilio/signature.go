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

// signer returns the token by which Twilio signed a request to the address with this form, or "" if by none
// (https://www.twilio.com/docs/usage/security#validating-requests). The address is as Twilio was given
// it; Twilio is of two minds about the port in it.
func (k keys) signer(address string, form url.Values, signature string) string {
	given, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || len(given) != sha1.Size {
		return ""
	}
	suffix := canonical(form)
	signer := ""
	for _, key := range k {
		if key == "" {
			continue // anybody can sign with it
		}
		for _, a := range ports(address) {
			mac := hmac.New(sha1.New, []byte(key))
			mac.Write([]byte(a + suffix))
			if subtle.ConstantTimeCompare(mac.Sum(nil), given) == 1 {
				signer = key
			}
		}
	}
	return signer
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
