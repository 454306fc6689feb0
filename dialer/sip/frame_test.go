package sip

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	msg "github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

const soundAnswer = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n" +
	"Call-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:e@f>\r\nContent-Length: 3\r\n\r\nabc"

var longAnswer = strings.Replace(soundAnswer, "3\r\n\r\nabc", "2000\r\n\r\n"+strings.Repeat("x", 2000), 1)

// tooLong is the header of a message that may not be that long.
const tooLong = "SIP/2.0 200 OK\r\nl: 70000\r\n\r\n"

// Messages are cut out of a stream however it comes, and what is none costs itself alone.
func TestAStreamIsCutIntoMessages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stream string
		want   []string
	}{
		"two":                     {soundAnswer + soundAnswer, []string{soundAnswer, soundAnswer}},
		"a short one behind":      {longAnswer + soundAnswer, []string{longAnswer, soundAnswer}},
		"keep-alives":             {"\r\n\r\n" + soundAnswer + "\r\n" + soundAnswer, []string{"\r\n\r\n", soundAnswer, "\r\n", soundAnswer}},
		"something between":       {"v=0\r\n" + soundAnswer + "trailing\r\n" + soundAnswer, []string{soundAnswer, soundAnswer}},
		"one that is too long":    {tooLong + "a=x\r\n" + soundAnswer, []string{tooLong + "a=x\r\n", soundAnswer}},
		"a length that is none":   {strings.Replace(soundAnswer, ": 3", ": three", 1) + "\r\n" + soundAnswer, []string{strings.Replace(soundAnswer, ": 3", ": three", 1) + "\r\n", soundAnswer}},
		"a header without an end": {"SIP/2.0 200 OK\r\n" + strings.Repeat("X: x\r\n", 15000), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{len(c.stream), 1000, 7, 1} {
				if piece < len(c.stream) && (strings.HasPrefix(name, "a length") || strings.Contains(name, "too long")) {
					continue // its end is a guess, which is better where more of it is there
				}
				var f frames
				var got []string
				for part := range slices.Chunk([]byte(c.stream), piece) {
					for r := bytes.NewReader(part); r.Len() > 0; {
						require.NoError(t, f.read(r))
						for raw, _ := f.next(); raw != nil; raw, _ = f.next() {
							got = append(got, string(raw))
						}
					}
				}
				if piece < 4 || strings.HasPrefix(name, "a header") { // a keep-alive comes in two, and what was dropped may end in one
					got = slices.DeleteFunc(got, func(s string) bool { return strings.Trim(s, "\r\n") == "" })
					c.want = slices.DeleteFunc(slices.Clone(c.want), func(s string) bool { return strings.Trim(s, "\r\n") == "" })
				}
				if strings.HasPrefix(name, "keep") && piece < len(c.stream) {
					require.Equal(t, strings.Count(c.stream, soundAnswer), strings.Count(strings.Join(got, ""), soundAnswer))
					continue
				}
				require.Equal(t, append([]string{}, c.want...), append([]string{}, got...), "in pieces of %d", piece)
			}
		})
	}
}

// What matters of an answer is read whatever else is wrong with it, and a sound one is not touched.
func TestAnAnswerIsReadWhateverIsWrongWithIt(t *testing.T) {
	t.Parallel()
	raw := []byte(soundAnswer)
	require.Same(t, &raw[0], &mended(raw, false)[0])
	for name, change := range map[string][2]string{
		"nothing":                   {"", ""},
		"an empty Contact":          {"<sip:e@f>", ""},
		"a Contact that is none":    {"<sip:e@f>", "<sip:@:99999"},
		"a list that ends in one":   {"<sip:e@f>", "<sip:e@f>, <"},
		"Record-Route":              {"Contact:", "Record-Route: junk\r\nContact:"},
		"Max-Forwards":              {"Contact:", "Max-Forwards: x\r\nContact:"},
		"Refer-To":                  {"Contact:", "Refer-To: <\r\nContact:"},
		"no colon":                  {"Contact:", "garbage\r\nContact:"},
		"no colon, and a fold":      {"Contact:", "garbage\r\n more: of it\r\nContact:"},
		"no name":                   {"Contact:", ": y\r\nContact:"},
		"CR":                        {"Contact:", "Subject: a\rb\r\nContact:"},
		"LF":                        {"\r\n", "\n"},
		"no phrase":                 {" OK", ""},
		"a phrase like a version":   {" OK", " SIP-OK"},
		"small letters":             {"SIP/2.0 200", "sip/2.0  200"},
		"CRLF before it":            {"SIP/2.0 200", "\r\n\r\nSIP/2.0 200"},
		"white space in CSeq":       {"1 INVITE", "001 \t INVITE "},
		"white space in Via":        {"SIP/2.0/TCP a;branch=", "SIP / 2.0 / TCP  a ; BRANCH = "},
		"Via without a protocol":    {"SIP/2.0/TCP a", "TCP a"},
		"To without an end":         {"<sip:c@d>", "<sip:c@d"},
		"From with an open quote":   {"<sip:a@b>", `"a <sip:a@b>`},
		"the length is no number":   {": 3\r", ": three\r"},
		"the length is too large":   {": 3\r", ": 30\r"},
		"the lengths contradict":    {"Contact:", "l: 2\r\nContact:"},
		"the length is folded":      {": 3\r", ": 3\r\n 4\r"},
		"a fold behind the start":   {"Via:", " x\r\nVia:"},
		"Content-Type without text": {"Contact:", "Content-Type:\r\nContact:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := strings.ReplaceAll(soundAnswer, change[0], change[1])
			if change[0] == "" {
				raw = soundAnswer
			}
			m := mended([]byte(raw), true)
			require.Equal(t, 3, outlineOf(m).length, "%q", m)
			res := parseResponse(mended([]byte(raw), false))
			require.NotNil(t, res, "%q", raw)
			require.Equal(t, []any{200, "z9hG4bK1", "1", "2", "x", msg.INVITE, "abc"}, []any{
				res.StatusCode, branchOf(res), fromTag(res), toTag(res), callIDOf(res), methodOf(res), string(res.Body()),
			})
			key, err := msg.ClientTxKeyMake(res)
			require.NoError(t, err)
			require.Contains(t, key, "INVITE")
		})
	}
}

func TestWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "garbage", "garbage\r\n\r\n", "SIP/2.0 2000 OK\r\n\r\n", "SIP/2.0 OK\r\n\r\n", "SIP/2.00 0 \r\n\r\n", "\r\n\r\n\r\n\r\nx"} {
		require.Nil(t, mended([]byte(raw), false), "%q", raw)
	}
	require.Equal(t, "\r\n\r\n", string(mended([]byte("\r\n\r\n"), true)))
}

// What is taken for a request without trying is what sipgo's parser takes; the second half of these has to be tried.
func TestPlainRequestsAreRequests(t *testing.T) {
	t.Parallel()
	uris := []string{
		"sip:a", "sips:b.example", "sip:+442071838750@192.0.2.10:40000;transport=tcp", "sip:a@b;lr", "sip:a@b:99999", "sip:a:1;;=;x",
		"sip:a_b.c-d+e@f-g.h_i;j=k;l", "sip:.@-", "sip:1.2.3.4:0", "sip:a;=",
		"sip:", "sip:@", "sip:a@", "sip:a@b:", "sip:a@b:x", "sip:a@b:123456", "sip:a%20b@c", "sip:a@[::1]:5060", "tel:+44", "sip:a@b?c=d", "a",
	}
	for i, uri := range uris {
		for _, method := range []string{"BYE", "x", "A-b.c"} {
			line := []byte(method + " " + uri + " SIP/2.0")
			require.Equal(t, i < 10, isPlainRequest(line), "%q", line)
			require.True(t, !isPlainRequest(line) || startsRequest(line), "%q", line)
		}
	}
	for _, line := range []string{"", "BYE", "BYE sip:a", " sip:a SIP/2.0", "BYE sip:a SIP/2.0 ", "BYE  sip:a SIP/2.0", "SIP/2.0 200 OK"} {
		require.False(t, isPlainRequest([]byte(line)), "%q", line)
	}
}

// FuzzPlainRequest is that for whatever there is.
func FuzzPlainRequest(f *testing.F) {
	f.Add("BYE", "a@b:1;c=d")
	f.Fuzz(func(t *testing.T, method, uri string) {
		line := []byte(method + " sip:" + uri + " SIP/2.0")
		require.True(t, !isPlainRequest(line) || startsRequest(line), "%q", line)
	})
}

func TestEveryValueOfAListIsRead(t *testing.T) {
	t.Parallel()
	res := parseResponse([]byte(strings.Replace(soundAnswer, "Contact:", "Record-Route: <sip:g;lr>, <sip:h;lr>\r\nContact:", 1)))
	require.Len(t, res.GetHeaders("record-route"), 2)
}
