package media_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/sip/media"
)

func quiet() media.Agent { return media.AgentFunc(newLegs().talk) }

func TestTheOffer(t *testing.T) {
	c := media.Config{Agent: quiet(), Codecs: []media.Codec{media.PCMA, media.TelephoneEvent, media.PCMU}}
	s, p, offer := open(t, c)
	defer s.Close()
	want := regexp.MustCompile(`^v=0\r\no=- \d+ 1 IN IP4 127\.0\.0\.1\r\ns=-\r\nc=IN IP4 127\.0\.0\.1\r\nt=0 0\r\n` +
		fmt.Sprintf(`m=audio %d RTP/AVP 8 101 0\r\n`, p.to.Port()) +
		`a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtpmap:0 PCMU/8000\r\n` +
		`a=rtcp-mux\r\na=ptime:20\r\na=sendrecv\r\n$`)
	require.Regexp(t, want, string(offer))
	require.Zero(t, p.to.Port()%2, "RTP has an even port")
	again, err := s.Offer()
	require.NoError(t, err)
	require.Equal(t, string(offer), string(again), "the same description has the same version")
}

func TestTheAddressOfTheOfferMayBeAnother(t *testing.T) {
	h, err := media.RTP(media.Config{
		Agent: quiet(), IP: netip.MustParseAddr("203.0.113.7"), ListenIP: loopback(), Ports: somePorts(1),
	})
	require.NoError(t, err)
	s, err := h.Open(t.Context(), aCall())
	require.NoError(t, err)
	defer s.Close()
	offer, err := s.Offer()
	require.NoError(t, err)
	require.Contains(t, string(offer), "c=IN IP4 203.0.113.7\r\n")
}

func TestIPv6(t *testing.T) {
	h, err := media.RTP(media.Config{Agent: quiet(), IP: netip.MustParseAddr("::1"), Ports: somePorts(1)})
	require.NoError(t, err)
	s, err := h.Open(t.Context(), aCall())
	if err != nil {
		t.Skip("no IPv6 on this machine: ", err)
	}
	defer s.Close()
	offer, err := s.Offer()
	require.NoError(t, err)
	require.Contains(t, string(offer), "c=IN IP6 ::1\r\n")
	answer := strings.ReplaceAll(string(description("::1", 4000, "RTP/AVP", "0")), "IP4", "IP6")
	require.NoError(t, s.Answer([]byte(answer), false))
	require.ErrorContains(t, s.Answer(description("127.0.0.1", 4000, "RTP/AVP", "0"), false), "another family")
}

func TestVersionsGoUpByOneOnChange(t *testing.T) {
	s, p, offer := open(t, media.Config{Agent: quiet()})
	defer s.Close()
	require.NoError(t, s.Answer(p.sdp("0"), false))
	version := func(description []byte) string {
		return regexp.MustCompile(`o=- \d+ (\d+) `).FindStringSubmatch(string(description))[1]
	}
	reoffer := func(attributes ...string) string {
		answer, err := s.Reoffer(p.sdp("0", attributes...))
		require.NoError(t, err)
		return version(answer)
	}
	require.Equal(t, "1", version(offer))
	require.Equal(t, "2", reoffer("sendonly"))
	require.Equal(t, "2", reoffer("sendonly"))
	_, err := s.Reoffer([]byte("v=0"))
	require.Error(t, err)
	require.Equal(t, "3", reoffer())
	again, err := s.Offer()
	require.NoError(t, err)
	require.Equal(t, "4", version(again))
}

func TestAnAnswerHasAsManyMediaAsTheOffer(t *testing.T) {
	s, p, _ := open(t, media.Config{Agent: quiet()})
	defer s.Close()
	require.NoError(t, s.Answer(p.sdp("0"), false))
	offer := "v=0\r\no=peer 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=inactive\r\n" +
		"m=video 4000 RTP/AVP 96\r\nc=IN IP4 127.0.0.1\r\na=rtpmap:96 VP8/90000\r\n" +
		"m=audio 0 RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n" +
		"m=audio 4002 RTP/AVP 18 96 97 8\r\nc=IN IP4 127.0.0.1\r\n" +
		"a=rtpmap:96 pcmu/8000/1\r\na=rtpmap:97 telephone-event/8000\r\na=sendrecv\r\n" +
		"m=application 4004 UDP/BFCP *\r\nc=IN IP4 127.0.0.1\r\n"
	answer, err := s.Reoffer([]byte(offer))
	require.NoError(t, err)
	lines := regexp.MustCompile(`m=.*`).FindAllString(string(answer), -1)
	require.Len(t, lines, 4)
	require.Equal(t, "m=video 0 RTP/AVP 96\r", lines[0])
	require.Equal(t, "m=audio 0 RTP/AVP 0\r", lines[1])
	require.Equal(t, fmt.Sprintf("m=audio %d RTP/AVP 96 97 8\r", p.to.Port()), lines[2])
	require.Equal(t, "m=application 0 UDP/BFCP *\r", lines[3])
	require.Contains(t, string(answer), "a=sendrecv")

	again, err := s.Offer()
	require.NoError(t, err)
	require.Len(t, regexp.MustCompile(`m=.*`).FindAllString(string(again), -1), 4, "lines are never taken away")
	require.ErrorContains(t, s.Answer(p.sdp("0"), false), "no audio")
}

func TestAnswersThatAreRefused(t *testing.T) {
	const head = "v=0\r\no=peer 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
	plain := string(description("127.0.0.1", 4000, "RTP/AVP", "0"))
	for _, c := range []struct{ name, answer, want string }{
		{"nothing", "", "no audio"},
		{"no description", "hello", "reading the session description"},
		{"no audio", head + "c=IN IP4 127.0.0.1\r\nt=0 0\r\n", "no audio"},
		{"video", strings.Replace(plain, "audio", "video", 1), "no audio"},
		{"port 0", strings.Replace(plain, "4000", "0", 1), "its port is 0"},
		{"a port that is none", strings.Replace(plain, "4000", "70000", 1), "70000"},
		{"no common codec", strings.Replace(plain, "AVP 0", "AVP 3 18", 1), "no codec of ours"},
		{"events alone", strings.Replace(plain, "AVP 0", "AVP 101", 1) + "a=rtpmap:101 telephone-event/8000\r\n", "no codec of ours"},
		{"another clock", strings.Replace(plain, "AVP 0", "AVP 96", 1) + "a=rtpmap:96 PCMU/16000\r\n", "no codec of ours"},
		{"no address", strings.Replace(plain, "c=IN IP4 127.0.0.1\r\n", "", 1), "no address"},
		{"a name", strings.Replace(plain, "c=IN IP4 127.0.0.1", "c=IN IP4 host.example", 1), "not numeric"},
		{"everybody", strings.Replace(plain, "c=IN IP4 127.0.0.1", "c=IN IP4 224.0.0.1/127", 1), "not one of a peer"},
		{"broadcast", strings.Replace(plain, "c=IN IP4 127.0.0.1", "c=IN IP4 255.255.255.255", 1), "not one of a peer"},
		{"another transport", strings.Replace(plain, "RTP/AVP", "UDP/TLS/RTP/SAVP", 1), "UDP/TLS/RTP/SAVP"},
		{"SRTP", strings.Replace(plain, "RTP/AVP", "RTP/SAVP", 1), "does not use"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _, _ := open(t, media.Config{Agent: quiet()})
			defer s.Close()
			require.ErrorContains(t, s.Answer([]byte(c.answer), false), c.want)
		})
	}
}

func TestAnswersThatAreTaken(t *testing.T) {
	for _, c := range []struct{ name, from, to string }{
		{"lines that end with LF", "\r\n", "\n"},
		{"a codec that nobody offered first", "AVP 0", "AVP 18 0"},
		{"a number that is none", "AVP 0", "AVP G 0"},
		{"no session name", "s=-\r\n", "s= \r\n"},
		{"bandwidth", "t=0 0\r\n", "b=AS:64\r\nt=0 0\r\n"},
		{"more media", "a=x\r\n", "m=video 0 RTP/AVP 96\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p, _ := open(t, media.Config{Agent: quiet()})
			defer s.Close()
			require.NoError(t, s.Answer([]byte(strings.ReplaceAll(string(p.sdp("0", "x")), c.from, c.to)), false))
		})
	}
}

func TestAnAnswerChoosesTheCodec(t *testing.T) {
	for formats, want := range map[string]uint8{"0 8": 0, "8 0": 8, "18 8": 8} {
		c := connect(t, media.Config{}, formats)
		require.Equal(t, want, c.peer.packet().PayloadType)
	}
}
