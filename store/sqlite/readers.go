package sqlite

import (
	"context"
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

	// maxStatements is how many statements a connection keeps, at some kilobytes each. What lists are filtered by makes
	// many different ones.
	maxStatements = 64
)

var (
	errNoReader   = errors.New("wait for a reader: the file is closed")
	errUnfinished = errors.New("a read panicked")
)

// readerPool are the connections for reading, and who has how many of them. Its own query and find are for what
// concerns no organisation. The connections are used without package database/sql, like the writer's, and keep the
// statements they have prepared: preparing one takes several times as long as finding a row.
type readerPool struct {
	dsn   string
	free  chan *connection // those that nobody has; nil for one that is not open
	ended chan struct{}    // by Close

	mu     sync.Mutex
	shares map[string]*share // of the organisations that read or wait
}

// share is what one organisation has of the readers.
type share struct {
	taken chan struct{} // one for each read under way
	users int           // those that wait included
}

func openReaders(ctx context.Context, path string) (*readerPool, error) {
	p := &readerPool{
		dsn: readerDSN(path), free: make(chan *connection, maxReaders), ended: make(chan struct{}),
		shares: map[string]*share{},
	}
	first, err := connect(ctx, p.dsn)
	if err != nil {
		return nil, fmt.Errorf("open for reading: %w", err)
	}
	p.free <- first
	for range maxReaders - 1 {
		p.free <- nil
	}
	return p, nil
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
		return nil, errNoReader
	}
}

// lend waits for a connection. Who got one gives it back.
func (p *readerPool) lend(ctx context.Context) (*connection, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait for a reader: %w", err) // else it would cost a connection
	}
	var c *connection
	select {
	case c = <-p.free:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a reader: %w", ctx.Err())
	case <-p.ended:
		return nil, errNoReader
	}
	if p.isClosed() {
		return nil, errors.Join(errNoReader, p.giveBack(c, nil))
	}
	if c == nil {
		var err error
		if c, err = connect(ctx, p.dsn); err != nil {
			return nil, errors.Join(fmt.Errorf("open for reading: %w", err), p.giveBack(nil, nil))
		}
	}
	return c, nil
}

// giveBack takes a connection back after a read, with the error of that. After one the next reader opens another
// connection: what SQLite holds in memory may not be what is on the disk, or a statement was interrupted.
func (p *readerPool) giveBack(c *connection, failure error) (err error) {
	if c != nil {
		c.forget()
	}
	if c != nil && failure != nil {
		c, err = nil, c.Close()
	}
	if c != nil {
		err = c.trim(maxStatements)
	}
	p.free <- c
	if p.isClosed() {
		err = errors.Join(err, p.drain())
	}
	return err
}

// Close ends the wait of those that have no reader yet. Those that read go on, and close their connection in the end.
// It is called once.
func (p *readerPool) Close() error {
	close(p.ended)
	return p.drain()
}

func (p *readerPool) isClosed() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// drain closes the connections that nobody has.
func (p *readerPool) drain() (err error) {
	for {
		select {
		case c := <-p.free:
			if c != nil {
				err = errors.Join(err, c.Close())
			}
		default:
			return err
		}
	}
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

// querier is what a connection and the pool can both do.
type querier interface {
	query(ctx context.Context, text string, args ...any) (*rows, error)
	find(ctx context.Context, text string, args, into []any) (bool, error)
}

// query lends a connection until the rows are closed.
func (p *readerPool) query(ctx context.Context, text string, args ...any) (*rows, error) {
	c, err := p.lend(ctx)
	if err != nil {
		return nil, err
	}
	r, err := c.query(ctx, text, args...)
	if err != nil {
		return nil, errors.Join(err, p.giveBack(c, err))
	}
	r.after = func(err error) error { return p.giveBack(c, err) }
	return r, nil
}

func (p *readerPool) find(ctx context.Context, text string, args, into []any) (found bool, err error) {
	err = p.with(ctx, func(c *connection) error {
		found, err = c.find(ctx, text, args, into)
		return err
	})
	return found, err
}

// with lends a connection for as long as read takes.
func (p *readerPool) with(ctx context.Context, read func(c *connection) error) (err error) {
	c, err := p.lend(ctx)
	if err != nil {
		return err
	}
	outcome := errUnfinished // should read panic
	defer func() { err = errors.Join(err, p.giveBack(c, outcome)) }()
	outcome = read(c)
	return outcome
}

// read runs a read of one statement, whose rows are closed when it returns, for an organisation.
func (p *readerPool) read(ctx context.Context, org string, read func(c *connection) error) error {
	give, err := p.take(ctx, org)
	if err != nil {
		return err
	}
	defer give()
	return p.with(ctx, read)
}

// view runs a read of several statements, all of which see the file as of one moment.
func (s *Store) view(ctx context.Context, org string, read func(tx *connection) error) error {
	return s.readers.read(ctx, org, func(tx *connection) error {
		if _, err := tx.exec(ctx, "BEGIN"); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if err := read(tx); err != nil {
			return err // the connection is closed, and the transaction with it
		}
		_, err := tx.exec(context.WithoutCancel(ctx), "COMMIT")
		return err
	})
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
