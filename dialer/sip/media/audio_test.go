package media_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/media"
)

func TestATonePassesBothWays(t *testing.T) {
	for _, codec := range []struct {
		name    string
		formats string
		number  uint8
	}{{"PCMU", "0", 0}, {"PCMA", "8 0", 8}} {
		t.Run(codec.name, func(t *testing.T) {
			c := connect(t, media.Config{}, codec.formats)
			c.peer.say(codec.number, 440, 25)
			c.hears(440)
			samples := c.heard(15)
			require.InDelta(t, 1, level(samples, 440), 0.1)
			require.Less(t, level(samples, 620), 0.1)

			c.peer.drain()
			c.says(620, 20)
			for {
				if g := c.peer.packet(); level(pcm(g), 620) > 0.5 {
					require.Equal(t, codec.number, g.PayloadType)
					break
				}
			}
			samples = c.peer.audio(15)
			require.InDelta(t, 1, level(samples, 620), 0.1)
			require.Less(t, level(samples, 440), 0.1)
			require.Equal(t, codec.name, c.Details()["media_codec"])
		})
	}
}

func TestSilenceIsSentWhileTheAgentIsQuiet(t *testing.T) {
	for _, comfort := range []media.Comfort{media.Silence, media.Noise} {
		c := connect(t, media.Config{Comfort: comfort}, "0")
		first := c.peer.packet()
		require.True(t, first.Marker, "the first packet begins a talkspurt")
		before := first
		for range 10 {
			g := c.peer.packet()
			require.False(t, g.Marker)
			require.Equal(t, before.SequenceNumber+1, g.SequenceNumber)
			require.Equal(t, before.Timestamp+160, g.Timestamp)
			require.Equal(t, first.SSRC, g.SSRC)
			require.True(t, isSilent(pcm(g)))
			require.Len(t, g.Payload, 160)
			before = g
		}
		samples := c.peer.audio(1)
		varied := false
		for _, s := range samples {
			varied = varied || s != samples[0]
		}
		require.Equal(t, comfort == media.Noise, varied)
	}
}

func TestNothingIsSentWhereNothingIsToBe(t *testing.T) {
	c := connect(t, media.Config{Comfort: media.Nothing}, "0")
	c.says(440, 2)
	first, second := c.peer.packet(), c.peer.packet()
	require.True(t, first.Marker)
	require.False(t, second.Marker)
	c.heard(5) // time passes
	require.Empty(t, c.peer.got)
	c.says(440, 1)
	third := c.peer.packet()
	require.True(t, third.Marker, "audio after a pause begins a talkspurt")
	require.Equal(t, second.SequenceNumber+1, third.SequenceNumber)
	require.Greater(t, third.Timestamp-second.Timestamp, uint32(160*3), "the clock runs in a pause")
}

func TestClearStopsTheAgentAtOnce(t *testing.T) {
	c := connect(t, media.Config{Comfort: media.Silence}, "0")
	for range 10 {
		c.says(440, 10)
		c.peer.drain()
		marks := make(chan int, 3)
		c.leg.Mark(func() { marks <- 1 })
		c.leg.Clear()
		require.Equal(t, 1, <-marks, "what waits for audio that is cleared hears of it")
		// What the system had taken before the clear may still come: one frame; and what was
		// on its way while the peer was drained.
		loudFrames := 0
		for range 15 {
			if level(c.peer.audio(1), 440) > 0.2 {
				loudFrames++
			}
		}
		require.LessOrEqual(t, loudFrames, 2, "at most 40 ms of the agent are heard after a clear")
	}
}

func TestAClearDropsTheFrameThatWaits(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	c.says(440, 11) // the tenth is queued, so at least one was played
	wrote := make(chan error)
	go func() {
		var f media.Frame
		f[0] = loud
		for range 12 { // more than there is room for
			if err := c.leg.WriteFrame(t.Context(), f); err != nil {
				wrote <- err
			}
		}
		wrote <- nil
	}()
	c.leg.Clear()
	require.NoError(t, <-wrote)
}

func TestMarksAreCalledWhenTheAudioBeforeWasPlayed(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	now := make(chan struct{})
	c.leg.Mark(func() { close(now) })
	<-now
	c.says(440, 5)
	played := make(chan struct{})
	c.leg.Mark(func() { close(played) })
	<-played
	loudFrames := 0
	for loudFrames < 5 {
		if level(c.peer.audio(1), 440) > 0.2 {
			loudFrames++
		}
	}
}

func TestTheEndIsPlayedWhenTheAgentHangsUp(t *testing.T) {
	agent := newLegs()
	s, p, _ := open(t, media.Config{Agent: media.AgentFunc(agent.talk)})
	require.NoError(t, s.Answer(p.sdp("0"), false))
	c := run(t, s, p)
	c.leg = <-agent.leg
	c.says(440, 10)
	close(agent.hangUp)
	require.NoError(t, c.end())
	require.NotEmpty(t, s.Details()["media_agent_first_audio_ms"])
	loudFrames := 0
	for len(p.got) > 0 {
		if level(p.audio(1), 440) > 0.2 {
			loudFrames++
		}
	}
	require.InDelta(t, 10, loudFrames, 1, "all that was written was played") // the reader may be a packet behind
}
