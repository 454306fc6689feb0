package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Answers are appended to a slice, member by member: a batch of 5,000 recipients is read as often
// as anything here, and reflection would cost more than the store does. An object begins with
// its id; each of the functions below adds a member with the comma before it. The optional ones
// leave out what is zero, since the contract has no null.

func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // the error tells of bytes that it replaced, for they were no UTF-8
	return b
}

func appendKey(b []byte, key string) []byte {
	b = append(b, `,"`...)
	b = append(b, key...)
	return append(b, `":`...)
}

func appendText(b []byte, key, value string) []byte { return appendString(appendKey(b, key), value) }

func appendOptionalText(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(b, key, value)
}

// appendWord is appendText for a value that needs no escaping, such as an id or a status.
func appendWord(b []byte, key, value string) []byte {
	b = append(appendKey(b, key), '"')
	b = append(b, value...)
	return append(b, '"')
}

func appendOptionalWord(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendWord(b, key, value)
}

func appendNumber(b []byte, key string, n int) []byte {
	return strconv.AppendInt(appendKey(b, key), int64(n), 10)
}

// appendTime writes RFC 3339 in UTC, with as many digits of the second as it takes, up to
// microseconds.
func appendTime(b []byte, key string, t time.Time) []byte {
	b = append(appendKey(b, key), '"')
	b = t.UTC().Truncate(time.Microsecond).AppendFormat(b, time.RFC3339Nano) // the layout that package time is quick with
	return append(b, '"')
}

func appendOptionalTime(b []byte, key string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return appendTime(b, key, t)
}

// reply answers with JSON that is complete. Where that is a HEAD request, the server keeps the
// body to itself.
func reply(w http.ResponseWriter, status int, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return aborted("writing an answer", err)
	}
	return nil
}
