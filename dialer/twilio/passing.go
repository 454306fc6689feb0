package twilio

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/outdial/outdial/dialer"
)

// passedOnHeader is on a request that a process has passed on to another one. Who has no auth token of the account
// cannot make it, and it is good for that request alone.
const passedOnHeader = "Outdial-Passed-On" //nolint:gosec // the name of a header

const (
	callbackPatience = 5 * time.Second  // for all of passing on a callback
	streamPatience   = 10 * time.Second // until a stream is taken: somebody is listening to silence
)

// passOn takes a request to the process that follows its call, and looks for that one anew where it does not take
// the request, until ctx is over. The answer is nil where the request is for this process.
func (d *Dialer) passOn(
	ctx context.Context, of reference, w http.ResponseWriter, request func() *http.Request,
) (*answer, error) {
	for tries := 0; ; tries++ {
		owner, err := d.whereabouts(ctx, of, false)
		if owner == nil {
			return nil, err
		}
		a := &answer{under: w, header: http.Header{}}
		owner.ServeHTTP(a, request())
		if !a.isMissed() || !pause(ctx, backoff(tries, time.Second/10, time.Second)) {
			return a, nil
		}
	}
}

// forward passes a callback on, of which Twilio has been told already that it was taken.
func (d *Dialer) forward(ctx context.Context, of reference, r *http.Request, body []byte, form url.Values) {
	ctx, cancel := context.WithTimeout(ctx, callbackPatience)
	defer cancel()
	a, err := d.passOn(ctx, of, nil, func() *http.Request {
		again := r.Clone(ctx)
		again.Body, again.ContentLength, again.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		return again
	})
	switch {
	case errors.Is(err, errNotHere), errors.Is(err, dialer.ErrUnknownCall):
		d.log.DebugContext(ctx, "twilio: a callback is of no call that is known here", "call", of.call)
	case err != nil:
		d.log.WarnContext(ctx, "twilio: a callback could not be passed on", "call", of.call, "error", err)
	case a == nil:
		d.deliver(of.call, form)
	case a.status/100 != 2:
		d.log.WarnContext(ctx, "twilio: a callback could not be passed on", "call", of.call, "status", a.status)
	}
}

// await is for a callback that was passed on to this process, which may be about to take the call over.
func (d *Dialer) await(w http.ResponseWriter, r *http.Request, of reference, form url.Values) {
	ctx, cancel := context.WithTimeout(r.Context(), callbackPatience)
	defer cancel()
	if _, err := d.whereabouts(ctx, of, true); err != nil || !d.deliver(of.call, form) {
		http.Error(w, errNotHere.Error(), http.StatusMisdirectedRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// elsewhere is for a stream whose call this process does not know. It is false if the stream is for this process
// all the same: to be connected, or to be refused.
func (d *Dialer) elsewhere(w http.ResponseWriter, r *http.Request, of reference, isPassedOn bool) bool {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	ignore := context.AfterFunc(d.ctx, cancel) //nolint:contextcheck // Close ends what passes through, too
	defer ignore()
	waiting, stop := context.WithTimeout(ctx, streamPatience)
	defer stop()
	if isPassedOn {
		if _, err := d.whereabouts(waiting, of, true); err != nil {
			http.Error(w, errNotHere.Error(), http.StatusMisdirectedRequest)
			return true
		}
		return false
	}
	a, err := d.passOn(waiting, of, w, func() *http.Request { return r.Clone(ctx) })
	switch {
	case a == nil:
		if err != nil {
			d.log.WarnContext(ctx, "twilio: a stream is of no call that is followed here", "call", of.call, "error", err)
		}
		return false
	case !a.isTaken:
		d.log.WarnContext(ctx, "twilio: a stream could not be passed on", "call", of.call, "status", a.status)
		http.Error(w, errNowhere.Error(), http.StatusBadGateway)
	}
	return true
}

// stamped is the request with the mark of being passed on. The key is the one that the request is signed by: while a
// token is replaced, the process that it is passed on to may have no other one that this one has.
func (d *Dialer) stamped(r *http.Request, address, key string) *http.Request {
	r = r.Clone(r.Context())
	r.Header.Set(passedOnHeader, base64.StdEncoding.EncodeToString(passMark(key, r, address)))
	return r
}

// passedOn says whether the request has been passed on, and if so, whether by one of us.
func (d *Dialer) passedOn(r *http.Request, address string) (is, ok bool) {
	values := r.Header.Values(passedOnHeader)
	if len(values) == 0 {
		return false, true
	}
	given, err := base64.StdEncoding.DecodeString(values[0])
	for _, key := range d.keys {
		if err == nil && len(values) == 1 && hmac.Equal(given, passMark(key, r, address)) {
			return true, true
		}
	}
	return true, false
}

// passMark is over Twilio's own signature, which is over all that the request says.
func passMark(key string, r *http.Request, address string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("outdial passed on\n" + address + "\n" + r.Header.Get(signatureHeader)))
	return mac.Sum(nil)
}

// answer is what another process answers, of which Twilio sees nothing unless the connection is taken over.
type answer struct {
	under  http.ResponseWriter // nil: Twilio has its answer
	header http.Header

	status  int
	isTaken bool
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return len(p), nil
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

// Hijack implements http.Hijacker.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if a.under == nil {
		return nil, nil, http.ErrNotSupported
	}
	conn, buffers, err := http.NewResponseController(a.under).Hijack()
	a.isTaken = err == nil
	return conn, buffers, err
}

// isMissed says that the request was not taken, and may be by somebody else.
func (a *answer) isMissed() bool {
	switch a.status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusMisdirectedRequest:
		return !a.isTaken
	}
	return false
}
