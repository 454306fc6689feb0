package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/outdial/outdial/store"
)

// Store is a [store.Store] in a file. It is made by [Open] and safe for concurrent use.
// [Store.Close] it in the end.
type Store struct {
	log     *slog.Logger
	writer  *writer
	readers *readerPool
	owner   *ownership // used by the writer's goroutine only

	closing sync.Once
	closed  chan struct{}
	outcome error // of the closing
}

var _ store.Store = (*Store)(nil)

// Open opens the file, or makes it, and brings it to the schema of this version. Any
// number of processes may have the file open; one of them at a time dials.
//
// The error wraps [store.ErrNewerSchema] for a file that a newer version has written. A file
// that is no database, or another program's, is left as it is.
func Open(ctx context.Context, c Config) (*Store, error) {
	s, err := open(ctx, c)
	if err != nil {
		if isNotDatabase(err) {
			err = errNotDatabase
		}
		return nil, fmt.Errorf("sqlite: open %s: %w", c.Path, err)
	}
	return s, nil
}

func open(ctx context.Context, c Config) (*Store, error) {
	path, err := c.file()
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, writerDSN(path))
	if err != nil {
		return nil, err
	}
	path, err = prepare(ctx, conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	readers, err := openReaders(ctx, path)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err := impatient(ctx, conn); err != nil {
		return nil, errors.Join(err, readers.Close())
	}
	s := &Store{log: c.logger(), readers: readers, owner: newOwnership(path), closed: make(chan struct{})}
	s.writer = startWriter(path, conn, c) //nolint:contextcheck // it outlives ctx
	return s, nil
}

// prepare makes sure that the file is ours before the first byte is written to it.
func prepare(ctx context.Context, conn *connection) (path string, err error) {
	texts, err := loadMigrations()
	if err != nil {
		return "", err
	}
	if err := checkLibrary(ctx, conn); err != nil {
		return "", err
	}
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return "", err
	}
	if err := checkSchema(version, len(texts)); err != nil {
		return "", err
	}
	if err := enableWAL(ctx, conn); err != nil {
		return "", err
	}
	if err := migrate(ctx, conn, texts); err != nil {
		return "", err
	}
	return canonicalPath(ctx, conn)
}

// Close waits for the writes that have begun, answers the others with
// [store.ErrClosed], and closes the file. If this Store is the one that dials, another may
// from then on; the lease of its node stays until it runs out. Calling it again does nothing.
func (s *Store) Close() error {
	s.closing.Do(func() {
		close(s.closed)
		err := errors.Join(s.readers.Close(), s.writer.close(), s.owner.release())
		if err != nil {
			s.outcome = fmt.Errorf("sqlite: close: %w", err)
		}
	})
	return s.outcome
}

func (s *Store) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}
