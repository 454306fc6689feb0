package sip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/sip/media"
)

// Config says what a [Dialer] is like. Trunks is required.
type Config struct {
	// Trunks are tried in this order.
	Trunks []Trunk

	// Limits is what the trunks admit together. It is told to the engine, which keeps it.
	Limits dialer.Limits

	// Media is what is heard on the calls. Nil: nothing. An offer is made with PCMU on a UDP port that is
	// reserved and never read, and a call lasts until the callee hangs up or it has to
	// end. That is for load tests and checks of the signalling.
	Media media.Handler

	// Listen is the local address, host:port, for UDP and TCP alike. Empty: every address, on a
	// free port. Port 0: a free one.
	Listen string

	// Advertise is the address that peers are told in Via and Contact, where it is not the
	// local one: a host, or host:port. Empty: the local address that leads to the peer.
	Advertise string

	// Headers is which of a call's metadata goes into which header: the key of the metadata, then the
	// name of the header, which begins with "X-". Values are texts, numbers or true and
	// false; a call with another one, or with a text that is no header value, is not placed.
	Headers map[string]string

	// UserAgent is the header of this name. Empty: "outdial".
	UserAgent string

	// Resolver looks up the trunks. Nil: net.DefaultResolver.
	Resolver Resolver

	// Logger is told what an operator has to know: trunks that come and go, calls that had to
	// be cleaned up. Nil: nobody is told.
	Logger *slog.Logger
}

// Trunk is a way to a carrier. Host is required.
type Trunk struct {
	// Name is what the trunk is called in the details of calls and in the log. Empty: Host.
	Name string

	// Host is where requests go: an address or a name. Port is its port; zero: what the
	// SRV records of the name say, else 5060, or 5061 for TLS.
	Host string
	Port int

	// Transport is how. Empty: UDP, or TLS if Secure.
	Transport Transport

	// Secure makes every URI a sips URI, which asks for TLS on the whole way.
	Secure bool

	// Domain is the domain in the URIs. Empty: Host.
	Domain string

	// User and Secret answer the trunk's challenges (RFC 7616, RFC 8760).
	User, Secret string

	// TLS is the configuration of connections over TLS. Nil: the system's roots. An empty
	// ServerName is Host.
	TLS *tls.Config

	// DisplayName is the display name of the caller.
	DisplayName string

	// AssertIdentity puts the caller's number into P-Asserted-Identity (RFC 3325).
	AssertIdentity bool

	// Private asks the trunk to withhold the caller's number: an anonymous From and
	// "Privacy: id" (RFC 3323, RFC 3325).
	Private bool

	// WithoutPlus writes the numbers without their plus sign. Prefix is written before
	// the number that is dialled.
	WithoutPlus bool
	Prefix      string

	// KeepAlive is how often an OPTIONS asks whether the trunk's servers are there. One that refuses
	// connections, or answers no more though it did before, takes no calls until it answers. Zero: 30
	// seconds. Negative: it is never asked.
	KeepAlive time.Duration

	// SessionInterval is the session interval that is asked for (RFC 4028). It is rounded
	// to seconds and at least 90 of them. Zero: 30 minutes. Negative: none is asked
	// for, though one that the peer asks for is kept.
	SessionInterval time.Duration

	// Redirects is how many times a 3xx is followed in one call. Zero: it is not, and
	// the call ends with dial_failed.
	Redirects int

	// LargeOverUDP keeps an INVITE above 1300 bytes on UDP. Otherwise it goes over TCP
	// (RFC 3261, section 18.1.1).
	LargeOverUDP bool

	// SameAddress sends what belongs to a call where its INVITE went, whatever Contact and
	// Record-Route say. It is for trunks behind a broken NAT.
	SameAddress bool

	// Allow are the addresses that the trunk may send from, beside those that its
	// name stands for and those that its messages name.
	Allow []netip.Prefix
}

// Transport is a transport protocol.
type Transport string

// The transports.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

// Resolver looks up names. *net.Resolver is one.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	defaultKeepAlive = 30 * time.Second
	defaultSession   = 30 * time.Minute
	minSession       = 90 * time.Second // RFC 4028, section 5
)

// neverIfZero is for URLs, where 0 is what somebody wrote, and not a field that was left out.
func neverIfZero(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// withDefaults fills in what was left zero, or says what cannot be.
func (c Config) withDefaults() (Config, error) {
	if len(c.Trunks) == 0 {
		return c, errors.New("sip: no trunk is configured")
	}
	if c.UserAgent == "" {
		c.UserAgent = "outdial"
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := checkValue(c.UserAgent); err != nil {
		return c, fmt.Errorf("sip: user agent: %w", err)
	}
	if err := checkAllowed(c.Headers); err != nil {
		return c, err
	}
	c.Trunks = slices.Clone(c.Trunks)
	for i := range c.Trunks {
		if err := c.Trunks[i].complete(); err != nil {
			return c, fmt.Errorf("sip: trunk %d: %w", i+1, err)
		}
	}
	return c, nil
}

func (t *Trunk) complete() error {
	t.Host = strings.Trim(t.Host, "[]")
	if t.Domain == "" {
		t.Domain = t.Host
	}
	if t.Name == "" {
		t.Name = t.Host
	}
	if t.Transport == "" {
		t.Transport = UDP
		if t.Secure {
			t.Transport = TLS
		}
	}
	if t.KeepAlive == 0 {
		t.KeepAlive = defaultKeepAlive
	}
	if t.SessionInterval == 0 {
		t.SessionInterval = defaultSession
	}
	if t.SessionInterval > 0 {
		t.SessionInterval = max(t.SessionInterval.Round(time.Second), minSession)
	}
	return t.check()
}

func (t *Trunk) check() error {
	if t.Transport != UDP && t.Transport != TCP && t.Transport != TLS {
		return fmt.Errorf("transport %q: expected udp, tcp or tls", t.Transport)
	}
	if t.Secure && t.Transport != TLS {
		return fmt.Errorf("sips goes over tls only, not over %s", t.Transport)
	}
	if t.Port < 0 || t.Port > 65535 || t.Redirects < 0 {
		return fmt.Errorf("port %d, redirects %d: expected none below 0, and no port above 65535", t.Port, t.Redirects)
	}
	if err := checkHost(t.Host); err != nil {
		return fmt.Errorf("host: %w", err)
	}
	if err := checkHost(t.Domain); err != nil {
		return fmt.Errorf("domain: %w", err)
	}
	if err := checkUserPart(t.Prefix); err != nil {
		return fmt.Errorf("prefix: %w", err)
	}
	if err := errors.Join(checkValue(t.DisplayName), checkValue(t.User)); err != nil {
		return fmt.Errorf("display name or user: %w", err)
	}
	return nil
}
