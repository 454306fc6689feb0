package contracttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	sentID string // the X-Request-Id of the request
}

// String is the answer as a failure shows it.
func (a answer) String() string {
	const most = 2000
	return fmt.Sprintf("HTTP %d %s: %.*s", a.status, a.header.Get("Content-Type"), most, a.body)
}

// at returns the value at a path such as data.0.id. Nil: there is none.
func (a answer) at(path string) json.RawMessage {
	value := json.RawMessage(a.body)
	for step := range strings.SplitSeq(path, ".") {
		if i, err := strconv.Atoi(step); err == nil {
			var list []json.RawMessage
			if json.Unmarshal(value, &list) != nil || i >= len(list) {
				return nil
			}
			value = list[i]
			continue
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(value, &object) != nil {
			return nil
		}
		value = object[step]
	}
	return value
}

// text is a JSON string without its quotes, and anything else as it is.
func text(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}

// failure is the body of every error.
type failure struct {
	ErrorCode *string `json:"error_code"`
	Title     string  `json:"title"`
	Message   string  `json:"message"`
	RequestID string  `json:"request_id"`
	Errors    []struct {
		Path    *string `json:"path"`
		Message string  `json:"message"`
	} `json:"errors"`
}

func (a answer) errorPaths() []string {
	var f failure
	if json.Unmarshal(a.body, &f) != nil {
		return nil
	}
	var paths []string
	for _, e := range f.Errors {
		if e.Path != nil {
			paths = append(paths, *e.Path)
		}
	}
	return paths
}

// lastEventID is the cursor of the last event.
func (a answer) lastEventID() string {
	id := ""
	for line := range strings.Lines(string(a.body)) {
		if after, ok := strings.CutPrefix(line, "id: "); ok {
			id = strings.TrimSpace(after)
		}
	}
	return id
}

// statuses are the statuses that each code comes with.
func statuses() map[string]int {
	return map[string]int{
		"invalid_request": 400, "invalid_json": 400, "invalid_version": 400, "batch_cancelled": 400, "call_over": 400,
		"unauthenticated": 401, "usage_limit_reached": 402, "not_found": 404, "method_not_allowed": 405,
		"request_timeout": 408, "idempotency_key_in_use": 409, "body_too_large": 413, "unsupported_media_type": 415,
		"idempotency_key_reused": 422, "rate_limited": 429, "internal_error": 500,
	}
}

// promises tells which of those that hold for every answer this one breaks.
func (a answer) promises(method string) []string {
	var broken []string
	must := func(ok bool, format string, args ...any) {
		if !ok {
			broken = append(broken, fmt.Sprintf(format, args...))
		}
	}
	id := a.header.Get("X-Request-ID")
	must(isUUID(id), "X-Request-Id is %q, want a UUID", id)
	must(!isUUID(a.sentID) || id == a.sentID, "X-Request-Id is %q, not the %q of the request", id, a.sentID)
	must(a.header.Get("Cache-Control") == "no-store", "Cache-Control is %q", a.header.Get("Cache-Control"))
	must(a.header.Get("X-Content-Type-Options") == "nosniff", "nosniff is missing")
	must(a.header.Get("Server") == "" && a.header.Get("X-Powered-By") == "", "the server tells what it is made of")
	must(a.status < 500, "no request may make it fail")
	must(a.status < 300 || a.status >= 400, "it sends one elsewhere")
	if method == http.MethodHead {
		must(len(a.body) == 0, "an answer to HEAD has a body")
		return broken
	}
	if a.status >= 400 {
		return append(broken, a.failurePromises(id)...)
	}
	kind := a.header.Get("Content-Type")
	must(kind != "application/json" || json.Valid(a.body), "the body is no JSON")
	return broken
}

func (a answer) failurePromises(id string) []string {
	var broken []string
	must := func(ok bool, format string, args ...any) {
		if !ok {
			broken = append(broken, fmt.Sprintf(format, args...))
		}
	}
	must(a.header.Get("Content-Type") == "application/json", "an error is %q", a.header.Get("Content-Type"))
	var f failure
	if err := json.Unmarshal(a.body, &f); err != nil || f.ErrorCode == nil {
		return append(broken, "the body is no error object with an error_code")
	}
	must(statuses()[*f.ErrorCode] == a.status, "error_code %q does not go with %d", *f.ErrorCode, a.status)
	must(f.Title != "" && f.Message != "", "an error without words")
	must(f.RequestID == id, "request_id %q is not X-Request-Id", f.RequestID)
	must(len(f.Errors) <= 101, "%d errors are listed", len(f.Errors))
	must(len(f.Errors) == 0 || *f.ErrorCode == "invalid_request" || *f.ErrorCode == "not_found",
		"%q lists fields", *f.ErrorCode)
	for _, e := range f.Errors {
		must(e.Path != nil && e.Message != "", "an error of a field without path or words")
	}
	for status, header := range map[int]string{401: "Www-Authenticate", 405: "Allow", 409: "Retry-After", 429: "Retry-After"} {
		must(a.status != status || a.header.Get(header) != "", "%d without %s", status, header)
	}
	must(!slices.ContainsFunc(secretWords(), func(w string) bool { return strings.Contains(string(a.body), w) }),
		"the error tells of the inside")
	return broken
}

// secretWords have no place in an answer: they come from the language, the store or the machine.
func secretWords() []string {
	return []string{"goroutine", ".go:", "sql:", "SQLITE", "/root/", "panic"}
}

func isUUID(s string) bool {
	return regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`).MatchString(s)
}
