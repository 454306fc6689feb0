package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"time"
)

// The paths below PublicURL.
const (
	statusPath  = "/status"
	machinePath = "/machine"
	streamPath  = "/stream"
)

const (
	callParameter   = "call"
	signatureHeader = "X-Twilio-Signature"

	// streamField is what nodes tell each other of a stream. Twilio has no such field.
	streamField = "OutdialStream"

	maxCallback   = 64 << 10
	callbackLimit = 5 * time.Second // for all of a callback to come
	forwardLimit  = 5 * time.Second
)

// Handler returns what is to be mounted where Config.PublicURL leads. It goes by the last element of
// the path alone, so whatever stands in front of it may be stripped or not. It believes
// nothing that Twilio did not sign.
func (d *Dialer) Handler() http.Handler { return http.HandlerFunc(d.serve) }

func (d *Dialer) serve(w http.ResponseWriter, r *http.Request) {
	switch last := "/" + path.Base(r.URL.Path); last {
	case statusPath, machinePath:
		d.serveCallback(w, r, last)
	case streamPath:
		d.serveStream(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (d *Dialer) serveCallback(w http.ResponseWriter, r *http.Request, below string) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "expected POST", http.StatusMethodNotAllowed)
		return
	}
	// A host may have no time limit of its own, or a long one for its downloads.
	//nolint:errcheck,gosec // a server that has no deadlines has to do without
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(callbackLimit))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
	if err != nil {
		http.Error(w, "the body cannot be read, or is too long", http.StatusRequestEntityTooLarge)
		return
	}
	for _, x := range d.line() {
		if form, ok := x.authentic(r, below, body); ok {
			x.take(w, r.URL.Query()[callParameter], form)
			return
		}
	}
	d.log.WarnContext(r.Context(), "twilio: a callback is not signed by Twilio for the public URL", "path", below)
	http.Error(w, "the signature is not valid", http.StatusForbidden)
}

// take answers first and forwards then: Twilio is not kept waiting for another process.
func (d *Dialer) take(w http.ResponseWriter, ids []string, form url.Values) {
	form.Del(streamField)
	isOurs := form.Get("AccountSid") == d.config.AccountSID && callSID.MatchString(form.Get("CallSid"))
	if len(ids) != 1 || ids[0] == "" || !isOurs {
		http.Error(w, "no call of this account", http.StatusBadRequest)
		return
	}
	if !d.Deliver(ids[0], form) {
		d.background(func(ctx context.Context) { d.forward(ctx, ids[0], form) })
	}
	w.WriteHeader(http.StatusNoContent)
}

// authentic checks the signature over the URL that Twilio was given, and never over what a proxy
// made of it.
func (d *Dialer) authentic(r *http.Request, below string, body []byte) (url.Values, bool) {
	address := d.publicURL(below)
	if r.URL.RawQuery != "" {
		address += "?" + r.URL.RawQuery
	}
	form, ok := formOf(r.Header.Get("Content-Type"), body)
	if !ok {
		return nil, false
	}
	signature := r.Header.Get(signatureHeader)
	if hash := r.URL.Query().Get(bodyHash); hash != "" {
		return form, d.keys.signed(address, nil, signature) && hashed(body, hash)
	}
	return form, d.keys.signed(address, form, signature)
}

func formOf(contentType string, body []byte) (url.Values, bool) {
	kind, _, _ := mime.ParseMediaType(contentType) // an error makes it none of these
	switch kind {
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, false
		}
		return form, true
	case "application/json":
		var fields map[string]any
		if json.Unmarshal(body, &fields) != nil {
			return nil, false
		}
		form := url.Values{}
		for name, value := range fields {
			if s, ok := value.(string); ok {
				form.Set(name, s)
			}
		}
		return form, true
	}
	return nil, false
}

// Deliver takes a callback that another process was called with, see Config.Forward. It is
// false if this process does not know the call. It does not block, and is safe for concurrent use.
func (d *Dialer) Deliver(callID string, form url.Values) bool {
	e := callbackOf(form)
	if !callSID.MatchString(e.sid) {
		return false
	}
	a, sid, isOver := d.calls.find(callID)
	r, _ := rankOf(e.status)
	switch {
	case a != nil && a.apply(e):
		a.hearOf(form.Get(streamField))
	case a != nil, isOver && sid != e.sid:
		if r != isFinal {
			d.log.Warn("twilio: a call turned up whose attempt is over", "call", callID, "sid", e.sid)
			d.reap(e.sid)
		}
	case !isOver:
		return false
	}
	d.calls.note(e.sid, callID)
	return true
}

// hearOf takes what another node says of the stream.
func (a *attempt) hearOf(word string) {
	if v, ok := verdictOf(word); ok {
		a.closing(v, "the agent failed")
		a.streamed()
	}
}

// forward takes a callback to the process that follows the call.
func (d *Dialer) forward(ctx context.Context, callID string, form url.Values) {
	if d.config.Forward == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, forwardLimit)
	defer cancel()
	switch err := d.config.Forward(ctx, callID, form); {
	case errors.Is(err, ErrOver):
		if r, _ := rankOf(form.Get("CallStatus")); r != isFinal {
			d.reap(form.Get("CallSid"))
		}
	case err != nil:
		d.log.WarnContext(ctx, "twilio: a callback could not be forwarded", "call", callID, "error", err)
	}
}
