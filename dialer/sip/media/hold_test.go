package media_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/media"
)

func TestHoldStopsTheMediaAndResumeBeginsItAgain(t *testing.T) {
	t.Parallel()
	for _, hold := range []struct {
		name, says, answer string
		hears              bool
	}{
		{"sendonly", "sendonly", "a=recvonly", false},
		{"inactive", "inactive", "a=inactive", false},
		{"recvonly", "recvonly", "a=sendonly", true},
		{"zero address", "", "a=recvonly", false},
	} {
		t.Run(hold.name, func(t *testing.T) {
			t.Parallel()
			c := connect(t, media.Config{InitialTimeout: time.Second, Timeout: time.Second}, "0")
			c.peer.say(0, 440, 1)
			description := c.peer.sdp("0", hold.says)
			if hold.says == "" {
				description = []byte(strings.Replace(string(c.peer.sdp("0")), "c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0", 1))
			}
			answer, err := c.Reoffer(description)
			require.NoError(t, err)
			require.Contains(t, string(answer), hold.answer)
			c.peer.drain()
			c.heard(200) // four times what may be quiet when there is no hold
			if hold.hears {
				require.NotEmpty(t, c.peer.got)
			} else {
				require.LessOrEqual(t, len(c.peer.got), 1, "one may have been on its way")
			}

			c.peer.drain()
			answer, err = c.Reoffer(c.peer.sdp("0"))
			require.NoError(t, err)
			require.Contains(t, string(answer), "a=sendrecv")
			c.peer.say(0, 440, 3)
			c.hears(440)
			require.Equal(t, !hold.hears, c.peer.packet().Marker, "what comes after a pause is marked")
			require.ErrorIs(t, c.end(), media.ErrInactive, "the clock runs again")
		})
	}
}

func TestAMoveOfTheAddressIsFollowed(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	c.peer.packet()
	moved := newPeer(t)
	moved.to = c.peer.to
	_, err := c.Reoffer(moved.sdp("8 0"))
	require.NoError(t, err)
	require.EqualValues(t, 8, moved.packet().PayloadType)
	c.peer.drain()
	moved.packet()
	moved.packet()
	require.LessOrEqual(t, len(c.peer.got), 1)
	moved.say(8, 440, 3)
	c.hears(440)
}

func TestARefusedReofferChangesNothing(t *testing.T) {
	c := connect(t, media.Config{}, "0")
	for _, bad := range [][]byte{
		[]byte("nonsense"), c.peer.sdp("18", "rtpmap:18 G729/8000"), c.peer.sdp(""),
		description("127.0.0.1", c.peer.port, "RTP/SAVP", "0"), description("10.0.0.1", 0, "RTP/AVP", "0"),
	} {
		_, err := c.Reoffer(bad)
		require.Error(t, err)
	}
	c.peer.drain()
	c.peer.packet()
	c.peer.say(0, 440, 3)
	c.hears(440)
}

func TestInactivity(t *testing.T) {
	t.Run("nothing at all", func(t *testing.T) {
		c := connect(t, media.Config{InitialTimeout: 60 * time.Millisecond, Timeout: time.Hour}, "0")
		require.ErrorIs(t, c.end(), media.ErrInactive)
	})
	t.Run("it ceases", func(t *testing.T) {
		c := connect(t, media.Config{InitialTimeout: time.Hour, Timeout: 60 * time.Millisecond}, "0")
		c.heard(10) // longer than Timeout, which does not count yet
		require.Empty(t, c.ended)
		c.peer.say(0, 440, 1)
		require.ErrorIs(t, c.end(), media.ErrInactive)
	})
	t.Run("never", func(t *testing.T) {
		c := connect(t, media.Config{InitialTimeout: -1, Timeout: -1}, "0")
		c.heard(10)
		require.Empty(t, c.ended)
	})
	t.Run("early media does not count", func(t *testing.T) {
		s, p, _ := open(t, media.Config{
			Agent: media.AgentFunc(newLegs().talk), InitialTimeout: 100 * time.Millisecond, Timeout: time.Hour,
		})
		require.NoError(t, s.Answer(p.sdp("0"), true))
		p.say(0, 440, 5)
		require.Eventually(t, func() bool { return s.Details()["media_packets_early"] == "5" },
			patience, time.Millisecond)
		require.NoError(t, s.Answer(p.sdp("0"), false))
		require.ErrorIs(t, run(t, s, p).end(), media.ErrInactive)
	})
}
