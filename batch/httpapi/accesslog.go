package httpapi

import (
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// log tells of an exchange that is over. It has the pattern of the route instead of the path,
// and nothing that the client made up, so no number and no key can get into it.
func (f *front) log(r *http.Request, x *exchange) {
	f.cfg.Logger.LogAttrs(r.Context(), x.level(), "request",
		slog.String("id", x.id),
		slog.String("method", known(r.Method)),
		slog.String("route", x.pattern),
		slog.Int("status", x.status),
		slog.Int64("bytes", x.bytes),
		slog.Duration("duration", time.Since(x.begun)),
		slog.String("org", x.org),
	)
}

func (x *exchange) level() slog.Level {
	switch {
	case x.severity == crowded:
		return slog.LevelWarn
	case x.severity == broken || x.status >= http.StatusInternalServerError:
		return slog.LevelError
	case x.severity == abandoned:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// known is the method where it is one of HTTP's: a client may make up any word.
func known(method string) string {
	if slices.Contains([]string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace,
	}, method) {
		return method
	}
	return "other"
}
