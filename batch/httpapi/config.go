package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/outdial/outdial/batch"
)

// The defaults of [Config].
const (
	DefaultMaxBody      = 32 << 20 // bytes
	DefaultBodyTimeout  = 30 * time.Second
	DefaultWriteTimeout = 15 * time.Second
	DefaultKeyLifetime  = 24 * time.Hour
	DefaultHeartbeat    = 15 * time.Second
)

// Config is what [New] makes a handler from. Engine and Authenticate are required; every other
// field works as its zero value.
type Config struct {
	// Engine answers. It need not run in this process.
	Engine *batch.Engine

	// Authenticate tells whose request it is. An error that is [ErrUnauthenticated] is
	// answered with 401, any other one is a fault of the host and answered with 500.
	// It is called concurrently. [Keys] has one for a list of API keys.
	Authenticate func(*http.Request) (org string, err error)

	// MaxBody is the most bytes of a request's body. What is larger gets 413, as soon as
	// that is known. 0: DefaultMaxBody.
	MaxBody int64

	// BodyTimeout is how long a client may take to send a body. 0: DefaultBodyTimeout.
	BodyTimeout time.Duration

	// WriteTimeout is how long a client may take to accept a piece of an answer before it is
	// cut off, listeners to events included. 0: DefaultWriteTimeout.
	WriteTimeout time.Duration

	// RateLimit is how many requests a second one API key may make on average, and
	// RateBurst how many at once; past them it gets 429. RateLimit 0: no limit.
	// RateBurst 0: RateLimit rounded up. The key is what stands in Authorization or in
	// X-API-Key. Where Authenticate looks elsewhere, a host takes these two out of requests
	// first, and the limit is one for each organisation. It counts in this process.
	RateLimit float64
	RateBurst int

	// KeyLifetime is how long an Idempotency-Key holds. 0: DefaultKeyLifetime.
	KeyLifetime time.Duration

	// Heartbeat is how often a listener to events that has nothing to hear gets a comment,
	// which keeps proxies from closing the connection. 0: DefaultHeartbeat.
	Heartbeat time.Duration

	// AccountTypes tells of each carrier by name what calls show as their
	// telephony_account_type: twilio or sip_trunk. Carriers that are missing show none.
	AccountTypes map[string]string

	// Logger gets a line for each request, without numbers and metadata, and what went
	// wrong behind an answer of 500. Nil: nothing is logged.
	Logger *slog.Logger
}

// ErrUnauthenticated is what Config.Authenticate returns for a request without a valid key.
var ErrUnauthenticated = errors.New("the request has no valid API key")

// maxRate is a limit that no process reaches, and that no arithmetic with it overflows.
const maxRate = 1e6

func (c Config) validate() error {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("httpapi: Config."+format, args...))
		}
	}
	require(c.Engine != nil, "Engine: required")
	require(c.Authenticate != nil, "Authenticate: required")
	require(c.MaxBody >= 0, "MaxBody: expected at least 0, got %d", c.MaxBody)
	require(c.RateBurst >= 0, "RateBurst: expected at least 0, got %d", c.RateBurst)
	require(c.RateLimit >= 0 && c.RateLimit <= maxRate, "RateLimit: expected 0 to %g, got %v", maxRate, c.RateLimit)
	for name, d := range map[string]time.Duration{
		"BodyTimeout": c.BodyTimeout, "WriteTimeout": c.WriteTimeout,
		"KeyLifetime": c.KeyLifetime, "Heartbeat": c.Heartbeat,
	} {
		require(d >= 0, "%s: expected at least 0, got %v", name, d)
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	c.MaxBody = orElse(c.MaxBody, DefaultMaxBody)
	c.BodyTimeout = orElse(c.BodyTimeout, DefaultBodyTimeout)
	c.WriteTimeout = orElse(c.WriteTimeout, DefaultWriteTimeout)
	c.KeyLifetime = orElse(c.KeyLifetime, DefaultKeyLifetime)
	c.Heartbeat = orElse(c.Heartbeat, DefaultHeartbeat)
	c.RateBurst = orElse(c.RateBurst, max(int(math.Ceil(c.RateLimit)), 1))
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func orElse[T comparable](x, fallback T) T {
	var zero T
	if x == zero {
		return fallback
	}
	return x
}
