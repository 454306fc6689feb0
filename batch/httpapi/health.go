package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
)

// Healthz answers 200 while the process can answer at all, for a probe that restarts it if
// not. It asks for no key: mount it where the probe can reach it, beside the handler of [New].
func Healthz() http.Handler {
	return probe(func(context.Context) error { return nil })
}

// Readyz answers 200 while the engine can do its work, else 503 and why not, for a probe that
// decides about sending requests here. *batch.Engine is one. It asks the store each time. It
// asks for no key, so the reason is one of the engine's own sentences, without what its store
// said: the logs have that.
func Readyz(engine interface {
	Ready(ctx context.Context) error
},
) http.Handler {
	return probe(engine.Ready)
}

// readiness is the body of the answer to a probe.
type readiness struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

func probe(ready func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Type", "application/json")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		answer, status := readiness{Ready: true}, http.StatusOK
		if err := ready(r.Context()); err != nil {
			answer, status = readiness{Reason: ownWords(err)}, http.StatusServiceUnavailable
		}
		w.WriteHeader(status)
		_ = json.MarshalWrite(w, answer) // a probe that left needs no answer
	})
}

// ownWords is what an error says itself, without the error that it wraps.
func ownWords(err error) string {
	s := err.Error()
	if cause := errors.Unwrap(err); cause != nil {
		s = strings.TrimSuffix(strings.TrimSuffix(s, cause.Error()), ": ")
	}
	return strings.TrimPrefix(s, "batch: ")
}
