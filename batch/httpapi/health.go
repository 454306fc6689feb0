package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Healthz answers 200 while the process can answer at all, for a probe that restarts it if
// not. It asks for no key: mount it where the probe can reach it, beside the handler of [New].
func Healthz() http.Handler {
	return probe(func(context.Context) error { return nil })
}

// Readyz answers 200 while the engine can do its work, else 503 and why not, for a probe that
// decides about sending requests here. *batch.Engine is one. It asks for no key, so the engine,
// which asks its store, is asked once a second at most, however many ask here; and the reason is one
// of the engine's own sentences, without what its store said: the logs have that.
func Readyz(engine interface {
	Ready(ctx context.Context) error
},
) http.Handler {
	r := &recently{ask: engine.Ready, turn: make(chan struct{}, 1)}
	return probe(r.ready)
}

// recently keeps an answer for a while. Those who ask in the meantime wait for it.
type recently struct {
	ask  func(context.Context) error
	turn chan struct{} // holds one while somebody asks or looks; guards what follows

	answer error
	until  time.Time
}

const (
	keptFor = time.Second

	// mostAsked is how long an answer may take. A store that needs more is not ready.
	mostAsked = 5 * time.Second
)

func (r *recently) ready(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if time.Now().Before(r.until) {
		return r.answer
	}
	// The answer is everybody's, so it must not be that somebody has left.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mostAsked)
	defer cancel()
	r.answer = r.ask(ctx)
	r.until = time.Now().Add(keptFor)
	return r.answer
}

// readiness is the body of the answer to a probe.
type readiness struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

func probe(ready func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID(r)
		common(w.Header(), id)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			_ = notAllowed("GET, HEAD").write(w, id) // a probe that left needs no answer, here and below
			return
		}
		answer, status := readiness{Ready: true}, http.StatusOK
		if err := ready(r.Context()); err != nil {
			answer, status = readiness{Reason: ownWords(err)}, http.StatusServiceUnavailable
		}
		w.Header().Set("Content-Type", mediaJSON)
		w.WriteHeader(status)
		_ = json.MarshalWrite(w, answer)
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
