package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// connection is one connection to the file, with the statements that were prepared on
// it. It belongs to one goroutine.
type connection struct {
	db       *sql.DB
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
	results  []*sql.Rows // of the job that runs
}

func connect(ctx context.Context, dsn string) (*connection, error) {
	db, err := sql.Open(driverName, dsn)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), db.Close())
	}
	return &connection{db: db, conn: conn, prepared: map[string]*sql.Stmt{}}, nil
}

// Close undoes the transaction that is open, if there is any. The statements go first:
// database/sql does not close those of a single connection, and SQLite keeps a connection with
// its transaction and its locks for as long as it has statements.
func (c *connection) Close() error {
	c.forget()
	errs := make([]error, 0, len(c.prepared))
	for _, st := range c.prepared {
		errs = append(errs, st.Close())
	}
	// The pool before the connection, so that it does not keep it when it comes back.
	return errors.Join(errors.Join(errs...), c.db.Close(), c.conn.Close())
}

// statement prepares each text once: preparing takes ten times as long as running.
func (c *connection) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if st := c.prepared[text]; st != nil {
		return st, nil
	}
	st, err := c.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	c.prepared[text] = st
	return st, nil
}

func (c *connection) exec(ctx context.Context, text string, args ...any) (sql.Result, error) {
	st, err := c.statement(ctx, text) //nolint:sqlclosecheck // Close does, when the connection goes
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...) //nolint:wrapcheck // the callers say what they were doing
}

func (c *connection) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := c.statement(ctx, text) //nolint:sqlclosecheck // Close does, when the connection goes
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err == nil {
		c.results = append(c.results, rows)
	}
	return rows, err //nolint:wrapcheck // the callers say what they were doing
}

// forget closes results that a panic may have left open: closing the connection would
// wait for them for ever.
func (c *connection) forget() {
	for _, rows := range c.results {
		_ = rows.Close() // closed already, as a rule
	}
	c.results = c.results[:0]
}

// find scans the first row and says whether there is one.
func (c *connection) find(ctx context.Context, text string, args, into []any) (bool, error) {
	st, err := c.statement(ctx, text) //nolint:sqlclosecheck // Close does, when the connection goes
	if err != nil {
		return false, err
	}
	err = st.QueryRowContext(ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err //nolint:wrapcheck // the callers say what they were doing
}
