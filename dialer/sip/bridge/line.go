package bridge

import (
	"io"
	"net/http"
)

// line keeps what is under the connection of a WebSocket. To close that is the one way not to wait
// for an agent that stops in the middle of a message: package websocket reads the rest
// of it without a limit of time before it closes a connection.
type line struct {
	http.RoundTripper
	io.Closer
}

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	transport := l.RoundTripper
	if transport == nil {
		transport = http.DefaultTransport
	}
	response, err := transport.RoundTrip(r)
	if err == nil {
		l.Closer = response.Body
	}
	return response, err
}
