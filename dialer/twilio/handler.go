package twilio

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
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

	maxCallback = 64 << 10
)

// Handler returns what is to be mounted where Config.PublicURL leads. It goes by the last elements of
// the path alone, so whatever stands in front of it may be stripped or not. It believes
// nothing that Twilio did not sign.
func (d *Dialer) Handler() http.Handler { return http.HandlerFunc(d.serve) }

func (d *Dialer) serve(w http.ResponseWriter, r *http.Request) {
	last, of, ok := pathIn(r.URL)
	switch {
	case ok && (last == statusPath || last == machinePath):
		d.serveCallback(w, r, of, last)
	case ok && last == streamPath:
		d.serveStream(w, r, of)
	default:
		http.NotFound(w, r)
	}
}

func (d *Dialer) serveCallback(w http.ResponseWriter, r *http.Request, of reference, below string) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "expected POST", http.StatusMethodNotAllowed)
		return
	}
	// A host may have no time limit of its own, or a long one for its downloads.
	//nolint:errcheck,gosec // a server that has no deadlines has to do without
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(d.config.Timing.Callback))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
	if err != nil {
		http.Error(w, "the body cannot be read, or is too long", http.StatusRequestEntityTooLarge)
		return
	}
	form, signed := signedForm(r, body)
	for _, x := range d.line() {
		address := x.publicURL(of, below)
		if r.URL.RawQuery != "" {
			address += "?" + r.URL.RawQuery
		}
		if key := signed.signer(x.keys, address); key != "" {
			x.take(w, r, callback{of: of, address: address, body: body, form: form, key: key})
			return
		}
	}
	d.log.WarnContext(r.Context(), "twilio: a callback is not signed by Twilio for the public URL", "path", below)
	http.Error(w, "the signature is not valid", http.StatusForbidden)
}

// callback is a request that Twilio has signed.
type callback struct {
	of      reference
	address string // as Twilio has it
	body    []byte
	form    url.Values
	key     string // by which it is signed
}

// take answers first and passes on then: Twilio is not kept waiting for another process.
func (d *Dialer) take(w http.ResponseWriter, r *http.Request, c callback) {
	ids := r.URL.Query()[callParameter]
	isOurs := c.form.Get("AccountSid") == d.config.AccountSID && callSID.MatchString(c.form.Get("CallSid"))
	if len(ids) != 1 || ids[0] == "" || (c.of.call != "" && c.of.call != ids[0]) || !isOurs {
		http.Error(w, "no call of this account", http.StatusBadRequest)
		return
	}
	isPassedOn, ok := d.passedOn(r, c.address)
	switch {
	case !ok:
		http.Error(w, "the mark of being passed on is not valid", http.StatusForbidden)
		return
	case d.deliver(ids[0], c.form):
	case isPassedOn:
		d.await(w, r, c.of, c.form)
		return
	default:
		marked := d.stamped(r, c.address, c.key)
		d.background(func(ctx context.Context) { d.forward(ctx, c.of, marked, c.body, c.form) })
	}
	w.WriteHeader(http.StatusNoContent)
}

// signedForm reads a callback with its signature, which is over the URL that Twilio was given, and never over what a
// proxy made of it. The signature of what cannot be read is nobody's.
func signedForm(r *http.Request, body []byte) (url.Values, signature) {
	form, ok := formOf(r.Header.Get("Content-Type"), body)
	if !ok {
		return nil, signature{}
	}
	header := r.Header.Get(signatureHeader)
	if hash := r.URL.Query().Get(bodyHash); hash != "" {
		if !hashed(body, hash) {
			return nil, signature{}
		}
		return form, signatureOf(header, nil)
	}
	return form, signatureOf(header, form)
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

// deliver takes a callback. It is false if this process does not know the call. It does not block.
func (d *Dialer) deliver(callID string, form url.Values) bool {
	e := callbackOf(form)
	a, sid, isOver := d.calls.find(callID)
	r, _ := rankOf(e.status)
	switch {
	case a != nil && a.apply(e):
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
