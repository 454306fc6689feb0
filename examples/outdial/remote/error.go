package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/outdial/outdial/batch"
)

// Error is an answer of the server that is an error. It wraps the error of package batch that the
// engine would have returned, where there is one: batch.ErrNotFound, *batch.InvalidError and so on.
type Error struct {
	Status    int    // of HTTP
	Code      string // error_code; empty: whoever answered does not speak the contract
	Message   string
	RequestID string
	Fields    []batch.FieldError

	retryAfter time.Duration // 0: not told
}

// Error tells the fields too.
func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("the server answered %d %s", e.Status, http.StatusText(e.Status))
	}
	var b strings.Builder
	b.WriteString("the server answered " + e.Code + ": " + strings.TrimSuffix(e.Message, "."))
	if len(e.Fields) > 0 && !e.invalid() { // those of an invalid request stand in its message
		for _, f := range e.Fields {
			b.WriteString("; " + f.Error())
		}
	}
	if e.RequestID != "" && e.Status >= http.StatusInternalServerError {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// Unwrap returns the engine's error.
func (e *Error) Unwrap() error {
	if e.invalid() {
		return &batch.InvalidError{Fields: e.Fields}
	}
	return map[string]error{
		"not_found": batch.ErrNotFound, "usage_limit_reached": batch.ErrUsageLimit,
		"batch_cancelled": batch.ErrBatchCancelled, "idempotency_key_reused": batch.ErrKeyReused,
	}[e.Code]
}

func (e *Error) invalid() bool { return e.Code == "invalid_request" && len(e.Fields) > 0 }

// passing says that the same request may well succeed later.
func (e *Error) passing() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusConflict,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// errorOf reads an answer that is not as expected.
func errorOf(status int, header http.Header, answer io.Reader) *Error {
	const most = 1 << 20 // bytes
	var body struct {
		Code      string             `json:"error_code"`
		Message   string             `json:"message"`
		RequestID string             `json:"request_id"`
		Errors    []batch.FieldError `json:"errors"`
	}
	e := &Error{Status: status, retryAfter: retryAfter(header.Get("Retry-After"))}
	text, err := io.ReadAll(io.LimitReader(answer, most))
	if err != nil || json.Unmarshal(text, &body) != nil {
		return e
	}
	e.Code, e.Message, e.RequestID, e.Fields = body.Code, body.Message, body.RequestID, body.Errors
	return e
}

// retryAfter reads a number of seconds or a date: RFC 9110, section 10.2.3.
func retryAfter(s string) time.Duration {
	const most = 5 * time.Minute
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return min(time.Duration(min(n, int(most/time.Second)))*time.Second, most)
	}
	if t, err := http.ParseTime(s); err == nil {
		return min(max(time.Until(t), 0), most)
	}
	return 0
}

// isPassing says whether to try again: not where the server has understood and refused.
func isPassing(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.passing()
	}
	return !errors.Is(err, errUnreadable)
}
