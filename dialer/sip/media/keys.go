package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	// keyNames has the keys in the order of their events (RFC 4733, section 3.2).
	keyNames = "0123456789*#ABCD"

	keyDown    = 5 // frames that a key is pressed
	keyUp      = 5 // frames between two keys
	keyEnds    = 3 // how often its end is told, as it may be lost (RFC 4733, section 2.5.1.4)
	keyVolume  = 10
	maxKeys    = 64
	eventBytes = 4
	endBit     = 0x80
)

// ErrNoDTMF is returned by [Leg.SendDTMF] when the callee takes no telephone events.
var ErrNoDTMF = errors.New("the callee did not agree to telephone events")

// pressed is the keys that we press, as telephone events (RFC 4733). It is not safe for
// concurrent use.
type pressed struct {
	queue []byte
	frame int    // of the first key of the queue
	began uint32 // its timestamp
}

func (p *pressed) press(keys string) error {
	events := make([]byte, 0, len(keys))
	for _, key := range strings.ToUpper(keys) {
		event := strings.IndexRune(keyNames, key)
		if event < 0 {
			return fmt.Errorf("%q is no key: expected 0 to 9, *, # or A to D", key)
		}
		events = append(events, byte(event)) //nolint:gosec // of 16
	}
	if len(p.queue)+len(events) > maxKeys {
		return fmt.Errorf("more than %d keys are to be pressed", maxKeys)
	}
	p.queue = append(p.queue, events...)
	return nil
}

// event is what a packet says of a key.
type event struct {
	payload   [eventBytes]byte
	timestamp uint32
	isFirst   bool
}

// next advances by a frame. tells is whether it has a packet to send; while busy, no
// audio is to be played.
func (p *pressed) next(now uint32) (e event, tells, busy bool) {
	if len(p.queue) == 0 {
		return event{}, false, false
	}
	if p.frame == 0 {
		p.began = now
	}
	at := p.frame
	p.frame++
	if p.frame == keyDown+keyUp {
		defer p.release()
	}
	if at >= keyDown+keyEnds {
		return event{}, false, true
	}
	return p.event(at), true, true
}

func (p *pressed) release() { p.queue, p.frame = p.queue[1:], 0 }

func (p *pressed) event(at int) event {
	e := event{timestamp: p.began, isFirst: at == 0}
	e.payload[0], e.payload[1] = p.queue[0], keyVolume
	if at >= keyDown {
		e.payload[1] |= endBit
	}
	lasted := min(at+1, keyDown) * FrameSamples
	binary.BigEndian.PutUint16(e.payload[2:], uint16(lasted)) //nolint:gosec // of a few frames
	return e
}

// heard is the keys that the callee presses. A key is told at its first packet that arrives,
// be it the last one. It is not safe for concurrent use.
type heard struct {
	keys    chan rune
	started bool
	last    uint32 // the timestamp of the last key
	event   byte
}

func newHeard() heard { return heard{keys: make(chan rune, maxKeys)} }

func (h *heard) take(timestamp uint32, payload []byte) {
	if len(payload) < eventBytes || int(payload[0]) >= len(keyNames) {
		return
	}
	// A key that is held longer than a packet can tell goes on under a later timestamp
	// (RFC 4733, section 2.5.1.3).
	const longest = 0xffff
	isSame := h.started && h.event == payload[0] && timestamp == h.last
	goesOn := h.started && h.event == payload[0] && timestamp == h.last+longest
	h.started, h.last, h.event = true, timestamp, payload[0]
	if isSame || goesOn {
		return
	}
	h.tell(rune(keyNames[payload[0]]))
}

// signalled takes a key that the signalling tells. Who sends telephone events may tell each key in both
// ways, so it is ignored once one of these has come.
func (h *heard) signalled(key rune) {
	if !h.started && strings.ContainsRune(keyNames, key) {
		h.tell(key)
	}
}

func (h *heard) tell(key rune) {
	select {
	case h.keys <- key:
	default: // nobody listens
	}
}
