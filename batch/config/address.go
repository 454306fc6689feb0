package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// address is where a carrier is reached from outside, which can be one carrier's only.
type address struct {
	carrier   string // its name
	parameter string // that says it
	host      string // empty: every address of the machine
	port      string
	path      string
}

// meets says whether what is sent to one of the two may come to the other.
func (a address) meets(b address) bool {
	if a.parameter != b.parameter || a.port != b.port || a.path != b.path {
		return false
	}
	return a.host == b.host || a.host == "" || b.host == ""
}

// alone notes a mistake where a carrier is reached at the address of one before it. Opening it would not tell for every
// kind: where two have one public URL, what is sent to one of them comes to the other, which refuses it.
func (r *reader) alone(v value, name string, spec carrierSpec) bool {
	own, ok := addressIn(spec)
	if !ok {
		return true
	}
	own.carrier = name
	for _, other := range r.addresses {
		if own.meets(other) {
			r.badValue(v, fmt.Sprintf("the parameter %s names the address of carrier %q: expected another one, "+
				"as what is sent there can be for one carrier only", own.parameter, hideURL(other.carrier)))
			return false
		}
	}
	r.addresses = append(r.addresses, own)
	return true
}

// addressIn finds the address in a carrier's URL, if it names one that is fixed.
func addressIn(spec carrierSpec) (address, bool) {
	u, err := url.Parse(spec.url)
	if err != nil {
		return address{}, false
	}
	switch parameters := u.Query(); spec.kind() {
	case "twilio":
		return publicAddress(parameters.Get("public"))
	case "sip", "sips":
		return listenAddress(parameters.Get("listen"))
	}
	return address{}, false
}

func publicAddress(text string) (address, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return address{}, false
	}
	port := strings.TrimLeft(u.Port(), "0")
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[strings.ToLower(u.Scheme)]
	}
	return address{
		parameter: "public", host: strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), port: port,
		path: plainPath(u.EscapedPath()),
	}, true
}

// plainPath is one way to write a path that can be written in many, as what stands between may write it anew.
func plainPath(escaped string) string {
	elements := strings.Split(escaped, "/")
	for i, element := range elements {
		if plain, err := url.PathUnescape(element); err == nil {
			elements[i] = url.PathEscape(plain)
		}
	}
	return path.Clean("/" + strings.Join(elements, "/"))
}

// listenAddress takes an address that stands for all of the machine's as one that meets every other.
func listenAddress(text string) (address, bool) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || strings.Trim(port, "0") == "" {
		return address{}, false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
		if ip.IsUnspecified() {
			host = ""
		}
	}
	return address{parameter: "listen", host: strings.ToLower(host), port: strings.TrimLeft(port, "0")}, true
}
