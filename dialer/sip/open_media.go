package sip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/bridge"
	"github.com/outdial/outdial/dialer/sip/media"
)

// parseMedia is the one place that says what is heard on the calls of a dialer that was
// opened by URL: the agent behind a WebSocket, over RTP.
func parseMedia(p *dialer.Params, config Config) (media.Handler, error) {
	kind, inClear := p.String("media", "rtp"), p.Bool("keys_in_clear", false)
	r := &routed{trunks: config.Trunks, resolver: net.DefaultResolver, config: media.Config{
		Agent:          bridge.WebSocket(bridge.Config{Token: p.String("agent_token", "")}),
		AgentAtAnswer:  p.Bool("agent_at_answer", false),
		FixedSource:    p.Bool("fixed_source", false),
		EarlyMedia:     p.Bool("early_media", false),
		Timeout:        neverIfZero(p.Duration("media_timeout", defaultMediaTimeout)),
		InitialTimeout: neverIfZero(p.Duration("media_initial_timeout", defaultMediaTimeout)),
		Codecs:         parseCodecs(p.String("codecs", "")),
		Logger:         config.Logger,
	}}
	var errs [3]error
	r.config.Ports, errs[0] = parsePorts(p.String("rtp_ports", ""))
	r.config.IP, errs[1] = parseMediaIP(p.String("rtp_ip", ""), config)
	encryption, ok := map[string]media.Encryption{
		"none": media.Plain, "rtp": media.Plain, "srtp": media.Encrypted, "srtp-preferred": media.Preferred,
	}[kind]
	switch r.config.Encryption = encryption; {
	case !ok:
		errs[2] = fmt.Errorf("parameter media=%q: expected rtp, srtp, srtp-preferred or none", kind)
	case encryption != media.Plain && config.Trunks[0].transport() != TLS && !inClear:
		errs[2] = fmt.Errorf("parameter media=%s: the keys would go over %s in clear: expected tls, or "+
			"keys_in_clear=true where the way to the trunk is private", kind, config.Trunks[0].transport())
	}
	if err := errors.Join(errs[:]...); err != nil || kind == "none" {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}

const defaultMediaTimeout = 30 * time.Second

// parseCodecs leaves it to the media to say which there are.
func parseCodecs(s string) []media.Codec {
	var codecs []media.Codec
	for _, name := range fields(s) {
		codecs = append(codecs, media.Codec(name))
	}
	return codecs
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
