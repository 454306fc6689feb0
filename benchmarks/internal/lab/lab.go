// Package lab starts what contenders run on: throwaway servers on the loopback interface, and folders.
package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/outdial/outdial/store/postgres/pgtest"
)

// Lab is where contenders run. Its servers start when they are first asked for. Safe for concurrent use.
type Lab struct {
	folder  string
	options Options
	count   atomic.Int64

	mu   sync.Mutex
	open map[string]bool // databases

	postgres server[*pgtest.Server]
	redis    server[*Redis]
	redisAOF server[*Redis]
}

// server starts once, or is known to be missing.
type server[T any] struct {
	once  sync.Once
	is    T
	runs  bool
	wrong error
}

func (s *server[T]) get(start func() (T, error)) (T, error) {
	s.once.Do(func() {
		s.is, s.wrong = start()
		s.runs = s.wrong == nil
	})
	return s.is, s.wrong
}

// Options of a lab.
type Options struct {
	// Statements has PostgreSQL count its statements, which slows it a little, where it has pg_stat_statements.
	Statements bool

	// Careless has PostgreSQL lose data in a power cut: quicker, and for tests that read no figure.
	Careless bool
}

// New returns a lab. Close it in the end.
func New(o Options) (*Lab, error) {
	folder, err := os.MkdirTemp("", "outdial-benchmarks")
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	return &Lab{folder: folder, options: o, open: map[string]bool{}}, nil
}

// Close stops the servers and deletes everything.
func (l *Lab) Close() error {
	var errs []error
	if l.postgres.runs {
		errs = append(errs, l.postgres.is.Stop())
	}
	for _, r := range []*server[*Redis]{&l.redis, &l.redisAOF} {
		if r.runs {
			errs = append(errs, r.is.Stop())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(l.folder))...)
}

// Missing lists the servers that cannot be started, each with how to get it.
func (l *Lab) Missing(ctx context.Context) []error {
	var out []error
	if _, err := l.Postgres(ctx); err != nil {
		out = append(out, err)
	}
	if _, err := l.Redis(ctx, false); err != nil {
		out = append(out, err)
	}
	return out
}

// Postgres is a server with the settings of production: fsync, full_page_writes and synchronous_commit
// are on, but for a careless lab. The error wraps [pgtest.ErrMissing] where it is not installed.
func (l *Lab) Postgres(ctx context.Context) (*pgtest.Server, error) {
	return l.postgres.get(func() (*pgtest.Server, error) {
		if l.options.Statements {
			s, err := startCounting(ctx, l.options.Careless)
			if err == nil || errors.Is(err, pgtest.ErrMissing) {
				return s, err
			}
			l.options.Statements = false // it is not installed with this server
		}
		return pgtest.Start(ctx, pgtest.Options{Durable: !l.options.Careless})
	})
}

// Database makes a database on the server and returns its URL. drop deletes it.
func (l *Lab) Database(ctx context.Context) (url string, drop func() error, err error) {
	s, err := l.Postgres(ctx)
	if err != nil {
		return "", nil, err
	}
	name := l.name("bench")
	if url, err = s.Create(ctx, name); err != nil {
		return "", nil, err
	}
	l.note(name, true)
	return url, func() error {
		l.note(name, false)
		return s.Drop(context.WithoutCancel(ctx), name)
	}, nil
}

func (l *Lab) note(database string, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if open {
		l.open[database] = true
	} else {
		delete(l.open, database)
	}
}

// databases are those that are there now.
func (l *Lab) databases() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.open))
}

// Redis is a server with default settings, or one that syncs its append-only file before it answers.
// The error wraps [ErrMissing] where it is not installed.
func (l *Lab) Redis(ctx context.Context, always bool) (*Redis, error) {
	if always {
		return l.redisAOF.get(func() (*Redis, error) {
			return startRedis(ctx, filepath.Join(l.folder, "redis-aof"), "--appendonly", "yes", "--appendfsync", "always")
		})
	}
	return l.redis.get(func() (*Redis, error) { return startRedis(ctx, filepath.Join(l.folder, "redis")) })
}

// File is a path that nothing is at yet, in a folder of its own. remove deletes that.
func (l *Lab) File(name string) (path string, remove func() error, err error) {
	folder := filepath.Join(l.folder, l.name("files"))
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", nil, fmt.Errorf("lab: %w", err)
	}
	return filepath.Join(folder, name), func() error { return os.RemoveAll(folder) }, nil
}

func (l *Lab) name(prefix string) string { return fmt.Sprintf("%s_%d", prefix, l.count.Add(1)) }

// Settle has what was left to do be done before a contender is timed: garbage; and in PostgreSQL what autovacuum
// would do at some time after so many rows were inserted, and the checkpoint.
func (l *Lab) Settle(ctx context.Context) error {
	runtime.GC()
	if !l.postgres.runs {
		return nil
	}
	for _, name := range l.databases() {
		if err := l.postgres.is.Exec(ctx, name, "VACUUM ANALYZE"); err != nil {
			return err
		}
	}
	return l.postgres.is.Exec(ctx, "postgres", "CHECKPOINT")
}
