package media_test

import (
	"math"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/media"
)

// frame sends frame n of a stream that begins at n = 0, as a tone.
func (p *peer) frame(n int, hertz float64) {
	before := p.header
	p.header.SequenceNumber += uint16(n)
	p.header.Timestamp += uint32(n) * 160
	p.say(0, hertz, 1)
	p.header = before
}

func TestPacketsAreBroughtIntoOrder(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	// The numbers wrap at 36, the timestamps at 5.
	order := []int{0, 1, 3, 2, 5, 6, 4, 4, 7, 8, 8, 35, 37, 36, 38}
	for _, n := range order {
		c.peer.frame(n, float64(300+100*(n%8)))
	}
	want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8}
	c.hears(300)
	for _, n := range want[1:] {
		require.InDelta(t, 1, level(c.heard(1), float64(300+100*(n%8))), 0.2, "frame %d", n)
	}
	require.True(t, isSilent(c.heard(26)), "what is lost is silent, as long as it would have been")
	for _, n := range []int{35, 36, 37, 38} {
		require.InDelta(t, 1, level(c.heard(1), float64(300+100*(n%8))), 0.2, "frame %d", n)
	}
	details := c.Details()
	require.Equal(t, "15", details["media_packets_received"])
	require.Equal(t, "26", details["media_packets_lost"])
	require.Equal(t, "2", details["media_packets_duplicate"])
	require.Equal(t, "0", details["media_packets_late"])
}

func TestWhatComesTooLateIsDropped(t *testing.T) {
	c := connect(t, media.Config{Reorder: -1}, "0")
	c.peer.frame(0, 440)
	c.peer.frame(2, 440)
	c.peer.frame(1, 880)
	c.peer.frame(1, 880)
	c.peer.frame(3, 440)
	c.hears(440)
	require.True(t, isSilent(c.heard(1)))
	require.Less(t, level(c.heard(2), 880), 0.1)
	details := c.Details()
	require.Equal(t, "1", details["media_packets_late"])
	require.Equal(t, "1", details["media_packets_duplicate"])
	require.Equal(t, "0", details["media_packets_lost"], "what is late is not lost")
}

func TestWhatWaitsIsReleasedThoughNothingFollows(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	c.peer.frame(0, 440)
	c.peer.frame(2, 880)
	c.hears(440)
	c.hears(880)
}

func TestASenderThatBeginsAnewIsFollowed(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	c.peer.say(0, 440, 3)
	c.hears(440)
	c.peer.header.SSRC, c.peer.header.SequenceNumber, c.peer.header.Timestamp = 99, 7, 12
	c.peer.say(0, 660, 4)
	c.hears(660)
	c.peer.header.SequenceNumber, c.peer.header.Timestamp = 40000, math.MaxUint32/2
	c.peer.say(0, 880, 4)
	c.hears(880)
}

func TestAStrayPacketChangesNothing(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	c.peer.say(0, 440, 2)
	before := c.peer.header
	c.peer.header.SSRC = 99
	c.peer.say(0, 880, 1)
	c.peer.header = before
	c.peer.say(0, 440, 2)
	c.hears(440)
	for range 3 {
		require.Greater(t, level(c.heard(1), 440), 0.9)
	}
	require.Equal(t, "0", c.Details()["media_packets_lost"])
}

func TestTimeGoesOnForTheAgentWhereNothingIsReceived(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	require.True(t, isSilent(c.heard(5)))
	c.peer.say(0, 440, 2)
	c.hears(440)
	c.peer.header.Timestamp += 10 * 160 // silence that was not sent
	c.heard(10)
	c.peer.say(0, 880, 2)
	c.hears(880)
}

func TestMediaGoesToWhereItComesFrom(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	c.peer.packet()
	behind := newPeer(t) // a translator of addresses: it is not where the description says
	behind.to = c.peer.to
	behind.say(0, 440, 2)
	c.peer.drain()
	c.peer.packet() // two are not believed
	require.Empty(t, behind.got)
	behind.say(0, 440, 2)
	c.hears(440)
	behind.packet()

	stranger := newPeer(t)
	stranger.to, stranger.header.SSRC = c.peer.to, 99
	stranger.say(0, 880, 20)
	require.Eventually(t, func() bool { return c.Details()["media_packets_rejected"] == "22" },
		patience, time.Millisecond)
	require.Empty(t, stranger.got)
	behind.drain()
	behind.packet()

	c.peer.header.SSRC = 5
	c.peer.say(0, 660, 4) // the described address is believed when it sends
	c.hears(660)
	c.peer.drain()
	c.peer.packet()
}

// A carrier's media may move to another port, as another stream, without a re-INVITE.
func TestMediaThatMovesIsFollowedOnceTheOldIsSilent(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	behind := newPeer(t) // not where the description says, so that the described address does not come first
	behind.to = c.peer.to
	behind.say(0, 440, 5)
	c.hears(440)
	moved := newPeer(t)
	moved.to, moved.header.SSRC = c.peer.to, 99
	began := time.Now()
	for level(c.heard(1), 880) < 0.5 {
		require.Less(t, time.Since(began), patience, "it is refused for ever")
		moved.say(0, 880, 1)
	}
	require.Greater(t, time.Since(began), 450*time.Millisecond, "the old one was given its time")
	moved.drain()
	moved.packet() // and media goes there
}

func TestAFixedSourceIsNotLeft(t *testing.T) {
	c := connect(t, media.Config{FixedSource: true}, "0")
	other := newPeer(t)
	other.to = c.peer.to
	other.say(0, 440, 5)
	c.hears(440) // the same address from another port is the peer's
	require.Empty(t, other.got)
	c.peer.drain()
	c.peer.packet()
}

func TestEarlyMediaIsHeardWhereAsked(t *testing.T) {
	agent := newLegs()
	s, p, _ := open(t, media.Config{Agent: media.AgentFunc(agent.talk), EarlyMedia: true})
	require.NoError(t, s.Answer(p.sdp("0"), true))
	p.say(0, 440, 5)
	require.Eventually(t, func() bool { return s.Details()["media_packets_received"] == "5" },
		patience, time.Millisecond)
	require.Empty(t, p.got, "nothing is sent before the answer")
	require.NoError(t, s.Answer(p.sdp("0"), false))
	c := run(t, s, p)
	c.leg = <-agent.leg
	require.Greater(t, level(c.heard(5), 440), 0.9)
}

func TestDatagramsThatAreNoMediaAreDropped(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	for _, datagram := range [][]byte{{}, {1}, make([]byte, 12), []byte("\x80\x7f12345678901"), make([]byte, 1400)} {
		c.peer.raw(datagram)
	}
	c.peer.writePacket(rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 18, SSRC: 4711}, Payload: make([]byte, 20)})
	c.peer.say(0, 440, 3)
	c.hears(440)
	require.Eventually(t, func() bool { return c.Details()["media_packets_received"] == "3" }, patience, time.Millisecond)
}

func TestPacketsOfOtherLengths(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	for _, n := range []int{80, 240, 400, 33, 167, 1200} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = 0x80 // the loudest sample
		}
		c.peer.write(0, payload)
	}
	samples := c.heard(1)
	for isSilent(samples) {
		samples = c.heard(1)
	}
	samples = append(samples, c.heard((80+240+400+33+167+1200)/160-1)...)
	for i, s := range samples {
		require.Greater(t, s, int16(30000), "sample %d", i)
	}
}

func TestTheMediaOfAnotherPeerReplacesTheFirstOnes(t *testing.T) {
	agent := newLegs()
	s, first, offer := open(t, media.Config{Agent: media.AgentFunc(agent.talk), EarlyMedia: true})
	extra := append(first.sdp("8 0"), "m=video 0 RTP/AVP 96\r\n"...)
	require.NoError(t, s.Answer(extra, true))
	first.say(8, 440, 3)
	require.Eventually(t, func() bool { return s.Details()["media_packets_received"] == "3" },
		patience, time.Millisecond)

	again, err := s.Offer() // to a second trunk, after the first one gave the call up
	require.NoError(t, err)
	require.Equal(t, string(offer), string(again), "what the first peer added is not offered to the second")
	second := newPeer(t)
	second.aim(again)
	second.header.SSRC = 99
	require.NoError(t, s.Answer(second.sdp("0"), false))
	c := run(t, s, second)
	c.leg = <-agent.leg
	second.say(0, 880, 1) // one packet is enough
	c.hears(880)
	require.EqualValues(t, 0, second.packet().PayloadType)
	require.Empty(t, first.got)
}
