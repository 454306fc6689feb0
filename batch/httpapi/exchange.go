package httpapi

import (
	"errors"
	"net/http"
	"time"
)

// exchange is a request on its way through the front, and the writer of the answer to it. It
// keeps what the log tells, and cuts off clients that do not take what they asked for.
type exchange struct {
	http.ResponseWriter

	rc      *http.ResponseController
	timeout time.Duration // for a client to accept a piece
	head    bool          // a HEAD request: the body is for nobody

	id       string
	org      string
	pattern  string // of the route; empty: there is none
	reached  bool   // it came to its endpoint
	status   int    // 0: nothing was written yet
	bytes    int64
	begun    time.Time
	lost     bool // the client did not take what was written
	over     bool // a HEAD request that has its answer
	severity severity
}

// severity is how loudly the log tells of an exchange.
type severity int

const (
	ordinary  severity = iota
	abandoned          // the client left before it had its answer
	crowded            // there was no room for it
	broken             // it is our fault
)

// errHeadOver ends an endpoint early that goes on writing to a HEAD request.
var errHeadOver = errors.New("a HEAD request has its answer")

// headEnough is how much of a body is made up for a HEAD request: as much as net/http looks
// at before it gives up telling the length.
const headEnough = 2 << 10

func newExchange(w http.ResponseWriter, r *http.Request, timeout time.Duration) *exchange {
	return &exchange{
		ResponseWriter: w, rc: http.NewResponseController(w), timeout: timeout,
		head: r.Method == http.MethodHead, id: requestID(r), begun: time.Now(),
	}
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader notes the status. The ones before the last one, 1xx, are passed on.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= http.StatusOK {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write gives the client the time limit anew for each piece of p. Between the writes there is
// none: HTTP/2 would end a stream whose deadline passes, even where nothing waits for it.
func (x *exchange) Write(p []byte) (n int, err error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	if x.head && x.bytes >= headEnough {
		x.over = true
		return 0, errHeadOver
	}
	defer x.limit(time.Time{})
	for first := true; first || (len(p) > 0 && err == nil); first = false {
		var m int
		x.limit(time.Now().Add(x.timeout))
		m, err = x.ResponseWriter.Write(p[:min(len(p), piece)])
		p = p[m:]
		n += m
	}
	x.lost = x.lost || err != nil
	x.bytes += int64(n)
	return n, err
}

// FlushError sends what was written. It is what http.ResponseController calls.
func (x *exchange) FlushError() error {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	x.limit(time.Now().Add(x.timeout))
	defer x.limit(time.Time{})
	err := x.rc.Flush()
	x.lost = x.lost || (err != nil && !errors.Is(err, http.ErrNotSupported))
	if err == nil && x.head {
		x.over = true
		return errHeadOver
	}
	return err
}

// Flush is FlushError for who knows http.Flusher only.
func (x *exchange) Flush() { _ = x.FlushError() }

// limit bounds how long the client may take to accept what is written next. Where the writer
// has no deadlines there is no connection either.
func (x *exchange) limit(t time.Time) { _ = x.rc.SetWriteDeadline(t) }

// finish limits the last piece, which the server sends once the handler has returned.
func (x *exchange) finish() { x.limit(time.Now().Add(x.timeout)) }
