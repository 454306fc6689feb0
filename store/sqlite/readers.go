package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/outdial/outdial/store"
)

// maxReaders is how many reads run at once. Each has a connection with 4 MB of cache.
const maxReaders = 4

func openReaders(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open(driverName, readerDSN(path))
	if err != nil {
		return nil, fmt.Errorf("open for reading: %w", err)
	}
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(maxReaders)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect for reading: %w", err), db.Close())
	}
	return db, nil
}

// querier is what a *sql.DB and a *sql.Tx can both do.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// view runs a read of several statements, all of which see the file as of one moment.
func (s *Store) view(ctx context.Context, read func(q querier) error) error {
	tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err = read(tx)
	if undo := tx.Rollback(); err == nil && !errors.Is(undo, sql.ErrTxDone) {
		err = undo
	}
	return err
}

// unread wraps the error of a read. One that Close has interrupted fails with whatever
// it was at.
func (s *Store) unread(doing, id string, err error) error {
	if s.isClosed() {
		err = errors.Join(store.ErrClosed, err)
	}
	return failed(doing, id, err)
}

// failed wraps an error with what was being done, and to which id; empty for none.
func failed(doing, id string, err error) error {
	if id == "" {
		return fmt.Errorf("sqlite: %s: %w", doing, err)
	}
	return fmt.Errorf("sqlite: %s %s: %w", doing, id, err)
}
