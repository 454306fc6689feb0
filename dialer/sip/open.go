package sip

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/bridge"
	"github.com/outdial/outdial/dialer/sip/media"
)

// The schemes are registered here so that importing the package is all that a host does.
func init() {
	dialer.Register("sip", open)
	dialer.Register("sips", open)
}

func open(u *url.URL) (dialer.Dialer, error) {
	config, err := parse(u)
	if err != nil {
		return nil, err
	}
	return New(config)
}

// parse reads a URL as the package comment describes it.
func parse(u *url.URL) (Config, error) {
	if u.Opaque != "" || (u.Path != "" && u.Path != "/") || u.Hostname() == "" {
		return Config{}, errors.New("expected sip://USER:SECRET@HOST:PORT?..., without path")
	}
	p := dialer.ParseParams(u)
	trunk, err := parseTrunk(u, p)
	if err != nil {
		return Config{}, err
	}
	config := Config{
		Limits:    p.Limits(),
		Listen:    p.String("listen", ""),
		Advertise: p.String("advertise", ""),
	}
	if config.Headers, err = parseHeaders(p.String("headers", "")); err != nil {
		return Config{}, err
	}
	if config.Trunks, err = withBackups(trunk, p.String("backup", "")); err != nil {
		return Config{}, err
	}
	config.Media, err = parseMedia(p, config)
	return config, errors.Join(err, p.Err())
}

// parseMedia is the one place that says what is heard on the calls of a dialer that was
// opened by URL: the agent behind a WebSocket, over RTP.
func parseMedia(p *dialer.Params, config Config) (media.Handler, error) {
	kind := p.String("media", "rtp")
	r := &routed{trunk: config.Trunks[0], resolver: net.DefaultResolver}
	r.config.AgentAtAnswer = p.Bool("agent_at_answer", false)
	r.config.Agent = bridge.WebSocket(bridge.Config{Token: p.String("agent_token", "")})
	var errs [2]error
	r.config.Ports, errs[0] = parsePorts(p.String("rtp_ports", ""))
	r.config.IP, errs[1] = parseMediaIP(p.String("rtp_ip", ""), config)
	switch kind {
	case "none":
		return nil, errors.Join(errs[:]...)
	case "rtp":
	case "srtp":
		r.config.Encryption = media.Encrypted
	default:
		return nil, fmt.Errorf("parameter media=%q: expected rtp, srtp or none", kind)
	}
	return r, errors.Join(errs[:]...)
}

func parsePorts(s string) (media.PortRange, error) {
	if s == "" {
		return media.PortRange{}, nil
	}
	first, last, _ := strings.Cut(s, "-")
	from, err := parsePort(first)
	to, err2 := parsePort(last)
	if err != nil || err2 != nil || from == 0 || to <= from {
		return media.PortRange{}, fmt.Errorf("parameter rtp_ports=%q: expected FIRST-LAST", s)
	}
	return media.PortRange{First: uint16(from), Last: uint16(to)}, nil //nolint:gosec // parsePort has seen to it
}

// parseMediaIP is the address for media: what is given, or what is given for the signalling. The
// zero one, if it is not given: the address that leads to the trunk.
func parseMediaIP(s string, config Config) (netip.Addr, error) {
	if s != "" {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return ip, fmt.Errorf("parameter rtp_ip=%q: expected an address", s)
		}
		return ip, nil
	}
	for _, hostport := range []string{config.Advertise, config.Listen} {
		host, _, err := splitHostPort(hostport)
		if ip, notIP := netip.ParseAddr(host); err == nil && notIP == nil && !ip.IsUnspecified() {
			return ip, nil
		}
	}
	return netip.Addr{}, nil
}

func parseTrunk(u *url.URL, p *dialer.Params) (Trunk, error) {
	port, err := parsePort(u.Port())
	if err != nil {
		return Trunk{}, err
	}
	trunk := Trunk{
		Host: u.Hostname(), Port: port, Secure: u.Scheme == "sips",
		Transport:       Transport(strings.ToLower(p.String("transport", ""))),
		Domain:          p.String("domain", ""),
		User:            u.User.Username(),
		DisplayName:     p.String("display", ""),
		AssertIdentity:  p.Bool("assert", false),
		Private:         p.Bool("private", false),
		WithoutPlus:     p.Bool("plain", false),
		Prefix:          p.String("prefix", ""),
		KeepAlive:       neverIfZero(p.Duration("keepalive", defaultKeepAlive)),
		SessionInterval: neverIfZero(p.Duration("session", defaultSession)),
		Redirects:       p.Int("redirects", 0),
		LargeOverUDP:    p.Bool("large_over_udp", false),
		SameAddress:     p.Bool("same_address", false),
	}
	trunk.Secret, _ = u.User.Password()
	if p.Bool("insecure", false) {
		trunk.TLS = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // asked for by name
	}
	trunk.Allow, err = parseAllow(p.String("allow", ""))
	return trunk, err
}

// withBackups returns the trunk and those like it at other hosts.
func withBackups(trunk Trunk, backup string) ([]Trunk, error) {
	trunks := []Trunk{trunk}
	for _, hostport := range fields(backup) {
		next := trunk
		var err error
		if next.Host, next.Port, err = splitHostPort(hostport); err != nil {
			return nil, fmt.Errorf("parameter backup: %w", err)
		}
		trunks = append(trunks, next)
	}
	return trunks, nil
}

func parseHeaders(s string) (map[string]string, error) {
	headers := map[string]string{}
	for _, pair := range fields(s) {
		key, name, ok := strings.Cut(pair, ":")
		if !ok {
			return nil, fmt.Errorf("parameter headers: %q: expected key:X-Header", pair)
		}
		headers[key] = name
	}
	return headers, nil
}

func parseAllow(s string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, one := range fields(s) {
		if addr, err := netip.ParseAddr(one); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(one)
		if err != nil {
			return nil, fmt.Errorf("parameter allow: %q is no address and no prefix", one)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// fields splits a list with commas, of which an empty text has no members.
func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// splitHostPort takes host, host:port, and the like with an IPv6 address in brackets.
func splitHostPort(s string) (host string, port int, err error) {
	if !strings.Contains(s, ":") || strings.HasSuffix(s, "]") {
		return strings.Trim(s, "[]"), 0, nil
	}
	host, digits, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, fmt.Errorf("%q: expected host or host:port", s)
	}
	port, err = parsePort(digits)
	return host, port, err
}

func parsePort(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no port", s)
	}
	return int(port), nil
}
