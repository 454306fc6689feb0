package sip

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	msg "github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

func newTestRequest() *msg.Request {
	return msg.NewRequest(msg.OPTIONS, msg.Uri{Scheme: "sip", User: "+14155550123", Host: "carrier.test"})
}

// FuzzHeaders is everything that we read from headers ourselves.
func FuzzHeaders(f *testing.F) {
	f.Add(`Q.850;cause=17;text="User busy"`, "1800;refresher=uac", `Digest realm="r", nonce="n", qop="auth, auth-int"`)
	f.Add(`SIP;cause=200, "`, "90 ; refresher = UAS", `Digest realm=`)
	f.Fuzz(func(t *testing.T, reason, session, challenge string) {
		if cause := causeOf(reason); cause != "" {
			require.LessOrEqual(t, len(cause), len(reason))
		}
		require.Equal(t, reason, strings.Join(splitQuoted(reason, ','), ","))
		m := newTestRequest()
		m.AppendHeader(msg.NewHeader("Session-Expires", session))
		m.AppendHeader(msg.NewHeader("Min-SE", reason))
		require.LessOrEqual(t, timersOf(m).interval, uint32(86400))
		hasToken(session, reason)
		for _, c := range parseChallenges(challenge) {
			require.GreaterOrEqual(t, strength(c), 0)
			require.NotEmpty(t, c.Realm)
			require.NotEmpty(t, c.Nonce)
		}
		require.True(t, utf8.ValidString(printable(reason)))
		require.NoError(t, checkValue(printable(reason)))
	})
}

// FuzzDescription looks for a session description in any body.
func FuzzDescription(f *testing.F) {
	f.Add("application/sdp", []byte("v=0"))
	f.Add("multipart/mixed; boundary=b", []byte("--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		require.LessOrEqual(t, len(description(contentType, body)), len(body))
	})
}

// FuzzFrames cuts a stream into messages, in whatever pieces it comes: all of it that is passed on is what sipgo's
// parser takes, at which a connection would end.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("OPTIONS sip:a SIP/2.0\r\nContent-Length: 3\r\n\r\nabcSIP/2.0 200 OK\r\nl: 0\r\n\r\n"), 7)
	f.Add([]byte("\r\n\r\n\r\nSIP/2.0 180\nTo: <\r\nl: 1\r\n 2\r\n\r\nv=0\r\ngarbage\r\nBYE sip:a SIP/2.0\r\nVia\r\n\r\n"), 1)
	f.Add([]byte("SIP/2.0 200 OK\r\nContact: <sip:a>, <\r\nVia: SIP / 2.0 / UDP a , b\r\nl: 70000\r\n\r\n"), 3)
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		var cut frames
		stream := lenient.NewSIPStream()
		defer stream.Close()
		for part := range slices.Chunk(b, max(piece, 1)) {
			if cut.read(bytes.NewReader(part)) != nil {
				continue // there was nothing
			}
			for raw, o := cut.next(); raw != nil; raw, o = cut.next() {
				m := mended(raw, true)
				if keepAlive(raw) == 0 {
					require.Equal(t, outlineOf(raw), o)
				}
				if len(m) == 0 || len(bytes.Trim(m, "\r\n")) == 0 {
					continue
				}
				require.Equal(t, m, mended(m, true), "what was mended is whole")
				var whole int
				require.NoError(t, stream.ParseSIPStream(m, func(msg.Message) { whole++ }), "%q", m)
				require.Equal(t, 1, whole, "%q", m)
				_, err := lenient.ParseSIP(m)
				require.NoError(t, err)
			}
		}
	})
}

// FuzzResponse makes a dialog of whatever comes, and a request in it.
func FuzzResponse(f *testing.F) {
	f.Add("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n" +
		"Call-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:e@f;transport=tcp>\r\nRecord-Route: <sip:g;lr>, <sip:h>\r\n\r\n")
	f.Fuzz(func(t *testing.T, raw string) {
		res := parseResponse(mended([]byte(raw), false))
		if res == nil {
			return
		}
		callIDOf(res)
		branchOf(res)
		methodOf(res)
		inv := testInvite()
		if res.IsProvisional() {
			return // the way is looked for beside
		}
		g := newDialog(inv, res)
		g.t.SameAddress = true
		req, _, err := g.request(t.Context(), msg.BYE)
		require.NoError(t, err)
		text := req.String()
		require.Equal(t, 1, strings.Count(text, "\r\n\r\n"), "a header must not end the message: %q", text)
		again, err := msg.ParseMessage([]byte(text))
		require.NoError(t, err, "%q", text)
		require.Equal(t, msg.BYE, methodOf(again))
	})
}

func testInvite() *invite {
	t := &trunk{Trunk: Trunk{Host: "carrier.test", Domain: "carrier.test", Transport: UDP}}
	fl := &flow{transport: UDP, host: "192.0.2.1", port: 5060}
	c := &call{d: &Dialer{config: Config{UserAgent: "test"}}, id: "x", tag: "1"}
	a := &attempt{t: t, uri: msg.Uri{Scheme: "sip", User: "1", Host: "carrier.test"}, cred: &credentials{}}
	inv, err := c.compose(a, fl)
	if err != nil {
		panic(err)
	}
	return inv
}
