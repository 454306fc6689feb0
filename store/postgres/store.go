package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outdial/outdial/store"
)

// Store is a [store.Store] in a PostgreSQL database. It is made by [Open] and safe for concurrent
// use. [Store.Close] it in the end.
type Store struct {
	*queues // where methods wait for their turn

	log      *slog.Logger
	pool     *pgxpool.Pool
	owned    bool // the pool is
	schema   *schema
	token    string // of this store among all, in its hints
	settings string
	timeout  time.Duration
	noHints  bool

	announcer  *announcer
	known      *knowledge
	noneLapsed atomic.Pointer[pgtype.Timestamptz] // nobody whose lease had run out by then had a call left, see Nodes

	mu      sync.Mutex
	closed  chan struct{}  // closed by Close
	running sync.WaitGroup // methods, and those who listen
}

var _ store.Store = (*Store)(nil)

// Open connects to the database and brings the schema to what this version knows. Any number of
// processes may do so at once, and any number of nodes may dial.
//
// The error wraps [store.ErrNewerSchema] for a schema that a newer version has made, and with Config.NoMigrate
// [store.ErrOlderSchema] for one that lacks migrations or is not there.
func Open(ctx context.Context, c Config) (*Store, error) {
	s, err := open(ctx, c.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("postgres: open: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, c Config) (*Store, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	pool, owned, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := newStore(c, pool, owned)
	if err := migrate(ctx, pool, c, s.schema); err != nil {
		s.closePool()
		return nil, err
	}
	if err := s.recount(ctx, nil); err != nil {
		s.closePool()
		return nil, err
	}
	s.announcer = startAnnouncer(s) //nolint:contextcheck // it outlives ctx
	return s, nil
}

func (c Config) connect(ctx context.Context) (pool *pgxpool.Pool, owned bool, err error) {
	if c.Pool != nil {
		return c.Pool, false, nil
	}
	config, err := c.poolConfig()
	if err != nil {
		return nil, false, err
	}
	pool, err = pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, false, fmt.Errorf("connect: %w", err)
	}
	return pool, true, nil
}

func newStore(c Config, pool *pgxpool.Pool, owned bool) *Store {
	s := &Store{
		log: c.Logger, pool: pool, owned: owned, schema: newSchema(c.Schema), token: rand.Text(),
		settings: settings(c.Timeout),
		timeout:  c.Timeout, noHints: c.NoHints, closed: make(chan struct{}),
		queues: newQueues(int(pool.Config().MaxConns)), known: newKnowledge(),
	}
	s.noneLapsed.Store(&pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true})
	return s
}

// Close waits for the methods that have begun, which all end within Config.Timeout; later ones get
// [store.ErrClosed]. It closes the connections that Open made, and not a pool that it was given. The lease
// of a node stays until it runs out. Calling it again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.isClosed() {
		s.mu.Unlock()
		return nil
	}
	close(s.closed)
	s.mu.Unlock()
	s.running.Wait()
	s.announcer.stop()
	s.closePool()
	return nil
}

func (s *Store) closePool() {
	if s.owned {
		s.pool.Close()
	}
}

func (s *Store) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// enter notes that a method has begun. Nothing is begun once the store is closed.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return store.ErrClosed
	}
	s.running.Add(1)
	return nil
}

// bounded runs a method: within the store's timeout, and while it is open.
func (s *Store) bounded(ctx context.Context, do func(context.Context) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.running.Done()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return do(ctx)
}

// writing runs a method that writes to an organisation.
func (s *Store) writing(ctx context.Context, org string, do func(context.Context, *work) error) error {
	return s.inTurn(ctx, s.writers, org, func(ctx context.Context) error { return s.transact(ctx, do) })
}

// reading runs a method that reads of an organisation, in one round trip. These are the methods that hosts call for
// their users: Batch, Batches, Call, Calls, and Recipients, which takes its turn itself. Heartbeat, Nodes, Active,
// Adopt and Advance wait for none of them.
func (s *Store) reading(ctx context.Context, org string, ask func(*trip)) error {
	return s.inTurn(ctx, s.readers, org, func(ctx context.Context) error { return s.read(ctx, ask) })
}

func (s *Store) inTurn(ctx context.Context, of *turns, org string, do func(context.Context) error) error {
	return s.bounded(ctx, func(ctx context.Context) error { return of.do(ctx, org, do) })
}

// failed wraps an error once, with what was being done to what.
func failed(what, id string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("gave up: %w", err)
	}
	if id == "" {
		return fmt.Errorf("postgres: %s: %w", what, err)
	}
	return fmt.Errorf("postgres: %s %s: %w", what, id, err)
}
