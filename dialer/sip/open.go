package sip

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/outdial/outdial/dialer"
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
		Limits:     p.Limits(),
		Listen:     p.String("listen", ""),
		Advertise:  p.String("advertise", ""),
		CallHeader: p.String("call_header", ""),
		Incoming:   p.Int("incoming", defaultIncoming),
		Logger:     slog.Default(), //nolint:forbidigo // a URL has no other way to say who is told
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

func parseTrunk(u *url.URL, p *dialer.Params) (Trunk, error) {
	port, err := parsePort(u.Port())
	if err != nil {
		return Trunk{}, err
	}
	trunk := Trunk{
		Host: u.Hostname(), Port: port, Secure: u.Scheme == "sips",
		Proxy:           p.String("proxy", ""),
		Transport:       Transport(strings.ToLower(p.String("transport", ""))),
		Domain:          p.String("domain", ""),
		User:            u.User.Username(),
		DisplayName:     p.String("display", ""),
		FromUser:        p.String("from_user", ""),
		FromDomain:      p.String("from_domain", ""),
		Identity:        Identity(p.String("identity", "")),
		UserPhone:       p.Bool("user_phone", false),
		Private:         p.Bool("private", false),
		WithoutPlus:     p.Bool("plain", false),
		Prefix:          p.String("prefix", ""),
		KeepAlive:       neverIfZero(p.Duration("keepalive", defaultKeepAlive)),
		ConnectTimeout:  p.Duration("connect_timeout", defaultConnect),
		SilentAfter:     neverIfZero(p.Duration("silent_after", defaultSilent)),
		MaxRest:         neverIfZero(p.Duration("max_rest", defaultMaxRest)),
		AuthRest:        neverIfZero(p.Duration("auth_rest", defaultAuthRest)),
		SessionInterval: neverIfZero(p.Duration("session", defaultSession)),
		Redirects:       p.Int("redirects", 0),
		LargeOverUDP:    p.Bool("large_over_udp", false),
		SameAddress:     p.Bool("same_address", false),
	}
	trunk.Secret, _ = u.User.Password()
	if realm := p.String("realm", ""); realm != "" {
		trunk.Realms = fields(realm)
	}
	if trunk.TLS, err = parseTLS(p); err != nil {
		return Trunk{}, err
	}
	trunk.Allow, err = parseAllow(p.String("allow", ""))
	return trunk, err
}

// parseTLS returns nil where the system's roots will do, and no certificate is asked for.
func parseTLS(p *dialer.Params) (*tls.Config, error) {
	ca, cert, key := p.String("tls_ca", ""), p.String("tls_cert", ""), p.String("tls_key", "")
	insecure := p.Bool("insecure", false)
	if ca == "" && cert == "" && key == "" && !insecure {
		return nil, nil //nolint:nilnil // see above
	}
	config := &tls.Config{InsecureSkipVerify: insecure, MinVersion: tls.VersionTLS12} //nolint:gosec // asked for by name
	if ca != "" {
		pem, err := os.ReadFile(ca) //nolint:gosec // the operator's
		if err != nil {
			return nil, fmt.Errorf("parameter tls_ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("parameter tls_ca: expected a file with certificates in PEM format")
		}
	}
	if cert == "" && key == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("parameters tls_cert and tls_key: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
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
