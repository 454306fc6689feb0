package media_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/media"
)

func TestKeysOfTheCalleeAreToldOnce(t *testing.T) {
	c := connect(t, media.Config{}, "0 101", "rtpmap:101 telephone-event/8000")
	const keys = "0123456789*#ABCD55" // the last two are pressed one after the other
	for _, key := range keys {
		c.peer.press(byte(strings.IndexRune("0123456789*#ABCD", key)))
		c.peer.say(0, 440, 1)
	}
	for _, key := range keys {
		select {
		case pressed := <-c.leg.DTMF():
			require.Equal(t, string(key), string(pressed))
		case <-time.After(patience):
			require.FailNow(t, "no key", "%c", key)
		}
	}
	c.peer.press(16) // a flash, which is no key
	c.peer.say(0, 440, 5)
	c.hears(440)
	require.Empty(t, c.leg.DTMF())
}

func TestAKeyIsToldThoughOnlyItsEndArrives(t *testing.T) {
	c := connect(t, media.Config{}, "0 96", "rtpmap:96 telephone-event/8000")
	c.peer.write(96, []byte{7, 0x8a, 1, 0x40})
	require.Equal(t, '7', <-c.leg.DTMF())
}

func TestKeysArePressed(t *testing.T) {
	c := connect(t, media.Config{}, "0 96", "rtpmap:96 Telephone-Event/8000")
	require.NoError(t, c.leg.SendDTMF("9#"))
	g := c.peer.packet()
	for g.PayloadType != 96 {
		g = c.peer.packet()
	}
	for _, event := range []byte{9, 11} {
		began := g.Timestamp
		require.True(t, g.Marker)
		for i := range 8 {
			if i > 0 {
				before := g.SequenceNumber
				g = c.peer.packet()
				require.Equal(t, before+1, g.SequenceNumber)
				require.False(t, g.Marker)
			}
			require.EqualValues(t, 96, g.PayloadType, "no audio while a key is pressed")
			require.Equal(t, began, g.Timestamp, "an event keeps its timestamp")
			require.Equal(t, event, g.Payload[0])
			require.Equal(t, i >= 5, g.Payload[1]&0x80 != 0, "the end is told three times")
			require.EqualValues(t, 160*min(i+1, 5), binary.BigEndian.Uint16(g.Payload[2:]))
		}
		g = c.peer.packet()
		require.EqualValues(t, 1600, g.Timestamp-began, "a key takes 100 ms, and the pause after it")
		require.True(t, g.Marker)
	}
	require.EqualValues(t, 0, g.PayloadType)
}

func TestWhatIsNoKeyIsRefused(t *testing.T) {
	c := connect(t, media.Config{}, "0 101", "rtpmap:101 telephone-event/8000")
	require.ErrorContains(t, c.leg.SendDTMF("12x"), `'X' is no key`)
	require.ErrorContains(t, c.leg.SendDTMF(strings.Repeat("1", 65)), "more than 64 keys")
	without := connect(t, media.Config{}, "0")
	require.ErrorIs(t, without.leg.SendDTMF("1"), media.ErrNoDTMF)
}

func TestAudioWaitsForKeys(t *testing.T) {
	c := connect(t, media.Config{}, "0 101", "rtpmap:101 telephone-event/8000")
	require.NoError(t, c.leg.SendDTMF("1"))
	c.says(440, 5)
	loudFrames, events := 0, 0
	for loudFrames < 5 {
		switch g := c.peer.packet(); {
		case g.PayloadType == 101:
			require.Zero(t, loudFrames, "the key was pressed first")
			events++
		case level(pcm(g), 440) > 0.2:
			loudFrames++
		}
	}
	require.Equal(t, 8, events)
}
