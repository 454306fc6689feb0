package media

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// receiver is the way from the callee to the agent. It is safe for concurrent use.
type receiver struct {
	inbox    *inbox
	redirect func(netip.AddrPort) // is told where to send from now on
	ours     uint32               // the SSRC of what we send
	limits   [2]int               // frames without media before and after the first; 0: no limit

	mu      sync.Mutex
	active  bool // false: what comes is ignored
	formats []format
	decrypt *srtp.Context // nil: not encrypted
	held    bool
	source  source
	to      netip.AddrPort // where media is sent
	order   order
	keys    heard
	jitter  jitter

	control     netip.AddrPort // where RTCP is sent
	controlFrom netip.AddrPort // where it comes from; zero: none came yet
	isMuxed     bool           // it goes where media does
	reception   reception
	told        told

	packet  rtp.Packet
	plain   []byte // what was decrypted
	isHeard bool   // media was received
	quiet   int    // frames since

	received, rejected, early int
}

func newReceiver(c Config, ours uint32, redirect func(netip.AddrPort)) *receiver {
	r := &receiver{
		inbox: newInbox(), redirect: redirect, ours: ours, keys: newHeard(),
		limits: [2]int{frames(c.InitialTimeout), frames(c.Timeout)},
		source: source{fixed: c.FixedSource},
	}
	r.order = order{depth: frames(c.Reorder), release: r.release}
	return r
}

// take takes what came from the network.
func (r *receiver) take(datagram []byte, from netip.AddrPort, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.active {
		r.early++
		return
	}
	p, err := r.parse(datagram)
	if errors.Is(err, errFormat) && r.source.isCurrent(from) {
		r.isHeard, r.quiet = true, 0 // the peer is there, whatever it says
	}
	if err != nil || !r.source.admits(p, from, at) {
		r.rejected++
		return
	}
	r.received++
	r.isHeard, r.quiet = true, 0
	if r.codec(p.number) != TelephoneEvent { // whose timestamps stand still
		r.jitter.arrived(p.timestamp, at)
	}
	r.follow()
	r.order.push(p)
	if p.ssrc == r.order.ssrc { // and is no stray
		r.reception.packet(p)
	}
}

var (
	errVersion = errors.New("another version of RTP")
	errFormat  = errors.New("a payload type that was not agreed")
)

// parse decrypts first: what was forged must not be looked at.
func (r *receiver) parse(datagram []byte) (packet, error) {
	if r.decrypt != nil {
		plain, err := r.decrypt.DecryptRTP(r.plain[:0], datagram, nil)
		if err != nil {
			return packet{}, err
		}
		r.plain, datagram = plain, plain
	}
	if err := r.packet.Unmarshal(datagram); err != nil {
		return packet{}, err
	}
	p := packet{
		ssrc: r.packet.SSRC, sequence: r.packet.SequenceNumber, timestamp: r.packet.Timestamp,
		number: r.packet.PayloadType, payload: r.packet.Payload,
	}
	switch {
	case r.packet.Version != 2: //nolint:mnd // RFC 3550
		return packet{}, errVersion
	case r.codec(p.number) == "" && p.number != numberNoise:
		return packet{}, errFormat
	}
	return p, nil
}

func (r *receiver) codec(number uint8) Codec {
	for _, f := range r.formats {
		if f.number == number {
			return f.codec
		}
	}
	return ""
}

// release is given the packets in order. Comfort noise is what is heard where nothing is.
func (r *receiver) release(p packet) {
	switch codec := r.codec(p.number); codec {
	case TelephoneEvent:
		r.keys.take(p.timestamp, p.payload)
	case PCMU, PCMA:
		r.inbox.audio(codec, p.timestamp, p.payload)
	}
}

// tick is told that a frame's time has passed in an answered call. It returns false when
// nothing was received for too long.
func (r *receiver) tick() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order.tick()
	r.inbox.tick()
	if r.held {
		return true
	}
	limit := r.limits[0]
	if r.isHeard {
		limit = r.limits[1]
	}
	r.quiet++
	return limit == 0 || r.quiet <= limit
}

// activate has media taken from now on.
func (r *receiver) activate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = true
}

// signalled takes a key that the signalling tells.
func (r *receiver) signalled(key rune) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys.signalled(key)
}

// answered has the media counted that is received from now on.
func (r *receiver) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active, r.isHeard, r.quiet = true, false, 0
}

// apply begins with what was agreed.
func (r *receiver) apply(a agreement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.formats, r.decrypt, r.held = a.receive, a.decrypt, a.isHeld
	if r.control != a.control {
		r.control, r.controlFrom = a.control, netip.AddrPort{}
	}
	r.isMuxed, r.source.authentic = a.isMuxed, a.decrypt != nil
	r.quiet = 0
	// An unspecified address is hold, and no place to have moved to.
	if !a.to.Addr().IsUnspecified() && r.source.describe(a.to) {
		r.order.restart()
	}
	r.follow()
}

// follow has media sent to where it comes from.
func (r *receiver) follow() {
	if to := r.source.destination(); to != r.to {
		r.to = to
		r.redirect(to)
	}
}
