package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what must happen. It is no measure of anything.
const patience = time.Minute

// rawServer is a server on a port of its own, to be talked to byte by byte.
type rawServer struct {
	addr string
	book *logbook
}

func listenAndServe(t *testing.T, cfg Config, sc ServerConfig, routes ...route) *rawServer {
	t.Helper()
	h, book := frontOf(t, cfg, append(routes, things())...)
	return listen(t, h, book, sc)
}

// serveFront is a server before an API that the test looks into.
func serveFront(t *testing.T, a *api, routes ...route) *rawServer {
	t.Helper()
	book := admitting(t, &a.cfg)
	return listen(t, a.front(append(routes, things())), book, ServerConfig{})
}

func listen(t *testing.T, h http.Handler, book *logbook, sc ServerConfig) *rawServer {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv, served := NewServer(h, sc), make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return &rawServer{addr: l.Addr().String(), book: book}
}

// client is one connection.
type client struct {
	net.Conn

	t *testing.T
	r *bufio.Reader
}

func (s *rawServer) dial(t *testing.T) *client {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.addr)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { _ = conn.Close() })
	return &client{Conn: conn, t: t, r: bufio.NewReader(conn)}
}

// head is the beginning of a request that is in order, headers included but for the last line.
func head(method, path string, headers ...string) string {
	lines := append([]string{
		method + " " + path + " HTTP/1.1", "Host: x",
		headerAuthorization + ": Bearer " + keyOfAcme, headerVersion + ": " + version202603,
	}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n"
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	_, err := fmt.Fprintf(c, format, args...)
	require.NoError(c.t, err)
}

// rawAnswer is an answer as it came.
type rawAnswer struct {
	status int
	header http.Header
	last   bool // the connection closes after it
	body   string
}

// answer reads the next answer, which must be there.
func (c *client) answer() rawAnswer {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	require.NoError(c.t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	require.NoError(c.t, res.Body.Close())
	return rawAnswer{status: res.StatusCode, header: res.Header, last: res.Close, body: string(body)}
}

// refused reads an answer with this status, after which the connection closes.
func (c *client) refused(status int) {
	c.t.Helper()
	a := c.answer()
	require.Equal(c.t, status, a.status, a.body)
	require.True(c.t, a.last)
	c.closed()
}

// closed waits until the server has closed the connection, without another word.
func (c *client) closed() {
	c.t.Helper()
	_, err := c.r.ReadByte()
	require.Error(c.t, err)
	require.NotErrorIs(c.t, err, os.ErrDeadlineExceeded, "the connection stays open")
}

// endsWithRefusals waits until the server has closed the connection. What it says before, if
// anything, must be that something is wrong with the request.
func (c *client) endsWithRefusals() {
	c.t.Helper()
	text, err := io.ReadAll(c.r)
	require.NotErrorIs(c.t, err, os.ErrDeadlineExceeded, "the connection stays open")
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "HTTP/") {
			require.Regexp(c.t, `^HTTP/1\.1 (4\d\d|501|505) `, line)
		}
	}
}

// stillServes makes a request that is in order.
func (s *rawServer) stillServes(t *testing.T) {
	t.Helper()
	c := s.dial(t)
	c.send("%s\r\n", head("GET", "/agents/things/1"))
	a := c.answer()
	require.Equal(t, 200, a.status)
	require.Equal(t, "acme 2026-03-01 GET 1", a.body)
}
