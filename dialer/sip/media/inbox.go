package media

import (
	"context"
	"sync"
)

const (
	// unread is how many frames are kept for an agent that does not read: two seconds.
	unread = 100

	// quietAfter is how many frames nothing may be received before silence is given out. It
	// is more than what a network's jitter is.
	quietAfter = 3

	// maxFill is the longest gap in the timestamps, beyond the silence that was given out
	// in it, that is filled. A longer one is no gap but another clock.
	maxFill = SampleRate

	// oweFor is how many frames after a stall the audio of the stall may still come.
	oweFor = 25
)

// inbox makes frames of received audio and keeps them until they are read. An agent
// listens for pauses, so time goes on in what it hears: what is lost, or not sent, is
// silence. It is safe for concurrent use.
type inbox struct {
	mu      sync.Mutex
	queue   []Frame
	waiting chan struct{} // has a token when a reader may look again

	partial Frame // the frame that is not full yet
	filled  int   // samples of it

	started bool
	next    uint32 // the timestamp that continues what was received
	idle    int    // frames since something was
	silence int    // samples given out in that time
	dropped int    // frames that nobody read

	owed    int // samples of silence that were given out in the place of audio that came later
	oweLeft int // frames for which that counts
	arrived int // samples since the last tick
}

func newInbox() *inbox { return &inbox{waiting: make(chan struct{}, 1)} }

// audio takes the payload of a packet.
func (b *inbox) audio(codec Codec, timestamp uint32, payload []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	passed := int(int32(timestamp - b.next)) //nolint:gosec // timestamps wrap
	switch gap := passed - b.silence; {
	case !b.started:
	case 0 < gap && gap <= maxFill:
		for range gap {
			b.add(0)
		}
	case gap < 0 && passed >= 0: // it was only late: silence was given out in its place
		b.owed, b.oweLeft = b.owed-gap, oweFor
	}
	b.started, b.next = true, timestamp+uint32(len(payload)) //nolint:gosec // timestamps wrap
	b.idle, b.silence = 0, 0
	for _, sample := range payload[b.skip(len(payload)):] {
		b.add(codec.sample(sample))
	}
}

// skip is how many of the next samples are left out, so that a stall of the network delays what the
// agent hears no more than for its length. Only what comes faster than it is spoken is: a sender
// whose timestamps stand still in a pause has nothing to catch up on.
func (b *inbox) skip(samples int) int {
	ahead := min(b.arrived+samples-FrameSamples, samples)
	b.arrived += samples
	n := max(min(ahead, b.owed), 0)
	b.owed -= n
	return n
}

// tick is told that a frame's time has passed.
func (b *inbox) tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrived = 0
	if b.oweLeft--; b.oweLeft <= 0 {
		b.owed = 0
	}
	if b.idle++; b.idle <= quietAfter {
		return
	}
	for range FrameSamples {
		b.add(0)
	}
	b.silence += FrameSamples
}

func (b *inbox) add(sample int16) {
	b.partial[b.filled] = sample
	if b.filled++; b.filled < FrameSamples {
		return
	}
	b.filled = 0
	if len(b.queue) == unread {
		b.queue = append(b.queue[:0], b.queue[1:]...)
		b.dropped++
	}
	b.queue = append(b.queue, b.partial)
	b.wake()
}

func (b *inbox) wake() {
	select {
	case b.waiting <- struct{}{}:
	default:
	}
}

// read waits for a frame, or until ctx or the leg is over.
func (b *inbox) read(ctx context.Context, over <-chan struct{}, f *Frame) error {
	for !b.take(f) {
		select {
		case <-b.waiting:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-over:
			return errOver
		}
	}
	return nil
}

func (b *inbox) take(f *Frame) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		return false
	}
	*f = b.queue[0]
	b.queue = append(b.queue[:0], b.queue[1:]...)
	if len(b.queue) > 0 {
		b.wake() // another reader may wait
	}
	return true
}

// missed is how many frames nobody read in time.
func (b *inbox) missed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}
