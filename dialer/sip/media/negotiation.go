package media

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/pion/sdp/v3"
	"github.com/pion/srtp/v3"
)

// negotiation is the offer and answer model (RFC 3264) for the one audio of a call. It is not
// safe for concurrent use.
type negotiation struct {
	config Config
	vault  *vault // nil: plain
	local  local

	lines []*sdp.MediaDescription // of the description that was last agreed; nil: none was
	at    int                     // the audio among them
}

// agreement is what a pair of descriptions comes to.
type agreement struct {
	to      netip.AddrPort
	control netip.AddrPort // for RTCP
	isMuxed bool           // RTCP goes where RTP does
	audio   format         // how we send
	events  int            // the payload type to send events as; -1: none
	receive []format       // what we take
	isMute  bool           // we do not send
	isHeld  bool           // media is not flowing both ways
	encrypt *srtp.Context
	decrypt *srtp.Context
	theirs  key // the key of decrypt
}

func newNegotiation(c Config, port uint16) (*negotiation, error) {
	n := &negotiation{config: c, local: newLocal(c.IP, port)}
	if c.Encryption == Plain {
		return n, nil
	}
	v, err := newVault()
	n.vault = v
	return n, err
}

// offer describes everything that we can do, on the lines that were agreed.
func (n *negotiation) offer() ([]byte, error) {
	line := audioLine{formats: ours(n.config.Codecs), direction: sendRecv, profile: "AVP", isMuxed: true}
	if n.vault != nil {
		line.keys = n.vault.ours
	}
	if n.config.Encryption == Encrypted { // else whoever knows no SRTP would refuse the call: RFC 8643
		line.profile = "SAVP"
	}
	return n.local.describe(n.lines, n.at, line)
}

// answered takes the answer to our offer.
func (n *negotiation) answered(description []byte) (agreement, error) {
	r, err := read(description, n.at)
	if err != nil {
		return agreement{}, err
	}
	if len(r.lines) < len(n.lines) {
		return agreement{}, errors.New("the peer's answer has fewer media than the offer")
	}
	a, err := n.agree(r)
	if err != nil {
		return agreement{}, err
	}
	// Our numbers are what we are sent (RFC 3264, section 6.1), but some send as they
	// describe.
	offered := ours(n.config.Codecs)
	a.receive = append(offered, a.receive...)
	if n.secures(r) {
		k, err := n.vault.accepted(r.keys)
		if err != nil {
			return agreement{}, err
		}
		if err := n.encrypt(&a, k); err != nil {
			return agreement{}, err
		}
	}
	r.lines = r.lines[:max(len(n.lines), 1)] // the peer may not add any, and what it may not is not kept
	n.commit(r, a)
	return a, nil
}

// answer takes an offer of the peer's and returns our answer. After an error nothing
// has changed.
func (n *negotiation) answer(description []byte) ([]byte, agreement, error) {
	r, err := read(description, anyLine)
	if err != nil {
		return nil, agreement{}, err
	}
	a, err := n.agree(r)
	if err != nil {
		return nil, agreement{}, err
	}
	line := audioLine{
		formats: a.receive, direction: answerTo(r), profile: profileOf(r.lines[r.at]), isMuxed: r.isMuxed,
	}
	if n.secures(r) {
		if len(r.keys) == 0 {
			return nil, agreement{}, errNoKey
		}
		if err := n.encrypt(&a, r.keys[0]); err != nil {
			return nil, agreement{}, err
		}
		ours := n.vault.our(r.keys[0].suite)
		ours.tag = r.keys[0].tag
		line.keys = []key{ours}
	}
	body, err := n.local.describe(r.lines, r.at, line)
	if err != nil {
		return nil, agreement{}, err
	}
	n.commit(r, a)
	return body, a, nil
}

// agree finds what both sides can do.
func (n *negotiation) agree(r remote) (agreement, error) {
	if err := n.checkSecurity(r); err != nil {
		return agreement{}, err
	}
	if !r.isZero && r.to.Addr().Is4() != n.config.IP.Is4() {
		return agreement{}, fmt.Errorf("the peer's address %v is of another family than ours", r.to.Addr())
	}
	a := agreement{
		to: r.to, control: r.control, isMuxed: r.isMuxed, events: -1,
		isMute: r.isZero || r.direction == sendOnly || r.direction == inactive,
		isHeld: r.isZero || r.direction != sendRecv,
	}
	offered := ours(n.config.Codecs)
	for _, f := range r.formats {
		switch {
		case !hasCodec(offered, f.codec):
			continue
		case f.codec == TelephoneEvent:
			a.events = int(f.number)
		case a.audio.codec == "":
			a.audio = f
		}
		a.receive = append(a.receive, f)
	}
	if a.audio.codec == "" {
		return agreement{}, fmt.Errorf("the peer has no codec of ours: expected one of %v", n.config.Codecs)
	}
	return a, nil
}

// secures says whether the peer describes SRTP: by the profile, or, as RFC 8643 has it, by keys alone.
func (n *negotiation) secures(r remote) bool {
	return n.vault != nil && (isSecure(r.lines[r.at]) || len(r.keys) > 0)
}

func (n *negotiation) checkSecurity(r remote) error {
	switch {
	case isSecure(r.lines[r.at]) && n.config.Encryption == Plain:
		return errors.New("the peer wants SRTP, which this trunk does not use")
	case !n.secures(r) && n.config.Encryption == Encrypted:
		return errors.New("the peer wants plain RTP, where this trunk requires SRTP")
	}
	return nil
}

func (n *negotiation) encrypt(a *agreement, theirs key) (err error) {
	a.theirs = theirs
	a.encrypt = n.vault.encrypt[theirs.suite]
	if a.decrypt, err = n.vault.contextOf(theirs); err != nil {
		return fmt.Errorf("taking the peer's key: %w", err)
	}
	return nil
}

func (n *negotiation) commit(r remote, a agreement) {
	n.lines, n.at = r.lines, r.at
	if a.decrypt != nil {
		n.vault.theirs, n.vault.decrypt = a.theirs, a.decrypt
	}
}

// answerTo is our direction for the peer's (RFC 3264, section 6.1).
func answerTo(r remote) direction {
	switch {
	case r.direction == inactive, r.isZero && r.direction == recvOnly:
		return inactive
	case r.direction == sendOnly, r.isZero:
		return recvOnly
	case r.direction == recvOnly:
		return sendOnly
	}
	return sendRecv
}
