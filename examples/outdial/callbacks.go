package main

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/outdial/outdial/dialer"
)

// callbackPath is what the paths begin with at which carriers are answered: /carriers/NAME/.
const callbackPath = "/carriers/"

// callbackTime is how long a carrier may take to send the body of a request.
const callbackTime = 30 * time.Second

// answering is a carrier kind that hears of its calls over HTTP.
type answering interface{ Handler() http.Handler }

// callbacks answers carriers: each at its own path, which its handler does not see. find returns what a name
// stands for, and then what it stood for before; it is asked for every request, so that this may change at any
// time.
//
// Nobody asks for an API key here: a carrier's handler believes only what its carrier has signed.
func callbacks(find func(name string) []dialer.Dialer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, below, ok := callbackOf(r.URL)
		if !ok {
			http.NotFound(w, r)
			return
		}
		carrier := firstAnswering(find(name))
		if carrier == nil {
			http.NotFound(w, r)
			return
		}
		// For the body alone: who takes the connection over, as a WebSocket does, has it without.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(callbackTime))
		r2 := *r
		r2.URL = below
		carrier.Handler().ServeHTTP(w, &r2)
	})
}

// callbackOf reads the carrier's name in a URL, and returns the URL as the carrier's handler sees it.
func callbackOf(u *url.URL) (name string, below *url.URL, ok bool) {
	// A name may have a slash, so the path is cut where it is escaped.
	escaped, rest, ok := strings.Cut(strings.TrimPrefix(u.EscapedPath(), callbackPath), "/")
	if !ok || !strings.HasPrefix(u.EscapedPath(), callbackPath) {
		return "", nil, false
	}
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return "", nil, false
	}
	stripped := *u
	stripped.RawPath = "/" + rest
	stripped.Path, err = url.PathUnescape(stripped.RawPath)
	return name, &stripped, err == nil
}

func firstAnswering(dialers []dialer.Dialer) answering {
	for _, d := range dialers {
		if carrier, ok := dialer.As[answering](d); ok {
			return carrier
		}
	}
	return nil
}

// isAnswering says whether the carrier has to reach this process over HTTP.
func isAnswering(d dialer.Dialer) bool {
	_, ok := dialer.As[answering](d)
	return ok
}

// anyAnswering says whether any of them has.
func anyAnswering(dialers map[string]dialer.Dialer) bool {
	for _, d := range dialers {
		if isAnswering(d) {
			return true
		}
	}
	return false
}
