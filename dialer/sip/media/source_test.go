package media

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// believed is how many packets in sequence it takes until they are admitted, at most n.
func believed(s *source, from string, ssrc uint32, sequence uint16, at time.Time, n int) int {
	for i := range n {
		if s.admits(packet{ssrc: ssrc, sequence: sequence + uint16(i)}, netip.MustParseAddrPort(from), at) {
			return i + 1
		}
	}
	return 0
}

func TestWhoTakesTheMediaOver(t *testing.T) {
	t.Parallel()
	const described, behind, elsewhere = "192.0.2.1:4000", "192.0.2.2:4000", "192.0.2.9:5000"
	began := time.Unix(1000, 0)
	locked := func(packets int) *source {
		s := &source{}
		s.describe(netip.MustParseAddrPort(described))
		for i := range packets { // behind a translator, and across the wrap of the numbers
			s.admits(packet{ssrc: 1, sequence: uint16(65500 + i)}, netip.MustParseAddrPort(behind), began)
		}
		return s
	}
	soon, later := began.Add(400*time.Millisecond), began.Add(600*time.Millisecond)
	next, long := uint16(65500+100-65536), 100
	for name, c := range map[string]struct {
		packets  int
		from     string
		ssrc     uint32
		sequence uint16
		at       time.Time
		want     int
	}{
		"the first":                                     {0, elsewhere, 2, 1, began, convincing},
		"the described address":                         {100, described, 2, 1, soon, 1},
		"while the source sends":                        {100, elsewhere, 2, 1, soon, 0},
		"while the source sends, with its stream":       {100, elsewhere, 1, next, soon, 0},
		"while the source sends, of its host":           {100, "192.0.2.2:5000", 2, 1, soon, 0},
		"with the stream of a source that is silent":    {100, elsewhere, 1, next, later, convincing},
		"with its SSRC, but numbers from before":        {100, elsewhere, 1, 65400, later, 0},
		"with its SSRC, but numbers from far ahead":     {100, elsewhere, 1, next + 5000, later, 0},
		"another stream of a stranger":                  {100, elsewhere, 2, 1, later, 0},
		"another stream of its host":                    {100, "192.0.2.2:5000", 2, 1, later, convincingElsewhere},
		"another stream of the described host":          {100, "192.0.2.1:5000", 2, 1, later, convincingElsewhere},
		"another stream, after a stray that came first": {10, elsewhere, 2, 1, later, convincingElsewhere},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := locked(c.packets)
			require.Equal(t, c.want, believed(s, c.from, c.ssrc, c.sequence, c.at, long))
			if c.want == 0 {
				require.Equal(t, netip.MustParseAddrPort(behind), s.destination(), "ours go where they went")
			}
		})
	}
	s := locked(100)
	s.authentic = true
	require.Equal(t, convincingElsewhere, believed(s, elsewhere, 2, 1, later, long), "who has the keys is no stranger")
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
