package httpapi

import (
	"cmp"
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
	DefaultMaxBodies    = 8        // times Config.MaxBody
	DefaultMaxListeners = 2000
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

	// MaxBodies is the most bytes of bodies that are held at once in this process, and a quarter
	// of it, or twice MaxBody if that is more, the most that one organisation has of them. Bytes
	// count from when they come until their request is over, those of a CSV file twice, as it is
	// held twice; the first 4 KiB of each body do not count. Where there is no room for more of
	// a body its request gets 503. The memory that this takes is more by what waits for the
	// garbage collector, which GOMEMLIMIT bounds. At least twice MaxBody.
	// 0: DefaultMaxBodies times MaxBody.
	MaxBodies int64

	// MaxListeners is the most requests of one organisation that listen to events at once, in this
	// process. One more gets 429. 0: DefaultMaxListeners.
	MaxListeners int

	// BodyTimeout is how long a client may take to send the next piece of a body, of whatever
	// length. After that time in total, at least 32 KiB a second must have come on average for
	// what goes beyond it, so that a slow connection comes to its end and a client that
	// sends byte after byte does not. Who is too slow gets 408. 0: DefaultBodyTimeout.
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
	require(c.MaxBodies == 0 || c.MaxBodies >= max(least(cmp.Or(c.MaxBody, DefaultMaxBody)), 1),
		"MaxBodies: expected at least twice MaxBody, got %d", c.MaxBodies)
	require(c.MaxListeners >= 0, "MaxListeners: expected at least 0, got %d", c.MaxListeners)
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
	c.MaxBody = cmp.Or(c.MaxBody, DefaultMaxBody)
	c.MaxBodies = cmp.Or(c.MaxBodies, times(c.MaxBody, DefaultMaxBodies))
	c.MaxListeners = cmp.Or(c.MaxListeners, DefaultMaxListeners)
	c.BodyTimeout = cmp.Or(c.BodyTimeout, DefaultBodyTimeout)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, DefaultWriteTimeout)
	c.KeyLifetime = cmp.Or(c.KeyLifetime, DefaultKeyLifetime)
	c.Heartbeat = cmp.Or(c.Heartbeat, DefaultHeartbeat)
	c.RateBurst = cmp.Or(c.RateBurst, max(int(math.Ceil(c.RateLimit)), 1))
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
