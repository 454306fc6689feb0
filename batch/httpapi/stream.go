package httpapi

import (
	"errors"
	"net/http"
)

// piece is how much of a long answer is handed on at once: enough that a system call is
// cheap beside it, little enough that a client that takes a piece in time is no slow one.
const piece = 32 << 10

// stream is the body of an answer that is long, or that is written over time. What is
// written collects until there is a piece of it, or until Flush. After an error everything
// returns that error. The client has WriteTimeout to accept each piece, see exchange.Write.
//
// It is for one goroutine. It holds no memory while nothing is collected beyond what the
// longest stretch between two flushes needed, so a listener who hears little costs little.
type stream struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	buf []byte
	err error
}

func (*api) stream(w http.ResponseWriter) *stream { return newStream(w) }

func newStream(w http.ResponseWriter) *stream {
	return &stream{w: w, rc: http.NewResponseController(w)}
}

// Write takes all of p or fails.
func (s *stream) Write(p []byte) (int, error) {
	if s.err == nil && len(s.buf)+len(p) < piece {
		s.buf = append(s.buf, p...)
		return len(p), nil
	}
	s.send(s.buf)
	s.buf = s.buf[:0]
	s.send(p)
	if s.err != nil {
		return 0, s.err
	}
	return len(p), nil
}

// Flush sends the client everything that was written.
func (s *stream) Flush() error {
	s.send(s.buf)
	s.buf = s.buf[:0]
	if s.err != nil {
		return s.err
	}
	// A writer of the host's that cannot flush delays what is sent, but loses none of it.
	if err := s.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.err = err
	}
	return s.err
}

func (s *stream) send(p []byte) {
	if s.err == nil && len(p) > 0 {
		_, s.err = s.w.Write(p)
	}
}
