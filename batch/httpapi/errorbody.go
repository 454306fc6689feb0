package httpapi

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/outdial/outdial/batch"
)

// The bounds of an answer that is an error. A request with 5,000 mistakes is mended no sooner
// by a list of all of them, and what a client sent is not for us to send back at length.
const (
	maxErrors  = 100  // fields; one more entry tells how many were left out
	maxMessage = 1000 // bytes
	maxField   = 300  // bytes of a path, and of what is said of it
)

// errorBody is the body of an answer that is an error.
type errorBody struct {
	ErrorCode Code         `json:"error_code"`
	Title     string       `json:"title"`
	Message   string       `json:"message"`
	RequestID string       `json:"request_id"`
	Errors    []fieldError `json:"errors,omitempty"`
}

type fieldError struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// write answers with the problem. What an endpoint had meant to say of its own answer is
// taken back.
func (p *problem) write(w http.ResponseWriter, id string) error {
	h := w.Header()
	for _, key := range []string{
		"Content-Disposition", "Content-Encoding", "Content-Length", "Etag", "Idempotent-Replayed", "Location",
	} {
		h.Del(key)
	}
	for key, values := range p.header {
		h[http.CanonicalHeaderKey(key)] = values
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", wholeSeconds(p.retryAfter))
	}
	if p.closing {
		h.Set("Connection", "close")
	}
	body, err := p.body(id)
	if err != nil {
		return fmt.Errorf("encoding an error: %w", err)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.status)
	_, err = w.Write(body) //nolint:gosec // JSON that says so, to a browser that must not guess
	return err
}

func (p *problem) body(id string) ([]byte, error) {
	b := errorBody{
		ErrorCode: p.code, Title: p.title, Message: clip(p.message, maxMessage), RequestID: id,
	}
	for i, f := range p.fields {
		if i == maxErrors {
			b.Errors = append(b.Errors, fieldError{Message: andMore(len(p.fields) - maxErrors)})
			break
		}
		b.Errors = append(b.Errors, bounded(f))
	}
	// A message may tell of what the client sent, and that may be no UTF-8.
	return json.Marshal(b, jsontext.AllowInvalidUTF8(true))
}

func bounded(f batch.FieldError) fieldError {
	return fieldError{Path: clip(f.Path, maxField), Message: clip(f.Message, maxField)}
}

func andMore(n int) string {
	if n == 1 {
		return "and 1 more error"
	}
	return fmt.Sprintf("and %d more errors", n)
}

// clip shortens s to at most limit bytes and a sign that there was more.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}

// wholeSeconds rounds up, as RFC 9110, section 10.2.3, has no fractions: who comes back when it
// says must not be too early.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(max(int64(math.Ceil(d.Seconds())), 1), 10)
}
