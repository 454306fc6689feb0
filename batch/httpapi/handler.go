package httpapi

import (
	"context"
	"net/http"

	"github.com/outdial/outdial/batch"
)

// api is what the endpoints share.
type api struct {
	cfg       Config
	bodies    *bodies
	feeds     *feeds
	keys      keysInUse
	listeners *listeners
}

// request is one that has passed everything that all requests must pass.
type request struct {
	*http.Request

	id      string // of the request, a UUID
	org     string // whose it is
	version string // of the API, one of versions

	holding *holding // of the body
}

// endpoint answers a request. After an error nothing has been written yet, but
// for one that wraps http.ErrAbortHandler, which ends the connection.
type endpoint func(w http.ResponseWriter, r *request) error

// route is a path and what its methods do.
type route struct {
	pattern string // as of http.ServeMux, without a method
	methods map[string]endpoint
}

// The versions of the API that are spoken, by the dates that the original gives them.
const (
	version202603 = "2026-03-01"
	version202608 = "2026-08-14" // a request may name the region
)

func versions() []string { return []string{version202603, version202608} }

// New makes the handler. The error names every field of cfg that cannot be used. Mount it at the
// root, or behind http.StripPrefix. It is safe for concurrent use, and starts nothing that
// outlives its requests.
//
// A middleware around it that wraps the http.ResponseWriter must give it an Unwrap method, as
// http.ResponseController asks for: without one slow clients are not cut off, and events
// arrive late.
func New(cfg Config) (http.Handler, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return newAPI(cfg.withDefaults()).handler(), nil
}

func newAPI(cfg Config) *api {
	return &api{
		cfg: cfg, bodies: newBodies(cfg), listeners: newListeners(cfg.MaxListeners),
		feeds: newFeeds(func(ctx context.Context, t topic, after int64) ([]batch.Change, error) {
			return cfg.Engine.Next(ctx, t.org, t.batch, after)
		}),
	}
}
