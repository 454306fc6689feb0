package httpapi

import (
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
// and listeners to events. The handler of [New] limits both as they go; a host that
// adds handlers of its own sees to theirs, with http.ResponseController.
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
		ReadHeaderTimeout: orElse(cfg.HeaderTimeout, DefaultHeaderTimeout),
		IdleTimeout:       orElse(cfg.IdleTimeout, DefaultIdleTimeout),
		MaxHeaderBytes:    orElse(cfg.MaxHeader, DefaultMaxHeader),
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),

		// The server would answer OPTIONS * by itself, without the headers of every answer.
		DisableGeneralOptionsHandler: true,
	}
}
