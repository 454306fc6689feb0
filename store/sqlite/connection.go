package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"
)

// connection is one connection to the file, with the statements that were prepared on it. It belongs to one
// goroutine, so it uses the driver without package database/sql, whose pool and conversions cost the one that
// writes a tenth of its time.
type connection struct {
	conn     driverConn
	prepared map[string]driverStmt
	args     []driver.NamedValue // of the statement that begins, kept for the next one
	results  []*rows             // of the job that runs
	known    known               // of the one that writes
}

type driverConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
}

type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

var errDriver = errors.New("the driver of SQLite lacks a method that the store needs")

func connect(ctx context.Context, dsn string) (*connection, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	opened, err := connector.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	conn, ok := opened.(driverConn)
	if !ok {
		return nil, errors.Join(errDriver, opened.Close())
	}
	return &connection{conn: conn, prepared: map[string]driverStmt{}}, nil
}

// Close undoes the transaction that is open, if there is any. The statements go first:
// SQLite keeps a connection with its transaction and its locks for as long as it has statements.
func (c *connection) Close() error {
	c.forget()
	errs := make([]error, 0, len(c.prepared)+1)
	for _, st := range c.prepared {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, c.conn.Close())...)
}

// statement prepares each text once: preparing takes ten times as long as running.
func (c *connection) statement(ctx context.Context, text string) (driverStmt, error) {
	if st := c.prepared[text]; st != nil {
		return st, nil
	}
	prepared, err := c.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	st, ok := prepared.(driverStmt)
	if !ok {
		return nil, errors.Join(errDriver, prepared.Close())
	}
	c.prepared[text] = st
	return st, nil
}

// trim closes statements, whichever, until there are no more than that. Nobody is to be using any.
func (c *connection) trim(most int) error {
	for text, st := range c.prepared {
		if len(c.prepared) <= most {
			break
		}
		delete(c.prepared, text)
		if err := st.Close(); err != nil {
			return fmt.Errorf("close a statement: %w", err)
		}
	}
	return nil
}

// begin has a statement and its arguments ready to run.
func (c *connection) begin(ctx context.Context, text string, args []any) (driverStmt, []driver.NamedValue, error) {
	st, err := c.statement(ctx, text)
	if err != nil {
		return nil, nil, err
	}
	c.args = c.args[:0]
	for i, arg := range args {
		value, err := argument(arg)
		if err != nil {
			return nil, nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: value})
	}
	return st, c.args, nil
}

func (c *connection) exec(ctx context.Context, text string, args ...any) (driver.Result, error) {
	st, values, err := c.begin(ctx, text, args)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, values) //nolint:wrapcheck // the callers say what they were doing
}

// all executes statements one after the other, until one fails.
func (c *connection) all(ctx context.Context, texts ...string) error {
	for _, text := range texts {
		if _, err := c.exec(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// script runs statements that are not worth keeping.
func (c *connection) script(ctx context.Context, text string) error {
	_, err := c.conn.ExecContext(ctx, text, nil)
	return err //nolint:wrapcheck // the callers say what they were doing
}

func (c *connection) query(ctx context.Context, text string, args ...any) (*rows, error) {
	st, values, err := c.begin(ctx, text, args)
	if err != nil {
		return nil, err
	}
	found, err := st.QueryContext(ctx, values)
	if err != nil {
		return nil, err //nolint:wrapcheck // the callers say what they were doing
	}
	r := &rows{found: found, values: make([]driver.Value, len(found.Columns())), stopped: ctx.Err}
	c.results = append(c.results, r)
	return r, nil
}

// forget closes results that a panic may have left open: SQLite would not release what they read.
func (c *connection) forget() {
	for _, r := range c.results {
		_ = r.Close() // closed already, as a rule
	}
	c.results = c.results[:0]
}

// find scans the first row and says whether there is one.
func (c *connection) find(ctx context.Context, text string, args, into []any) (bool, error) {
	r, err := c.query(ctx, text, args...)
	if err != nil {
		return false, err
	}
	c.results = c.results[:len(c.results)-1]
	found := r.Next()
	if found {
		err = r.Scan(into...)
	}
	return found && err == nil, errors.Join(err, r.Err(), r.Close())
}

// rows is a result of a statement, which is closed by its end and by an error.
type rows struct {
	found  driver.Rows
	values []driver.Value // of the present row
	err    error
	closed bool

	stopped func() error          // of the context
	after   func(err error) error // called by Close with the error that ended the rows; may be nil
}

// Next goes to the next row, if there is one.
func (r *rows) Next() bool {
	if r.closed {
		return false
	}
	err := r.stopped()
	if err == nil {
		err = r.found.Next(r.values)
	}
	if err == nil {
		return true
	}
	if !errors.Is(err, io.EOF) {
		r.err = err
	}
	r.err = errors.Join(r.err, r.Close())
	return false
}

// Scan assigns the columns of the present row.
func (r *rows) Scan(into ...any) error {
	if len(into) != len(r.values) {
		return fmt.Errorf("%w: %d columns for %d places", errColumn, len(r.values), len(into))
	}
	for i, value := range r.values {
		if err := assign(into[i], value); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

// Err is the error that ended the rows, nil where there were no more.
func (r *rows) Err() error { return r.err }

// Close may be called again.
func (r *rows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	err := r.found.Close()
	if r.after != nil {
		err = errors.Join(err, r.after(errors.Join(r.err, err)))
	}
	return err //nolint:wrapcheck // the callers say what they were doing
}
