package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says which database to use. One of URL and Pool is required.
type Config struct {
	// URL is a connection string as libpq and pgxpool know it, such as
	// postgres://user@db.example:5432/calls?sslmode=verify-full&pool_max_conns=20. Without
	// pool_max_conns there are 16 connections at most. Of several hosts, as in
	// postgres://one.example,two.example/calls?target_session_attrs=read-write, it is the one that takes writes, also
	// after a failover; without connect_timeout each has a part of Timeout to answer.
	URL string

	// Pool is used instead of URL where the host has one. The store neither closes it nor changes
	// a setting of its connections beyond the end of a transaction. It must not use pgx's simple protocol.
	Pool *pgxpool.Pool

	// Schema is where the tables are, or are made. Empty: outdial. Several stores of different
	// schemas may share a database.
	Schema string

	// NoMigrate leaves the schema to the host, who has run [Migrations]: Open only checks that it
	// is there, and returns store.ErrOlderSchema where it is not, or not all of it.
	NoMigrate bool

	// NoPrepare keeps from preparing statements by name, for a pooler that gives each transaction
	// another connection (PgBouncer's pool_mode=transaction before its version 1.21). It costs the
	// server about as much again for small statements. With Pool it is the pool's
	// DefaultQueryExecMode that counts: QueryExecModeCacheDescribe does the same.
	NoPrepare bool

	// NoHints keeps the store from telling other processes of changes, and [Store.Hints] from listening, which
	// takes a connection of its own. Not needed behind a pooler: that there is one is noticed.
	NoHints bool

	// Timeout bounds each method, with all that it waits for: a connection, a lock, the server.
	// 0: 10 seconds. The server ends what takes longer, also when it hears no more of this process. All nodes should
	// have about the same: it also says for how long a dead node's last step is waited for.
	Timeout time.Duration

	// Logger gets what the store had to repair, and how listening fares. Nil discards.
	Logger *slog.Logger
}

const (
	defaultSchema   = "outdial"
	defaultTimeout  = 10 * time.Second
	minTimeout      = 10 * time.Millisecond
	defaultMaxConns = 16
	maxIdentifier   = 63 // bytes that PostgreSQL keeps of a name, without a word when it is longer
)

var (
	errNoDatabase  = errors.New("expected URL or Pool, and there is neither")
	errTwo         = errors.New("expected URL or Pool, and there are both")
	errSchema      = errors.New("expected a name of 1 to 63 bytes that has no NUL and does not begin with pg_")
	errTimeout     = errors.New("expected 10ms or more, or 0 for the default")
	errSimple      = errors.New("expected a pool that uses the extended protocol, and its mode is simple_protocol")
	errPoolPrepare = errors.New("expected with URL only: a pool has its DefaultQueryExecMode")
)

func (c Config) withDefaults() Config {
	c.Schema = cmp.Or(c.Schema, defaultSchema)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.URL == "" && c.Pool == nil:
		return errNoDatabase
	case c.URL != "" && c.Pool != nil:
		return errTwo
	case len(c.Schema) > maxIdentifier || strings.ContainsRune(c.Schema, 0) || strings.HasPrefix(c.Schema, "pg_"):
		return fmt.Errorf("schema %.80q: %w", c.Schema, errSchema)
	case c.Timeout < minTimeout:
		return fmt.Errorf("timeout %s: %w", c.Timeout, errTimeout)
	case c.Pool != nil && c.NoPrepare:
		return fmt.Errorf("no-prepare: %w", errPoolPrepare)
	case c.Pool != nil && c.Pool.Config().ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol:
		return fmt.Errorf("pool: %w", errSimple)
	}
	return nil
}

// poolConfig is what a pool of our own is made of.
func (c Config) poolConfig() (*pgxpool.Config, error) {
	pool, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err) // pgx leaves the password out
	}
	if !strings.Contains(c.URL, "pool_max_conns") {
		pool.MaxConns = defaultMaxConns
	}
	if pool.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		return nil, fmt.Errorf("url: %w", errSimple)
	}
	// Else pgx keeps them for somebody who asks. They come where a client of a pooler has left a LISTEN behind.
	pool.ConnConfig.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	if c.NoPrepare {
		pool.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if pool.ConnConfig.ConnectTimeout == 0 {
		pool.ConnConfig.ConnectTimeout = connectTimeout(pool.ConnConfig, c.Timeout)
	}
	if pool.PingTimeout == 0 {
		pool.PingTimeout = c.Timeout / pingShare
	}
	return pool, nil
}

// pingShare of Timeout is how long a connection that was idle may take to show that it lives. After a failover many
// of them are half open, and a method is to get past some.
const pingShare = 5

// connectTimeout is for one host. Where the URL has several, one that takes connections and says nothing must not
// use up the time in which another would have answered.
func connectTimeout(c *pgx.ConnConfig, timeout time.Duration) time.Duration {
	hosts := map[string]bool{net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))): true}
	for _, f := range c.Fallbacks {
		hosts[net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port)))] = true
	}
	if len(hosts) == 1 {
		return timeout
	}
	return timeout / time.Duration(2*len(hosts)) //nolint:mnd // half of the time is left for what is to be done
}
