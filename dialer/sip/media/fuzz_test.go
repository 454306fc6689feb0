package media_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/media"
)

// FuzzAnswer shows the session whatever descriptions: it takes them or says why not, and what
// it answers to offers it can read itself.
func FuzzAnswer(f *testing.F) {
	p := string(description("127.0.0.1", 4000, "RTP/AVP", "0 8 101", "rtpmap:101 telephone-event/8000", "sendonly"))
	f.Add([]byte(p))
	f.Add(description("127.0.0.1", 4000, "RTP/SAVP", "0",
		"crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw|2^31|1:1"))
	f.Add([]byte(p + "m=video 0 RTP/AVP 96\r\n"))
	f.Add([]byte("v=0\r\n"))
	h := fuzzed(f, media.Config{Agent: quiet(), Encryption: media.Preferred})
	f.Fuzz(func(t *testing.T, description []byte) {
		s, err := h.Open(t.Context(), aCall())
		require.NoError(t, err)
		defer s.Close()
		_, err = s.Offer()
		require.NoError(t, err)
		_ = s.Answer(description, false) // a refusal is as good
		answer, err := s.Reoffer(description)
		if err != nil {
			return
		}
		_, err = s.Reoffer(answer)
		require.NoError(t, err, "%s", answer)
	})
}

func fuzzed(f *testing.F, c media.Config) media.Handler {
	f.Helper()
	c.IP, c.ListenIP, c.Ports = loopback(), loopback(), media.PortRange{First: 50000, Last: 60000}
	h, err := media.RTP(c)
	require.NoError(f, err)
	return h
}

// FuzzPacket sends whatever to a call, in which a good packet must still be heard.
func FuzzPacket(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff})
	f.Add([]byte{0x80, 101, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 5, 0x8a, 0, 160})
	f.Add([]byte{0xbf, 0, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0x10, 0, 0, 0, 3})
	heard := make(chan struct{}, 1)
	agent := media.AgentFunc(func(ctx context.Context, leg media.Leg) error {
		for {
			frame, err := leg.ReadFrame(ctx)
			if err != nil {
				return err
			}
			if level(frame[:], 440) > 0.3 {
				select {
				case heard <- struct{}{}:
				default:
				}
			}
		}
	})
	h := fuzzed(f, media.Config{Agent: agent})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		s, err := h.Open(t.Context(), aCall())
		require.NoError(t, err)
		offer, err := s.Offer()
		require.NoError(t, err)
		p := newPeer(t)
		p.aim(offer)
		require.NoError(t, s.Answer(p.sdp("0 101", "rtpmap:101 telephone-event/8000"), false))
		run(t, s, p)
		p.packet()
		p.raw(datagram)
		p.say(0, 440, 4)
		select {
		case <-heard:
		case <-time.After(patience):
			require.FailNow(t, "a good packet is not heard after a bad one")
		}
	})
}
