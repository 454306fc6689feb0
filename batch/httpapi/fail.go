package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
)

// fail answers a request that ended with an error, if it can still be answered.
func (f *front) fail(r *http.Request, x *exchange, err error) {
	if x.over {
		return
	}
	if x.status != 0 || errors.Is(err, http.ErrAbortHandler) {
		f.cutShort(r, x, err)
	}
	p := problemOf(r.Context(), err)
	if p == nil {
		f.abandon(r, x, err)
	}
	if p.code == CodeOverloaded {
		x.severity = crowded
	}
	if p.code == CodeInternal {
		p, x.severity = internalError(x.repeating(r)), broken
		f.cfg.Logger.ErrorContext(r.Context(), "a request failed", "id", x.id, "route", x.pattern, "error", err)
	}
	if err := p.write(x, x.id); err != nil {
		f.cutShort(r, x, err)
	}
}

// repeating says what it would do to repeat a request that failed in a way nobody knows. Creating
// and retrying have people called, and each of them does so anew.
func (x *exchange) repeating(r *http.Request) repeating {
	calling := r.Method == http.MethodPost && (x.pattern == batchesPath || x.pattern == batchPath+"/retry")
	switch {
	case !calling || !x.reached:
		return harmless
	case len(r.Header.Values(keyHeader)) > 0:
		return underKey
	}
	return harmful
}

// cutShort ends the connection in the middle of an answer, so that the client does not take
// what it has for the whole. It does not return.
func (f *front) cutShort(r *http.Request, x *exchange, err error) {
	if x.lost || r.Context().Err() != nil {
		f.abandon(r, x, err)
	}
	x.severity = broken
	f.cfg.Logger.ErrorContext(r.Context(), "an answer was cut short", "id", x.id, "route", x.pattern, "error", err)
	panic(http.ErrAbortHandler)
}

// abandon ends the connection to a client that left or does not take its answer. Returning
// would have the server make up an answer of its own. It does not return.
func (f *front) abandon(r *http.Request, x *exchange, err error) {
	x.severity = abandoned
	f.cfg.Logger.DebugContext(r.Context(), "the client left", "id", x.id, "route", x.pattern, "error", err)
	panic(http.ErrAbortHandler)
}

// panicked answers a request that panicked with 500, where it has no answer yet.
// http.ErrAbortHandler is no mishap, and goes on to the server, which ends the connection.
func (f *front) panicked(r *http.Request, x *exchange, v any) {
	if v == http.ErrAbortHandler { //nolint:errorlint // the server compares the value itself as well
		panic(v)
	}
	x.severity = broken
	f.cfg.Logger.ErrorContext(r.Context(), "a request panicked", "id", x.id, "route", x.pattern,
		"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if x.status != 0 || internalError(x.repeating(r)).write(x, x.id) != nil {
		panic(http.ErrAbortHandler)
	}
}
