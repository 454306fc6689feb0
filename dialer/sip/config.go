package sip

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	// free port. Port 0: a free one. Dialers that are given the same address, with a port that is not 0, share it:
	// see the package comment.
	Listen string

	// Advertise is the address that peers are told in Via and Contact, where it is not the
	// local one: a host, or host:port. Empty: the local address that leads to the peer.
	Advertise string

	// Headers is which of a call's metadata goes into which header: the key of the metadata, then the
	// name of the header, which begins with "X-". Values are texts, numbers or true and
	// false; a call with another one, or with a text that is no header value, is not placed.
	Headers map[string]string

	// CallHeader is the header in which [dialer.Call].ID goes along, such as "X-Call", by which the
	// carrier's records can be matched with the engine's. Empty: none.
	CallHeader string

	// Incoming is the status code with which a call is refused that a trunk's server makes to us, as when
	// a callee calls back. Zero: 480.
	Incoming int

	// UserAgent is the header of this name. Empty: "outdial".
	UserAgent string

	// Resolver looks up the trunks. Nil: net.DefaultResolver.
	Resolver Resolver

	// Logger is told what an operator has to know: trunks that come and go, calls that had to
	// be cleaned up. Nil: nobody is told.
	Logger *slog.Logger

	// Trace is told every message that is sent or was received: on connections as it is read, which may be a
	// part of one. Messages have whole numbers, metadata and answers to challenges in them. It is called from
	// many goroutines, must not block and must not keep the bytes. Where dialers share Listen, one is told: that whose
	// call it is of, else the newest. Nil: nobody is told.
	Trace func(way Direction, peer netip.AddrPort, message []byte)
}

// Trunk is a way to a carrier. Host is required.
type Trunk struct {
	// Name is what the trunk is called in the details of calls and in the log. Empty: Host.
	Name string

	// Host is where requests go: an address or a name. Port is its port; zero: what the
	// SRV records of the name say, else 5060, or 5061 for TLS.
	Host string
	Port int

	// Proxy is where requests go instead of Host, a host or host:port, and what their Route names (an
	// outbound proxy). Host is then no more than the domain. Empty: there is none.
	Proxy string

	// Transport is how. Empty: UDP, or TLS if Secure.
	Transport Transport

	// Secure makes every URI a sips URI, which asks for TLS on the whole way.
	Secure bool

	// Domain is the domain in the URIs. Empty: Host.
	Domain string

	// User and Secret answer the trunk's challenges (RFC 7616, RFC 8760), where they are of one of
	// Realms. Empty: of the one that challenges first in a call, since somebody behind the trunk may do it, too.
	// Servers that a 3xx names get no answer.
	User, Secret string
	Realms       []string

	// TLS is the configuration of connections over TLS. Nil: the system's roots. An empty
	// ServerName is Host.
	TLS *tls.Config

	// DisplayName is the display name of the caller. FromUser is the user in From and Contact, FromDomain the
	// domain in From and the identity. Empty: the caller's number, and Domain.
	DisplayName, FromUser, FromDomain string

	// Identity is the header by which the trunk, but not the callee, is told the caller's number.
	Identity Identity

	// UserPhone marks numbers as such, with ";user=phone" (RFC 3261, section 19.1.1).
	UserPhone bool

	// Private asks the trunk to withhold the caller's number: an anonymous From and
	// "Privacy: id" (RFC 3323, RFC 3325).
	Private bool

	// WithoutPlus writes the numbers without their plus sign. Prefix is written before
	// the number that is dialled; a "#" in it goes as "%23".
	WithoutPlus bool
	Prefix      string

	// KeepAlive is how often an OPTIONS asks whether the trunk's servers are there. One that refuses
	// connections, or answers no more though it did before, takes no calls until it answers. Zero: 30
	// seconds. Negative: it is never asked.
	KeepAlive time.Duration

	// ConnectTimeout is how long opening a connection may take. Zero: 4 seconds.
	ConnectTimeout time.Duration

	// SilentAfter is how long a server may say nothing at all to an INVITE until it rests, so that other calls
	// go to the next one. The call itself goes nowhere else: somebody's phone may ring. Zero: 6 seconds.
	// Negative: it is waited for as long as the call.
	SilentAfter time.Duration

	// MaxRest is the longest rest that a server gets by its Retry-After, or because it is silent again and
	// again. Zero: 5 minutes. Negative: none for Retry-After.
	MaxRest time.Duration

	// AuthRest is how long no call is placed over the trunk when it has refused User and Secret: a wrong
	// password that every call brings locks an account. Then one call tries them again, while others wait. Zero:
	// 5 minutes. Negative: until there is another Dialer.
	AuthRest time.Duration

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

// Identity is a header that tells a trunk who calls.
type Identity string

// The identities. Without one, From is all that tells it.
const (
	Asserted    Identity = "asserted"     // P-Asserted-Identity (RFC 3325)
	Preferred   Identity = "preferred"    // P-Preferred-Identity (RFC 3325)
	RemoteParty Identity = "remote-party" // Remote-Party-ID, which some trunks know instead
)

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
	defaultSilent    = 6 * time.Second  // the INVITE has been sent four times by then
	defaultMaxRest   = 5 * time.Minute
	defaultAuthRest  = 5 * time.Minute
	defaultIncoming  = 480
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
	if c.Incoming == 0 {
		c.Incoming = defaultIncoming
	}
	if c.Incoming < 400 || c.Incoming > 699 {
		return c, fmt.Errorf("sip: incoming calls are refused with %d: expected a code from 400 to 699", c.Incoming)
	}
	if err := checkAllowed(c.allHeaders()); err != nil {
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

// allHeaders are those that calls bring along.
func (c Config) allHeaders() map[string]string {
	if c.CallHeader == "" {
		return c.Headers
	}
	all := maps.Clone(c.Headers)
	if all == nil {
		all = map[string]string{}
	}
	all["\x00call"] = c.CallHeader // no key that metadata has
	return all
}

func (t *Trunk) complete() error {
	t.Host = strings.Trim(t.Host, "[]")
	if t.Domain == "" {
		t.Domain = t.Host
	}
	if t.Name == "" {
		t.Name = t.Host
	}
	t.Transport = t.transport()
	if t.KeepAlive == 0 {
		t.KeepAlive = defaultKeepAlive
	}
	if t.FromDomain == "" {
		t.FromDomain = t.Domain
	}
	t.ConnectTimeout = cmp.Or(t.ConnectTimeout, defaultConnect)
	t.SilentAfter = cmp.Or(t.SilentAfter, defaultSilent)
	t.MaxRest = cmp.Or(t.MaxRest, defaultMaxRest)
	t.AuthRest = cmp.Or(t.AuthRest, defaultAuthRest)
	if t.SessionInterval == 0 {
		t.SessionInterval = defaultSession
	}
	if t.SessionInterval > 0 {
		t.SessionInterval = max(t.SessionInterval.Round(time.Second), minSession)
	}
	return t.check()
}

// transport is Transport, or what stands for it where it was left out.
func (t *Trunk) transport() Transport {
	switch {
	case t.Transport != "":
		return t.Transport
	case t.Secure:
		return TLS
	}
	return UDP
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
	if t.ConnectTimeout < 0 {
		return fmt.Errorf("connect timeout %v: expected more than 0", t.ConnectTimeout)
	}
	return errors.Join(t.checkAddresses(), t.checkCaller())
}

func (t *Trunk) checkAddresses() error {
	for what, host := range map[string]string{"host": t.Host, "domain": t.Domain, "domain of From": t.FromDomain} {
		if err := checkHost(host); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if t.Proxy == "" {
		return nil
	}
	host, _, err := splitHostPort(t.Proxy)
	if err := errors.Join(err, checkHost(host)); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

func (t *Trunk) checkCaller() error {
	switch t.Identity {
	case "", Asserted, Preferred, RemoteParty:
	default:
		return fmt.Errorf("identity %q: expected asserted, preferred or remote-party", t.Identity)
	}
	if err := checkUserPart(strings.ReplaceAll(t.Prefix, "#", "")); err != nil {
		return fmt.Errorf("prefix: %w", err)
	}
	if err := checkUserPart(t.FromUser); err != nil {
		return fmt.Errorf("user of From: %w", err)
	}
	if err := errors.Join(checkValue(t.DisplayName), checkValue(t.User)); err != nil {
		return fmt.Errorf("display name or user: %w", err)
	}
	return nil
}
