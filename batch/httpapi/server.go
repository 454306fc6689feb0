package httpapi

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"
)

// The defaults of [ServerConfig].
const (
	DefaultHeaderTimeout = 10 * time.Second
	DefaultIdleTimeout   = 2 * time.Minute
	DefaultMaxHeader     = 24 << 10 // bytes
)

// ServerConfig is what [NewServer] makes a server from. Every field works as its zero value.
type ServerConfig struct {
	// HeaderTimeout is how long a client may take to send the headers of a request.
	// 0: DefaultHeaderTimeout.
	HeaderTimeout time.Duration

	// IdleTimeout is how long a connection may wait for its next request.
	// 0: DefaultIdleTimeout.
	IdleTimeout time.Duration

	// MaxHeader is about the most bytes of a request's first line and headers together.
	// What is larger gets 431. 0: DefaultMaxHeader.
	MaxHeader int

	// Logger gets what goes wrong with connections, as warnings. Nil: nothing is logged.
	Logger *slog.Logger
}

// NewServer makes a server that no client can hold up, to be given an address and started by the
// host. It has no ReadTimeout and no WriteTimeout: those would end uploads that make headway,
// and listeners to events, after a fixed time. The handler of [New] moves the limits along: a body
// has Config.BodyTimeout for its next piece and must not fall behind a least rate, and
// each piece of an answer has Config.WriteTimeout to be accepted. A host that adds handlers
// of its own sees to theirs, with http.ResponseController.
//
// Shutdown waits for listeners to events for as long as its context allows. To have them leave
// at once, cancel the context that BaseContext gives.
func NewServer(h http.Handler, cfg ServerConfig) *http.Server {
	logger := cfg.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: cmp.Or(cfg.HeaderTimeout, DefaultHeaderTimeout),
		IdleTimeout:       cmp.Or(cfg.IdleTimeout, DefaultIdleTimeout),
		MaxHeaderBytes:    cmp.Or(cfg.MaxHeader, DefaultMaxHeader),
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),

		// The server would answer OPTIONS * by itself, without the headers of every answer.
		DisableGeneralOptionsHandler: true,
	}
}
