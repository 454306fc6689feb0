package media_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/media"
)

type suite struct {
	name    string
	tag     int
	profile srtp.ProtectionProfile
}

func suites() []suite {
	return []suite{
		{"AES_CM_128_HMAC_SHA1_80", 1, srtp.ProtectionProfileAes128CmHmacSha1_80},
		{"AES_CM_128_HMAC_SHA1_32", 2, srtp.ProtectionProfileAes128CmHmacSha1_32},
	}
}

// secure makes the peer encrypt with a key of its own, and decrypt with the one of our description.
// It returns the attribute to describe the first with.
func (p *peer) secure(s suite, offer []byte, secret byte) string {
	p.t.Helper()
	m := regexp.MustCompile(fmt.Sprintf(`a=crypto:(\d) %s inline:(\S+)\r\n`, s.name)).FindSubmatch(offer)
	require.NotNil(p.t, m, "%s", offer)
	theirs, err := base64.StdEncoding.DecodeString(string(m[2]))
	require.NoError(p.t, err)
	p.theirs = theirs
	ours := ourKey(secret)
	in, err := srtp.CreateContext(theirs[:16], theirs[16:], s.profile, srtp.SRTPReplayProtection(64))
	require.NoError(p.t, err)
	out, err := srtp.CreateContext(ours[:16], ours[16:], s.profile)
	require.NoError(p.t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = func(b []byte) ([]byte, error) { return in.DecryptRTP(nil, b, nil) }
	p.seal = func(b []byte) ([]byte, error) { return out.EncryptRTP(nil, b, nil) }
	return fmt.Sprintf("crypto:%s %s inline:%s|2^31", m[1], s.name, base64.StdEncoding.EncodeToString(ours))
}

func ourKey(secret byte) []byte {
	key := make([]byte, 30)
	for i := range key {
		key[i] = secret + byte(i)
	}
	return key
}

func TestSRTP(t *testing.T) {
	for _, s := range suites() {
		t.Run(s.name, func(t *testing.T) {
			agent := newLegs()
			session, p, offer := open(t, media.Config{Encryption: media.Encrypted, Agent: media.AgentFunc(agent.talk)})
			require.Contains(t, string(offer), " RTP/SAVP 0 8 101\r\n")
			attribute := p.secure(s, offer, 1)
			require.NoError(t, session.Answer(description("127.0.0.1", p.port, "RTP/SAVP", "0", attribute), false))
			c := run(t, session, p)
			c.leg = <-agent.leg
			p.say(0, 440, 5)
			c.hears(440)
			c.says(620, 10)
			for level(p.audio(1), 620) < 0.5 { //nolint:revive // it reads until the tone is there
			}

			before := p.header // which has the session receive the same packets again
			p.header.SequenceNumber -= 5
			p.say(0, 440, 5)
			p.header = before
			seal := p.seal
			p.seal = nil
			p.say(0, 440, 5) // not encrypted at all
			p.header, p.seal = before, seal
			require.Eventually(t, func() bool { return session.Details()["media_packets_rejected"] == "10" },
				patience, time.Millisecond)
			require.Equal(t, "5", session.Details()["media_packets_received"])
			require.Equal(t, "srtp", session.Details()["media_encryption"])

			// A refresh of the session with the same key goes on with the same contexts.
			answer, err := session.Reoffer(description("127.0.0.1", p.port, "RTP/SAVP", "0", attribute))
			require.NoError(t, err)
			require.Contains(t, string(answer), fmt.Sprintf("a=crypto:%d %s inline:", s.tag, s.name))
			p.drain()
			require.EqualValues(t, 0, p.packet().PayloadType)
			p.say(0, 880, 3)
			c.hears(880)
		})
	}
}

func TestANewKeyOfThePeerIsTaken(t *testing.T) {
	agent := newLegs()
	session, p, offer := open(t, media.Config{Encryption: media.Encrypted, Agent: media.AgentFunc(agent.talk)})
	s := suites()[0]
	require.NoError(t, session.Answer(
		description("127.0.0.1", p.port, "RTP/SAVP", "0", p.secure(s, offer, 1)), false))
	c := run(t, session, p)
	c.leg = <-agent.leg
	p.say(0, 440, 5)
	c.hears(440)

	_, err := session.Reoffer(description("127.0.0.1", p.port, "RTP/AVP", "0"))
	require.ErrorContains(t, err, "requires SRTP")
	_, err = session.Reoffer(description("127.0.0.1", p.port, "RTP/SAVP", "0"))
	require.ErrorContains(t, err, "no key that can be used")

	p.mu.Lock()
	open := p.open // our key stays as it is, and the stream goes on
	p.mu.Unlock()
	attribute := p.secure(s, offer, 77)
	p.mu.Lock()
	p.open = open
	p.mu.Unlock()
	answer, err := session.Reoffer(description("127.0.0.1", p.port, "RTP/SAVP", "0", attribute))
	require.NoError(t, err)
	p.say(0, 880, 3)
	c.hears(880)
	require.Equal(t, cryptoOf(offer), cryptoOf(answer))
	p.drain()
	p.packet()
}

func cryptoOf(description []byte) string {
	return regexp.MustCompile(`a=crypto:1 .*`).FindString(string(description))
}

func TestAnswersToSRTPThatAreRefused(t *testing.T) {
	const key = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw"
	for _, c := range []struct{ name, profile, attribute, want string }{
		{"plain", "RTP/AVP", "sendrecv", "requires SRTP"},
		{"no key", "RTP/SAVP", "sendrecv", "no key"},
		{"another suite", "RTP/SAVP", "crypto:1 F8_128_HMAC_SHA1_80 inline:" + key, "no key"},
		{"another tag", "RTP/SAVP", "crypto:2 AES_CM_128_HMAC_SHA1_80 inline:" + key, "no key"},
		{"a master key identifier that does not fit", "RTP/SAVP", "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^20|300:1", "no key"},
		{"two master keys", "RTP/SAVP", "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|1:1;inline:" + key + "|2:1", "no key"},
		{"another method", "RTP/SAVP", "crypto:1 AES_CM_128_HMAC_SHA1_80 uri:" + key, "no key"},
		{"a short key", "RTP/SAVP", "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIz", "no key"},
		{"a parameter", "RTP/SAVP", "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + " UNENCRYPTED_SRTP", "no key"},
		{"feedback", "RTP/SAVPF", "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key, "SAVPF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p, _ := open(t, media.Config{Encryption: media.Encrypted, Agent: media.AgentFunc(newLegs().talk)})
			defer s.Close()
			err := s.Answer(description("127.0.0.1", p.port, c.profile, "0", c.attribute), false)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), key)
		})
	}
}

func TestAMasterKeyIdentifierIsTaken(t *testing.T) {
	for _, c := range []struct {
		says string
		mki  []byte
	}{{"|2^31|1:1", []byte{1}}, {"|258:4", []byte{0, 0, 1, 2}}} {
		agent := newLegs()
		session, p, offer := open(t, media.Config{Encryption: media.Encrypted, Agent: media.AgentFunc(agent.talk)})
		s := suites()[0]
		attribute := strings.TrimSuffix(p.secure(s, offer, 1), "|2^31") + c.says
		out, err := srtp.CreateContext(ourKey(1)[:16], ourKey(1)[16:], s.profile, srtp.MasterKeyIndicator(c.mki))
		require.NoError(t, err)
		p.seal = func(b []byte) ([]byte, error) { return out.EncryptRTP(nil, b, nil) }
		require.NoError(t, session.Answer(description("127.0.0.1", p.port, "RTP/SAVP", "0", attribute), false))
		called := run(t, session, p)
		called.leg = <-agent.leg
		p.say(0, 440, 5)
		called.hears(440)
		require.EqualValues(t, 0, p.packet().PayloadType, "ours are without one")
	}
}

func TestAPreferenceForSRTPTakesRTP(t *testing.T) {
	agent := newLegs()
	s, p, offer := open(t, media.Config{Encryption: media.Preferred, Agent: media.AgentFunc(agent.talk)})
	require.Contains(t, string(offer), "RTP/AVP ", "who knows no SRTP would refuse another profile")
	require.Contains(t, string(offer), "a=crypto:1 ")
	require.NoError(t, s.Answer(p.sdp("0"), false))
	c := run(t, s, p)
	c.leg = <-agent.leg
	p.say(0, 440, 3)
	c.hears(440)
	p.packet()
	require.NotContains(t, s.Details(), "media_encryption")
}

// RFC 8643: the keys alone say that it is SRTP.
func TestAPreferenceForSRTPGetsIt(t *testing.T) {
	agent := newLegs()
	session, p, offer := open(t, media.Config{Encryption: media.Preferred, Agent: media.AgentFunc(agent.talk)})
	attribute := p.secure(suites()[0], offer, 1)
	require.NoError(t, session.Answer(p.sdp("0", attribute), false))
	c := run(t, session, p)
	c.leg = <-agent.leg
	p.say(0, 440, 5)
	c.hears(440)
	c.says(620, 10)
	for level(p.audio(1), 620) < 0.5 { //nolint:revive // it reads until the tone is there
	}
	require.Equal(t, "srtp", session.Details()["media_encryption"])

	answer, err := session.Reoffer(p.sdp("0", attribute))
	require.NoError(t, err)
	require.Contains(t, string(answer), "RTP/AVP 0\r\n")
	require.Equal(t, cryptoOf(offer), cryptoOf(answer))
	p.say(0, 880, 3)
	c.hears(880)

	plain, q, _ := open(t, media.Config{Agent: media.AgentFunc(newLegs().talk)})
	defer plain.Close()
	answer, err = plain.Reoffer(q.sdp("0", attribute))
	require.NoError(t, err, "who offers keys with RTP/AVP takes RTP")
	require.NotContains(t, string(answer), "crypto")
}
