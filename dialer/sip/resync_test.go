package sip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	msg "github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

// framed is what is cut out of a stream that comes in those pieces.
func framed(t *testing.T, pieces ...string) (got []string) {
	t.Helper()
	var f frames
	for _, piece := range pieces {
		for r := strings.NewReader(piece); r.Len() > 0; {
			require.NoError(t, f.read(r))
			for raw, _ := f.next(); raw != nil; raw, _ = f.next() {
				got = append(got, string(raw))
			}
		}
	}
	return got
}

// A length that no message may have costs none of those behind it, however it comes.
func TestALengthThatNoMessageHas(t *testing.T) {
	t.Parallel()
	for _, length := range []string{"65535", "70000", "2000000000", "2147483647", "99999999999"} {
		bad := strings.Replace(soundAnswer, ": 3\r\n\r\nabc", ": "+length+"\r\n\r\n", 1)
		text := bad + "v=0\r\ns=-\r\n" + strings.Repeat(soundAnswer, 500)
		for _, size := range []int{len(text), 20000, 1000, 7, 1} {
			var pieces []string
			for piece := range slices.Chunk([]byte(text), size) {
				pieces = append(pieces, string(piece))
			}
			got := framed(t, pieces...)
			require.Len(t, got, 501, "%s in pieces of %d", length, size)
			require.True(t, strings.HasPrefix(got[0], bad))
			for _, m := range got[1:] {
				require.Equal(t, soundAnswer, m)
			}
		}
	}
}

// A message that does not tell its length does not cost the next one, wherever that is torn, and with whatever the body
// ends.
func TestWhatIsTornBehindAMessageWithoutALength(t *testing.T) {
	t.Parallel()
	request := strings.Replace(soundAnswer, "SIP/2.0 200 OK", "BYE sip:a@b SIP/2.0", 1)
	for _, next := range []string{soundAnswer, request} {
		for _, body := range []string{"", "v=0\r\n", "v=0\r\ns=-\r\n", "v=0\r\ns=-\n"} {
			first := strings.Replace(soundAnswer, "Content-Length: 3\r\n\r\nabc", "\r\n"+body, 1)
			for cut := range len(next) {
				require.Equal(t, []string{first, next}, framed(t, first+next[:cut], next[cut:]), "%q at %d", body, cut)
			}
		}
		for _, body := range []string{"v=0\r\ns=-", "v", "<x/>", "Signal=1", "v=0\r\ns=SIP/2.0 x"} {
			first := strings.Replace(soundAnswer, "Content-Length: 3\r\n\r\nabc", "\r\n"+body, 1)
			require.Equal(t, []string{first, next}, framed(t, first, next), "%q", body)
		}
	}
}

// What is no message does not show that there is somebody.
func TestGarbageIsNotHeard(t *testing.T) {
	t.Parallel()
	for text, heard := range map[string]bool{
		"garbage": false, "garbage\r\n": false, strings.Repeat("garbage\r\n", 9999): false, "SIP/2.0 OK\r\n\r\n": false,
		soundAnswer[:len(soundAnswer)-1]: false, soundAnswer: true, "garbage\r\n" + soundAnswer: true, "\r\n": true,
		strings.Replace(soundAnswer, ": 3", ": 2000000000", 1): true,
	} {
		s := newTestStream(&played{r: strings.NewReader(text)})
		n, err := s.Read(make([]byte, mostBytes))
		require.Equal(t, heard, err == nil && n > 0, "%.40q", text)
		require.Equal(t, heard, s.heardSince(time.Unix(0, 1)), "%.40q", text)
	}
}

// Sipgo drops what it reads at once if all of it is NUL. Were that a part of a message, what follows would be taken for
// the rest of it.
func TestNULsCostNoOtherMessage(t *testing.T) {
	t.Parallel()
	const nul = "\x00"
	for name, c := range map[string]struct {
		body   string
		passed bool
	}{
		"long":              {strings.Repeat("x", 40000), true},
		"NUL":               {strings.Repeat(nul, 40000), false},
		"NUL, and a letter": {strings.Repeat(nul, 40000) + "x", true},
		"NUL at the end":    {strings.Repeat("x", 40000) + strings.Repeat(nul, 100), true},
		"NUL read at once":  {strings.Repeat(nul, 20000), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			length := fmt.Sprintf(": %d\r\n\r\n", len(c.body))
			long := strings.Replace(soundAnswer, ": 3\r\n\r\nabc", length+c.body, 1)
			want := []string{c.body, "abc"}
			if !c.passed {
				want = want[1:]
			}
			require.Equal(t, want, bodiesAsSipgoReads(t, long+soundAnswer))
		})
	}
}

// bodiesAsSipgoReads reads a stream as sipgo does.
func bodiesAsSipgoReads(t *testing.T, text string) (bodies []string) {
	t.Helper()
	s := newTestStream(&played{r: strings.NewReader(text)})
	parser := lenient.NewSIPStream()
	defer parser.Close()
	for b := make([]byte, msg.TransportBufferReadSize); ; {
		n, err := s.Read(b)
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			return bodies
		}
		if len(bytes.Trim(b[:n], "\x00")) == 0 {
			continue
		}
		err = parser.ParseSIPStream(b[:n], func(m msg.Message) { bodies = append(bodies, string(m.Body())) })
		if !errors.Is(err, msg.ErrParseSipPartial) {
			require.NoError(t, err)
		}
	}
}

// The branch is that of the topmost Via, whatever is wrong with that, and each of a list is read.
func TestViasOfAList(t *testing.T) {
	t.Parallel()
	const sound = "SIP/2.0/TCP a;branch=z9hG4bK1"
	for vias, want := range map[string][]string{
		sound: {sound},
		"TCP a;branch=z9hG4bK1,SIP/2.0/TCP b;branch=Y":                                        {"SIP/2.0/UDP invalid.invalid;branch=z9hG4bK1"},
		"SIP 2.0 TCP a;branch=z9hG4bK1, SIP/2.0/TCP b;branch=Y, SIP/2.0/TCP c;branch=Z":       {"SIP/2.0/UDP invalid.invalid;branch=z9hG4bK1"},
		"SIP / 2.0 / TCP a;branch=z9hG4bK1, SIP/2.0/TCP b;branch=Y":                           {sound, "SIP/2.0/TCP b;branch=Y"},
		"SIP  /2.0 /  TCP   a ; branch=z9hG4bK1 , SIP / 2.0/ TCP b;branch=Y,SIP/2.0/ UDP c;x": {sound, "SIP/2.0/TCP b;branch=Y", "SIP/2.0/UDP c;x"},
	} {
		res := parseResponse(mended([]byte(strings.Replace(soundAnswer, sound, vias, 1)), true))
		require.NotNil(t, res, "%q", vias)
		var got []string
		for _, h := range res.GetHeaders("via") {
			got = append(got, h.Value())
		}
		require.Equal(t, want, got, "%q", vias)
		require.Equal(t, "z9hG4bK1", branchOf(res))
	}
}
