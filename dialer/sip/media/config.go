package media

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// Config is what [RTP] needs to know of a trunk. Only Agent, and IP or ListenIP, have
// no default.
type Config struct {
	// Agent talks to the callees.
	Agent Agent

	// AgentAtAnswer has the agent made ready when the call is answered. Without it that
	// happens before the call is placed, so that nobody answers to silence, and
	// nobody is called for an agent that cannot be had.
	AgentAtAnswer bool

	// IP is the address that the peer is told to send to. Behind a translator of addresses
	// it is the public one. Zero: ListenIP.
	IP netip.Addr

	// ListenIP is the address whose ports are opened. Zero: all of IP's family.
	ListenIP netip.Addr

	// Ports are those opened for calls. Zero: 16384 to 32767.
	Ports PortRange

	// Codecs is what is offered, best first. Without TelephoneEvent there is no
	// DTMF. Nil: PCMU, PCMA, TelephoneEvent.
	Codecs []Codec

	// Encryption is whether the media is SRTP, with keys in the session description.
	Encryption Encryption

	// FixedSource turns symmetric RTP off. With it, media is sent to the address that the
	// peer describes and taken from that address alone. Without it, media goes to where
	// the peer's media comes from, which a peer behind a translator needs.
	FixedSource bool

	// EarlyMedia has media taken from the first description of the peer on, before the
	// call is answered: the agent hears the last two seconds of it first.
	EarlyMedia bool

	// Comfort is what the callee hears while the agent says nothing.
	Comfort Comfort

	// Reorder is how long a missing packet is waited for, at most 200 ms, in steps of a frame.
	// Zero: 60 ms. Negative: not at all.
	Reorder time.Duration

	// InitialTimeout is how long an answered call may last before its first media is
	// received, Timeout how long media may fail to come after that. Comfort noise, a payload that
	// was not agreed and RTCP are signs of life, too. Neither counts while the call is on hold.
	// Zero: 30 s. Negative: no limit.
	InitialTimeout, Timeout time.Duration

	// Reports is how often, on average, reports of RTCP are sent (RFC 3550, section 6).
	// Zero: 5 s. Negative: never.
	Reports time.Duration

	// Logger is told what goes wrong in a call. Nil: nobody is.
	Logger *slog.Logger
}

// PortRange is the UDP ports First to Last. A call takes two: an even one for RTP and
// the next one, for RTCP (RFC 3550, section 11).
type PortRange struct{ First, Last uint16 }

// Codec is an encoding as session descriptions name it, at 8 kHz.
type Codec string

// The encodings that there are.
const (
	PCMU           Codec = "PCMU"            // G.711 mu-law
	PCMA           Codec = "PCMA"            // G.711 A-law
	TelephoneEvent Codec = "telephone-event" // keys pressed (RFC 4733)
)

// Encryption says whether media is encrypted: SRTP (RFC 3711) with keys in the session
// description (RFC 4568), which are as secret as the signalling is.
type Encryption uint8

// The choices of encryption.
const (
	Plain     Encryption = iota // RTP is offered, SRTP is not taken
	Encrypted                   // SRTP is offered, RTP is not taken
	Preferred                   // RTP is offered, and keys with it: who knows these gets SRTP (RFC 8643)
)

// Comfort is what is sent while the agent says nothing.
type Comfort uint8

// The choices of comfort.
const (
	Silence Comfort = iota // silent packets, which keep the way through a translator open
	Noise                  // a faint noise, by which the callee knows that the line is not dead
	Nothing                // no packet
)

const (
	defaultTimeout = 30 * time.Second
	defaultReports = 5 * time.Second
	defaultReorder = 60 * time.Millisecond
	maxReorder     = 200 * time.Millisecond
)

func (c Config) withDefaults() (Config, error) {
	if c.Ports == (PortRange{}) {
		c.Ports = PortRange{First: 16384, Last: 32767}
	}
	if c.Codecs == nil {
		c.Codecs = []Codec{PCMU, PCMA, TelephoneEvent}
	}
	if c.InitialTimeout == 0 {
		c.InitialTimeout = defaultTimeout
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Reorder == 0 {
		c.Reorder = defaultReorder
	}
	if c.Reports == 0 {
		c.Reports = defaultReports
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c = c.withAddresses()
	return c, c.check()
}

func (c Config) withAddresses() Config {
	c.IP, c.ListenIP = c.IP.Unmap(), c.ListenIP.Unmap()
	if !c.IP.IsValid() && c.ListenIP.IsValid() && !c.ListenIP.IsUnspecified() {
		c.IP = c.ListenIP
	}
	if !c.ListenIP.IsValid() {
		c.ListenIP = netip.IPv4Unspecified()
		if c.IP.Is6() {
			c.ListenIP = netip.IPv6Unspecified()
		}
	}
	return c
}

func (c Config) check() error {
	switch {
	case c.Agent == nil:
		return errors.New("media: no agent was given")
	case !c.IP.IsValid() || c.IP.IsUnspecified():
		return errors.New("media: expected an IP that peers can send to")
	case c.IP.Is4() != c.ListenIP.Is4():
		return fmt.Errorf("media: IP %v and ListenIP %v are of two families", c.IP, c.ListenIP)
	case c.Encryption > Preferred:
		return fmt.Errorf("media: encryption is %d: expected Plain, Encrypted or Preferred", c.Encryption)
	case c.Comfort > Nothing:
		return fmt.Errorf("media: comfort is %d: expected Silence, Noise or Nothing", c.Comfort)
	case c.Reorder > maxReorder:
		return fmt.Errorf("media: reorder is %v: expected at most %v", c.Reorder, maxReorder)
	case c.Ports.pairs() == 0:
		return fmt.Errorf("media: ports %d to %d: expected an even one and the next one among them",
			c.Ports.First, c.Ports.Last)
	}
	return checkCodecs(c.Codecs)
}

func checkCodecs(codecs []Codec) error {
	audio := false
	for i, codec := range codecs {
		switch codec {
		case PCMU, PCMA:
			audio = true
		case TelephoneEvent:
		default:
			return fmt.Errorf("media: unknown codec %q: expected PCMU, PCMA or telephone-event", codec)
		}
		if slices.Contains(codecs[:i], codec) {
			return fmt.Errorf("media: codec %s is there twice", codec)
		}
	}
	if !audio {
		return errors.New("media: expected PCMU or PCMA among the codecs")
	}
	return nil
}

// frames is how many frames last as long as d, where not more than 0 is none.
func frames(d time.Duration) int { return int(max(d, 0) / FrameTime) }
