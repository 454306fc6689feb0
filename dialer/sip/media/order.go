package media

import "time"

const (
	// A jump of more than maxJump forward or maxBack backward is no loss and no delay but a
	// sender that began anew (RFC 3550, appendix A.1).
	maxJump = 3000
	maxBack = 100

	window = 16 // places for maxReorder; divides the circle of sequence numbers
)

// packet is a received packet as far as it matters after it was taken apart.
type packet struct {
	ssrc      uint32
	sequence  uint16
	timestamp uint32
	number    uint8 // the payload type
	payload   []byte
}

// order brings packets back into the order in which they were sent. It has no delay
// while they come in order. It is not safe for concurrent use.
type order struct {
	depth   int          // how many packets, or frames of time, a missing one is waited for
	release func(packet) // is given each packet once, in order; must not keep the payload

	started bool
	ssrc    uint32
	next    uint16 // the sequence number to be released next
	seen    uint64 // bit i: next-1-i was received
	held    [window]*packet
	holding int
	waited  int // frames that next was waited for

	suspect   uint16 // what would follow the last packet that did not fit
	suspected uint32 // its SSRC
	isSuspect bool

	lost, late, duplicate int
}

// push takes a packet and releases what can be.
func (o *order) push(p packet) {
	if !o.started {
		o.start(p)
	}
	distance := int(int16(p.sequence - o.next)) //nolint:gosec // the distance in a circle
	if p.ssrc != o.ssrc || distance > maxJump || distance < -maxBack {
		if !o.confirms(p) {
			return
		}
		o.flush()
		o.start(p)
		distance = 0
	}
	o.isSuspect = false
	if distance < 0 {
		o.tooLate(-distance - 1)
		return
	}
	o.insert(p, distance)
}

func (o *order) start(p packet) {
	o.started, o.ssrc, o.next, o.seen, o.waited = true, p.ssrc, p.sequence, 0, 0
}

// restart has the next packet begin a stream, whichever it is.
func (o *order) restart() {
	o.flush()
	o.started, o.isSuspect = false, false
}

// confirms wants two packets in sequence before a stream is believed to have begun anew.
func (o *order) confirms(p packet) bool {
	if o.isSuspect && p.ssrc == o.suspected && p.sequence == o.suspect {
		return true
	}
	o.isSuspect, o.suspected, o.suspect = true, p.ssrc, p.sequence+1
	return false
}

// tooLate counts a packet whose place is taken or was given up.
func (o *order) tooLate(age int) {
	const known = 64
	bit := uint64(1) << (age % known)
	switch {
	case age < known && o.seen&bit != 0:
		o.duplicate++
	default:
		if age < known {
			o.seen |= bit
		}
		o.late++
		if o.lost > 0 {
			o.lost-- // it was taken for lost
		}
	}
}

func (o *order) insert(p packet, distance int) {
	for ; distance > o.depth; distance-- {
		o.step()
	}
	slot := &o.held[int(p.sequence)%window]
	switch {
	case *slot != nil:
		o.duplicate++
	case distance == 0: // the common case, without a copy
		o.passed(true)
		o.release(p)
	default:
		kept := p
		kept.payload = append([]byte(nil), p.payload...)
		*slot = &kept
		o.holding++
	}
	o.run()
}

// run releases what is next for as long as it is there.
func (o *order) run() {
	for o.held[int(o.next)%window] != nil {
		o.step()
	}
}

// step goes on to the next number, whether its packet is there or given up.
func (o *order) step() {
	slot := &o.held[int(o.next)%window]
	p := *slot
	*slot = nil
	o.passed(p != nil)
	if p == nil {
		o.lost++
		return
	}
	o.holding--
	o.release(*p)
}

func (o *order) passed(received bool) {
	o.next++
	o.seen <<= 1
	o.waited = 0
	if received {
		o.seen |= 1
	}
}

// tick is told that a frame's time has passed: what was waited for in vain is given up, even if
// nothing comes after it.
func (o *order) tick() {
	if o.holding == 0 {
		return
	}
	if o.waited++; o.waited < o.depth {
		return
	}
	for o.held[int(o.next)%window] == nil {
		o.step()
	}
	o.run()
}

// flush releases everything that is held.
func (o *order) flush() {
	for o.holding > 0 {
		o.step()
	}
}

// jitter is the interarrival jitter of RFC 3550, section 6.4.1, in samples.
type jitter struct {
	started   bool
	transit   int64
	estimated float64
}

func (j *jitter) arrived(timestamp uint32, at time.Time) {
	transit := at.UnixMicro()*SampleRate/int64(time.Second/time.Microsecond) - int64(timestamp)
	d := int64(int32(transit - j.transit)) //nolint:gosec // timestamps wrap
	j.transit = transit
	if !j.started || d > maxJump || d < -maxJump {
		j.started = true
		return
	}
	const gain = 16
	j.estimated += (float64(max(d, -d)) - j.estimated) / gain
}

func (j *jitter) duration() time.Duration {
	return time.Duration(j.estimated * float64(time.Second) / SampleRate)
}
