package sip

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// typicalMessages are what a trunk sends in a call: two responses, one of them with a description, and a request.
var typicalMessages = []string{
	"SIP/2.0 180 Ringing\r\n" + typicalHeader("1 INVITE") + "Content-Length: 0\r\n\r\n",
	"SIP/2.0 200 OK\r\n" + typicalHeader("1 INVITE") + "Content-Type: application/sdp\r\nContent-Length: 240\r\n\r\n" +
		"v=0\r\n" + strings.Repeat("a", 235),
	"BYE sip:+442071838750@192.0.2.10:40000;transport=tcp SIP/2.0\r\n" + typicalHeader("2 BYE") + "Content-Length: 0\r\n\r\n",
}

func typicalHeader(cseq string) string {
	return "Via: SIP/2.0/TCP 192.0.2.10:40000;branch=z9hG4bKabcdefghijklmnopqrstuvwx;rport=40000;received=192.0.2.10\r\n" +
		"Record-Route: <sip:192.0.2.20;transport=tcp;lr>\r\n" +
		"From: \"Acme\" <sip:+442071838750@carrier.example>;tag=abcdefghijklmnopqrstuvwxyz\r\n" +
		"To: <sip:+14155550123@carrier.example>;tag=9a8b7c6d5e4f\r\nCall-ID: abcdefghijklmnopqrstuvwxyz\r\nCSeq: " + cseq + "\r\n" +
		"Contact: <sip:+14155550123@192.0.2.20:5060;transport=tcp>\r\nServer: carrier 1.2.3\r\n" +
		"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\nSupported: timer, 100rel\r\n"
}

// played is a connection by which something comes.
type played struct {
	net.Conn

	r io.Reader
}

func (c *played) Read(b []byte) (int, error) { return c.r.Read(b) }
func (c *played) RemoteAddr() net.Addr       { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 20), Port: 5060} }
func (c *played) Close() error               { return nil }

// BenchmarkStream reads 1000 messages off a connection; "as it comes" is what the system alone would do.
func BenchmarkStream(b *testing.B) {
	var text strings.Builder
	for i := range 1000 {
		text.WriteString(typicalMessages[i%len(typicalMessages)])
	}
	buffer := make([]byte, mostBytes)
	read := func(b *testing.B, r io.Reader) {
		b.Helper()
		n, err := 0, error(nil)
		for err == nil {
			var more int
			more, err = r.Read(buffer)
			n += more
		}
		require.Equal(b, text.Len(), n)
	}
	b.Run("as it comes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(b, strings.NewReader(text.String()))
		}
	})
	b.Run("in messages", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(b, newTestStream(&played{r: strings.NewReader(text.String())}))
		}
	})
}

// BenchmarkDatagram looks through 1000 messages that came as datagrams.
func BenchmarkDatagram(b *testing.B) {
	var all [][]byte
	for i := range 1000 {
		all = append(all, []byte(typicalMessages[i%len(typicalMessages)]))
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, raw := range all {
			if m := mended(raw, false); !bytes.Equal(m[:1], raw[:1]) {
				b.Fatal("it is touched")
			}
		}
	}
}

func newTestStream(conn net.Conn) *stream {
	s := newStreams(&dialers{}).add(newStream(conn))
	s.begun.Do(func() {})
	return s
}

// What is well-formed costs next to nothing.
func TestWellFormedMessagesAreNotCopied(t *testing.T) { //nolint:paralleltest // it counts what is allocated
	text := strings.Repeat(strings.Join(typicalMessages, ""), 300)
	buffer := make([]byte, mostBytes)
	r := strings.NewReader(text)
	s := newTestStream(&played{r: r})
	require.Less(t, testing.AllocsPerRun(3, func() {
		r.Reset(text)
		for r.Len() > 0 || len(s.ready) > 0 {
			if _, err := s.Read(buffer); err != nil {
				t.Fatal(err)
			}
		}
	}), 30.)
	for _, message := range typicalMessages {
		raw := []byte(message)
		require.Zero(t, testing.AllocsPerRun(3, func() { mended(raw, false) }))
	}
}
