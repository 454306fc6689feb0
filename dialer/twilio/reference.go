package twilio

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/outdial/outdial/dialer"
)

// reference is an element in the path of what Twilio calls for a call: its organisation and its id, by which any
// process finds out who follows it. Twilio drops the query string of a stream's address, and keeps its path.
type reference struct{ org, call string }

const (
	// referenceMark begins it, which tells it from what stands in front of PublicURL's paths.
	referenceMark = "call."

	// maxReference keeps the TwiML short enough. A call whose reference is longer has none.
	maxReference = 200
)

func referenceOf(call dialer.Call) reference {
	of := reference{call.Org, call.ID}
	if call.Org == "" || call.ID == "" || len(of.element()) > maxReference {
		return reference{}
	}
	return of
}

// element has no character that anything on the way would write differently: the signature is over it.
func (of reference) element() string {
	encode := base64.RawURLEncoding.EncodeToString
	return referenceMark + encode([]byte(of.org)) + "." + encode([]byte(of.call))
}

// path is empty for the zero reference.
func (of reference) path() string {
	if of == (reference{}) {
		return ""
	}
	return "/" + of.element()
}

// pathIn returns the last element of a URL's path, with a slash, and the reference before it. It is false if what
// should be a reference is none.
func pathIn(u *url.URL) (last string, of reference, ok bool) {
	front, last := cutLast(u.EscapedPath())
	_, element := cutLast(front)
	if !strings.HasPrefix(element, referenceMark) {
		return "/" + last, reference{}, true
	}
	org, call, _ := strings.Cut(strings.TrimPrefix(element, referenceMark), ".")
	of = reference{decoded(org), decoded(call)}
	return "/" + last, of, of.org != "" && of.call != "" && of.element() == element
}

func cutLast(path string) (front, last string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// decoded is empty for what is no base64.
func decoded(s string) string {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(text)
}
