package httpapi

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// reader is a server with an endpoint that reads bodies of up to a megabyte.
func reader(t *testing.T, cfg Config, sc ServerConfig) *rawServer {
	t.Helper()
	cfg.MaxBody = 1 << 20
	return listenAndServe(t, cfg, sc, doing(readingAll(&api{cfg: cfg.withDefaults()})))
}

// flood sends p over and over until the server has had enough, or n times.
func (c *client) flood(p []byte, n int) (stop func()) {
	var sending sync.WaitGroup
	sending.Go(func() {
		for range n {
			if _, err := c.Write(p); err != nil {
				return
			}
		}
	})
	return func() {
		_ = c.Close()
		sending.Wait()
	}
}

// Not parallel: what others allocate would count too.
func TestABodyOf50MBTakesNoMemory(t *testing.T) {
	s := reader(t, Config{}, ServerConfig{})
	chunk := make([]byte, 64<<10)
	asChunk := fmt.Appendf(nil, "%x\r\n%s\r\n", len(chunk), chunk)
	for name, test := range map[string]struct {
		header string
		piece  []byte
	}{
		"of known length":     {fmt.Sprint("Content-Length: ", 50<<20), chunk},
		"in chunks, no end":   {"Transfer-Encoding: chunked", asChunk},
		"of an absurd length": {"Content-Length: 9223372036854775807", chunk},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			c := s.dial(t)
			c.send("%s\r\n", head("POST", "/agents/do", test.header))
			defer c.flood(test.piece, 800)()
			got := c.answer()
			require.Equal(t, 413, got.status)
			require.True(t, got.last)
			require.Contains(t, got.body, "1048576")
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
		})
		s.stillServes(t)
	}
}

func TestAGzipBombIsNotOpened(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 50 {
		_, err := z.Write(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	s := reader(t, Config{}, ServerConfig{})
	c := s.dial(t)
	c.send("%s\r\n%s", head("POST", "/agents/do", "Content-Encoding: gzip", fmt.Sprint("Content-Length: ", bomb.Len())), bomb.String())
	c.refused(415)
	s.stillServes(t)
}

func TestABodyThatTricklesIsEnded(t *testing.T) {
	t.Parallel()
	s := reader(t, Config{BodyTimeout: 200 * time.Millisecond}, ServerConfig{})
	for name, test := range map[string]struct{ header, piece string }{
		"of known length": {"Content-Length: 1000", "x"},
		"in chunks":       {"Transfer-Encoding: chunked", "1\r\nx\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.dial(t)
			c.send("%s\r\n", head("POST", "/agents/do", test.header))
			ended := make(chan struct{})
			var sending sync.WaitGroup
			sending.Go(func() {
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						_, _ = c.Write([]byte(test.piece))
					case <-ended:
						return
					}
				}
			})
			defer sending.Wait()
			defer close(ended)
			got := c.answer()
			require.Equal(t, 408, got.status, got.body)
			require.True(t, got.last)
			require.Contains(t, got.body, `"request_timeout"`)
			s.stillServes(t)
		})
	}
}

func TestABodyThatComesSlowlyAndSteadilyIsTaken(t *testing.T) {
	t.Parallel()
	const timeout, pieces = 2 * time.Second, 12 // a busy machine sends none too late
	s := reader(t, Config{BodyTimeout: timeout}, ServerConfig{})
	c := s.dial(t)
	piece := strings.Repeat("x", 32<<10)
	c.send("%s\r\n", head("POST", "/agents/do", fmt.Sprint("Content-Length: ", pieces*len(piece))))
	tick := time.NewTicker(timeout / 4)
	defer tick.Stop()
	for range pieces {
		<-tick.C
		c.send("%s", piece)
	}
	got := c.answer()
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, fmt.Sprint(pieces*len(piece)), got.body)
}

func TestABodyThatNobodyReadsIsNotWaitedForEither(t *testing.T) {
	t.Parallel()
	s := reader(t, Config{BodyTimeout: 200 * time.Millisecond}, ServerConfig{})
	c := s.dial(t)
	c.send("POST /agents/do HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx") // and no key
	c.refused(401)
	s.stillServes(t)
}

func TestAfterABodyTheConnectionHasItsTimeAgain(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	a := &api{cfg: Config{BodyTimeout: timeout}.withDefaults()}
	read := readingAll(a)
	s := listenAndServe(t, a.cfg, ServerConfig{}, doing(func(w http.ResponseWriter, r *request) error {
		if err := read(w, r); err != nil {
			return err
		}
		select { // as long as the body might have taken, and longer
		case <-time.After(3 * timeout):
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}))
	c := s.dial(t)
	for range 2 {
		c.send("%s\r\nhello", head("POST", "/agents/do", "Content-Length: 5"))
		got := c.answer()
		require.Equal(t, 200, got.status)
		require.Equal(t, "5", got.body)
	}
}

func TestTheTimeForABodyBeginsWhenItIsRead(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second // in which a busy machine sends the body
	asked := make(chan struct{})
	s := reader(t, Config{BodyTimeout: timeout, Authenticate: func(r *http.Request) (string, error) {
		if r.Method == http.MethodPost {
			<-time.After(timeout + timeout/4) // a directory that is slow
			close(asked)
		}
		return "acme", nil
	}}, ServerConfig{})
	c := s.dial(t)
	c.send("%s\r\n", head("POST", "/agents/do", "Content-Length: 5"))
	<-asked
	c.send("hello")
	got := c.answer()
	require.Equal(t, 200, got.status, got.body)
	s.stillServes(t)
}

func TestSlowHeadersAreEnded(t *testing.T) {
	t.Parallel()
	s := reader(t, Config{}, ServerConfig{HeaderTimeout: 100 * time.Millisecond, IdleTimeout: 100 * time.Millisecond})
	for _, begun := range []string{"", "G", "GET /agents/do HTTP/1.1\r\nHost:", head("GET", "/agents/do")} {
		c := s.dial(t)
		c.send("%s", begun)
		c.endsWithRefusals()
	}
	idle := s.dial(t)
	idle.send("%s\r\n", head("GET", "/agents/things/1"))
	idle.answer()
	idle.closed()
	s.stillServes(t)
}

func TestHeadersAreLimited(t *testing.T) {
	t.Parallel()
	s := reader(t, Config{}, ServerConfig{})
	for name, start := range map[string]string{
		"one long one": head("GET", "/agents/do") + "X-Long: ",
		"a long URL":   "GET /agents/things/",
		"many":         head("GET", "/agents/do"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.dial(t)
			c.send("%s", start)
			p := strings.Repeat("x", 1024)
			if name == "many" {
				p = strings.Repeat("x: y\r\n", 200)
			}
			defer c.flood([]byte(p), 10_000)()
			got := c.answer()
			require.Equal(t, 431, got.status)
		})
	}
	c := s.dial(t)
	c.send("%s\r\n", head("GET", "/agents/things/1", "X-Fits: "+strings.Repeat("x", 16<<10)))
	got := c.answer()
	require.Equal(t, 200, got.status)
	s.stillServes(t)
}

func TestPipelinedRequestsAreAnsweredInTheirOrder(t *testing.T) {
	t.Parallel()
	s := reader(t, Config{}, ServerConfig{})
	c := s.dial(t)
	var text strings.Builder
	ids := make([]string, 40)
	for i := range ids {
		ids[i] = uuid.NewString()
		if i%2 == 0 {
			text.WriteString(head("POST", "/agents/do", headerRequestID+": "+ids[i], "Content-Length: 3") + "\r\nabc")
		} else {
			text.WriteString(head("GET", "/agents/nothing", headerRequestID+": "+ids[i]) + "\r\n")
		}
	}
	c.send("%s", text.String())
	for i, id := range ids {
		got := c.answer()
		require.Equal(t, []int{200, 404}[i%2], got.status)
		require.Equal(t, id, got.header.Get(headerRequestID))
	}
}

func TestBadHTTP(t *testing.T) {
	t.Parallel()
	s := reader(t, Config{}, ServerConfig{HeaderTimeout: 500 * time.Millisecond, IdleTimeout: time.Second})
	chunked := head("POST", "/agents/do", "Transfer-Encoding: chunked") + "\r\n"
	for name, text := range map[string]string{
		"no HTTP":                      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"zeros":                        strings.Repeat("\x00", 100) + "\r\n\r\n",
		"HTTP/2 without TLS":           "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"HTTP/9":                       "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
		"no host":                      "GET / HTTP/1.1\r\n\r\n",
		"two hosts":                    "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"no method":                    " / HTTP/1.1\r\nHost: x\r\n\r\n",
		"a space in a header's name":   "GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
		"a zero in a header":           "GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
		"a bad escape":                 "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"two lengths":                  head("POST", "/agents/do", "Content-Length: 1", "Content-Length: 2") + "\r\nab",
		"a negative length":            head("POST", "/agents/do", "Content-Length: -1") + "\r\n",
		"a length with a sign":         head("POST", "/agents/do", "Content-Length: +1") + "\r\na",
		"a length past 64 bits":        head("POST", "/agents/do", "Content-Length: 99999999999999999999") + "\r\n",
		"a coding that nobody knows":   head("POST", "/agents/do", "Transfer-Encoding: gzip") + "\r\n",
		"a chunk of no number":         chunked + "zz\r\n",
		"a chunk longer than it says":  chunked + "1\r\nabcdef\r\n0\r\n\r\n",
		"a chunk's endless length":     chunked + strings.Repeat("0", 10_000),
		"a chunk of 2^64 bytes":        chunked + "fffffffffffffffff\r\n",
		"chunks with endless trailers": chunked + "0\r\n" + strings.Repeat("A: b\r\n", 10_000),
		"fewer bytes than it says":     head("POST", "/agents/do", "Content-Length: 10") + "\r\nabc",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.dial(t)
			_, _ = c.Write([]byte(text)) // the server may hang up before it has all
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			c.endsWithRefusals()
		})
	}
	t.Cleanup(func() { require.NotContains(t, s.book.String(), `"ERROR"`) })
	s.stillServes(t)
}

func TestTheServerAnswersNothingByItself(t *testing.T) {
	t.Parallel()
	s := reader(t, Config{}, ServerConfig{})
	c := s.dial(t)
	c.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
	got := c.answer()
	require.Equal(t, 404, got.status)
	require.Contains(t, got.body, got.header.Get(headerRequestID))
}

func TestMoreBytesThanALengthSaysAreNoRequest(t *testing.T) {
	t.Parallel()
	s := reader(t, Config{}, ServerConfig{})
	c := s.dial(t)
	c.send("%s\r\nabcGARBAGE\r\n\r\n", head("POST", "/agents/do", "Content-Length: 3"))
	got := c.answer()
	require.Equal(t, 200, got.status)
	require.Equal(t, "3", got.body)
	c.refused(400)
	s.stillServes(t)
}

func TestClientsThatLeaveInTheMiddle(t *testing.T) {
	t.Parallel()
	s := reader(t, Config{}, ServerConfig{})
	whole := head("POST", "/agents/do", "Content-Length: 1000") + "\r\n" + strings.Repeat("x", 500)
	for _, at := range []int{1, 30, len(whole) - 501, len(whole) - 499, len(whole)} {
		for _, reset := range []bool{true, false} {
			c := s.dial(t)
			c.send("%s", whole[:at])
			if reset {
				require.NoError(t, c.Conn.(*net.TCPConn).SetLinger(0))
			}
			require.NoError(t, c.Close())
		}
	}
	s.stillServes(t)
	require.NotContains(t, s.book.String(), "ERROR")
}
