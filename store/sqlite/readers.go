package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/outdial/outdial/store"
)

const (
	// maxReaders is how many reads run at once. Each has a connection with 4 MB of cache.
	maxReaders = 4

	// orgReaders is how many of them one organisation has at most: whatever it asks for, and
	// however often, the others are not made to wait for all of it.
	orgReaders = maxReaders / 2
)

// readerPool are the connections for reading, and who has how many of them. Its own
// QueryContext is for what concerns no organisation.
type readerPool struct {
	*sql.DB

	ended chan struct{} // by Close

	mu     sync.Mutex
	shares map[string]*share // of the organisations that read or wait
}

// share is what one organisation has of the readers.
type share struct {
	taken chan struct{} // one for each read under way
	users int           // those that wait included
}

func openReaders(ctx context.Context, path string) (*readerPool, error) {
	db, err := sql.Open(driverName, readerDSN(path))
	if err != nil {
		return nil, fmt.Errorf("open for reading: %w", err)
	}
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(maxReaders)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect for reading: %w", err), db.Close())
	}
	return &readerPool{DB: db, ended: make(chan struct{}), shares: map[string]*share{}}, nil
}

// take waits until fewer than orgReaders read for the organisation. Who got one gives it back.
func (p *readerPool) take(ctx context.Context, org string) (give func(), err error) {
	s := p.join(org)
	select {
	case s.taken <- struct{}{}:
		return func() {
			<-s.taken
			p.leave(org, s)
		}, nil
	case <-ctx.Done():
		p.leave(org, s)
		return nil, fmt.Errorf("wait for a reader: %w", ctx.Err())
	case <-p.ended:
		p.leave(org, s)
		return nil, fmt.Errorf("wait for a reader: %w", sql.ErrConnDone)
	}
}

// Close ends the wait of those that have no reader yet. It is called once.
func (p *readerPool) Close() error {
	close(p.ended)
	return p.DB.Close() //nolint:wrapcheck // the callers say what they were doing
}

func (p *readerPool) join(org string) *share {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shares[org]
	if s == nil {
		s = &share{taken: make(chan struct{}, orgReaders)}
		p.shares[org] = s
	}
	s.users++
	return s
}

func (p *readerPool) leave(org string, s *share) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(p.shares, org)
	}
}

// querier is what a *sql.DB and a *sql.Tx can both do.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// read runs a read of one statement, whose rows are closed when it returns, for an organisation.
func (p *readerPool) read(ctx context.Context, org string, read func(from querier) error) error {
	give, err := p.take(ctx, org)
	if err != nil {
		return err
	}
	defer give()
	return read(p.DB)
}

// view runs a read of several statements, all of which see the file as of one moment.
func (s *Store) view(ctx context.Context, org string, read func(tx querier) error) error {
	give, err := s.readers.take(ctx, org)
	if err != nil {
		return err
	}
	defer give()
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
