package media

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// believed is how many packets in sequence of another stream it takes until they are admitted, at most n.
func believed(s *source, from string, at time.Time, n int) int {
	for i := 1; i <= n; i++ {
		if s.admits(packet{ssrc: 2, sequence: uint16(i)}, netip.MustParseAddrPort(from), 1, at) {
			return i
		}
	}
	return 0
}

func TestWhoTakesTheMediaOver(t *testing.T) {
	began := time.Unix(1000, 0)
	locked := func() *source {
		s := &source{}
		s.describe(netip.MustParseAddrPort("192.0.2.1:4000"))
		for i := range 3 { // behind a translator
			s.admits(packet{ssrc: 1, sequence: uint16(i)}, netip.MustParseAddrPort("192.0.2.2:4000"), 1, began)
		}
		return s
	}
	soon, later := began.Add(400*time.Millisecond), began.Add(600*time.Millisecond)
	require.Zero(t, believed(locked(), "192.0.2.2:5000", soon, 100), "the source was not silent for long")
	require.Equal(t, convincing, believed(locked(), "192.0.2.2:5000", later, 100), "another port of the same host")
	require.Equal(t, convincing, believed(locked(), "192.0.2.1:5000", later, 100), "another port of the described host")
	require.Equal(t, convincingElsewhere, believed(locked(), "192.0.2.9:5000", later, 100), "another host")
	require.Equal(t, 1, believed(locked(), "192.0.2.1:4000", soon, 100), "the described address")
}

// samples has every frame that is in the inbox.
func samples(b *inbox) (all []int16) {
	var f Frame
	for b.take(&f) {
		all = append(all, f[:]...)
	}
	return all
}

func frameOf(value byte) []byte {
	payload := make([]byte, FrameSamples)
	for i := range payload {
		payload[i] = value
	}
	return payload
}

// A network that stalls for 200 ms each second and then delivers everything must not delay the agent's ears
// more and more.
func TestAStallIsCaughtUpOn(t *testing.T) {
	b := newInbox()
	timestamp, ticks, heard := uint32(0), 0, 0
	deliver := func(n int) {
		for range n {
			b.audio(PCMU, timestamp, frameOf(0x80))
			timestamp += FrameSamples
		}
	}
	tick := func() {
		b.tick()
		ticks++
		heard += len(samples(b))
	}
	for range 5 {
		for range 40 {
			deliver(1)
			tick()
		}
		for range 10 {
			tick()
		}
		deliver(10)
	}
	heard += len(samples(b))
	require.InDelta(t, ticks, heard/FrameSamples, 3, "as much is heard as time has passed")
}

// A sender whose timestamps stand still in a pause has nothing to catch up on: not a sample may be lost.
func TestNothingIsSkippedAfterAPause(t *testing.T) {
	b := newInbox()
	timestamp := uint32(0)
	loudSamples := 0
	talk := func(frames int) {
		for range frames {
			b.audio(PCMU, timestamp, frameOf(0x80))
			timestamp += FrameSamples
			b.tick()
			for _, sample := range samples(b) {
				if sample != 0 {
					loudSamples++
				}
			}
		}
	}
	talk(10)
	for range 100 {
		b.tick()
	}
	samples(b)
	talk(30)
	require.Equal(t, 40*FrameSamples, loudSamples)
}
