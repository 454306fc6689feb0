package measure

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
	"github.com/outdial/outdial/store/postgres"
	"github.com/outdial/outdial/store/sqlite"
)

// createCopy writes with COPY as many bytes of PostgreSQL's log as outdial's batch takes.
func createCopy(ctx context.Context, l *lab.Lab, n, times int) (report.Sample, error) {
	pool, closing, err := systems.Pool(ctx, l)
	if err != nil {
		return nil, err
	}
	ours, err := loggedByOutdial(ctx, pool, n)
	if err != nil {
		return nil, errors.Join(err, closing())
	}
	f := &copier{pool: pool, n: n, data: []byte{}}
	if err := f.calibrate(ctx, ours); err != nil {
		return nil, errors.Join(err, closing())
	}
	s, err := timeCreates(ctx, l, times, closing, func() error { return f.copy(ctx) })
	if s != nil {
		s["bytes"] = float64(ours) / float64(n)
	}
	return s, err
}

// loggedByOutdial is how much a batch after a first one adds to the log.
func loggedByOutdial(ctx context.Context, pool *pgxpool.Pool, n int) (int, error) {
	s, err := postgres.Open(ctx, postgres.Config{Pool: pool})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	e, err := systems.NewEngine(s, systems.Limits{systems.Org: n}, nobody{})
	if err != nil {
		return 0, err
	}
	r := systems.Request(n, n)
	if err := createOnce(ctx, e, r); err != nil {
		return 0, err
	}
	return logged(ctx, pool, func() error { return createOnce(ctx, e, r) })
}

// logged is how many bytes do adds to the log.
func logged(ctx context.Context, pool *pgxpool.Pool, do func() error) (int, error) {
	var before string
	var bytes int
	const (
		at    = "SELECT pg_current_wal_insert_lsn()::text"
		since = "SELECT (pg_current_wal_insert_lsn() - $1::text::pg_lsn)::bigint"
	)
	if err := pool.QueryRow(ctx, at).Scan(&before); err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	err := pool.QueryRow(ctx, since, before).Scan(&bytes)
	return bytes, err
}

// copier copies n rows of a key and bytes.
type copier struct {
	pool    *pgxpool.Pool
	n, next int
	data    []byte
}

// calibrate makes the rows so long that the log grows by that much.
func (f *copier) calibrate(ctx context.Context, bytes int) error {
	if _, err := f.pool.Exec(ctx, "CREATE TABLE floor (key bigint PRIMARY KEY, data bytea NOT NULL)"); err != nil {
		return err
	}
	do := func() error { return f.copy(ctx) }
	if err := do(); err != nil {
		return err
	}
	empty, err := logged(ctx, f.pool, do)
	f.data = make([]byte, max(0, (bytes-empty)/f.n))
	return err
}

func (f *copier) copy(ctx context.Context) error {
	_, err := f.pool.CopyFrom(ctx, pgx.Identifier{"floor"}, []string{"key", "data"},
		pgx.CopyFromSlice(f.n, func(int) ([]any, error) {
			f.next++
			return []any{f.next, f.data}, nil
		}))
	return err
}

// createRows inserts into SQLite as many bytes as outdial's batch takes in its file.
func createRows(ctx context.Context, l *lab.Lab, n, times int) (report.Sample, error) {
	ours, err := grownByOutdial(ctx, l, n)
	if err != nil {
		return nil, err
	}
	db, closing, err := systems.SQLite(l)
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE floor (key INTEGER PRIMARY KEY, data BLOB NOT NULL)"); err != nil {
		return nil, errors.Join(err, closing())
	}
	const header = 8 // bytes that SQLite adds to a row like this: lengths and key
	data := make([]byte, max(0, ours/n-header))
	insert := func() error { return insertRows(ctx, db, n, data) }
	s, err := timeCreates(ctx, l, times, closing, insert)
	if s != nil {
		s["bytes"] = float64(ours) / float64(n)
	}
	return s, err
}

// floorChunk is how many rows a statement inserts: fewer and more take longer.
const floorChunk = 250

// insertRows inserts n rows in one transaction.
func insertRows(ctx context.Context, db *sql.DB, n int, data []byte) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing to undo once it is committed
	rows := slices.Repeat([]any{data}, n)
	for len(rows) > 0 {
		size := min(floorChunk, len(rows))
		full := len(rows) - len(rows)%size
		if err := insertChunks(ctx, tx, size, rows[:full]); err != nil {
			return err
		}
		rows = rows[full:]
	}
	return tx.Commit()
}

// insertChunks inserts the rows, that many a statement.
func insertChunks(ctx context.Context, tx *sql.Tx, size int, rows []any) error {
	text := "INSERT INTO floor (data) VALUES (?)" + strings.Repeat(", (?)", size-1) //nolint:gosec // no values
	stmt, err := tx.PrepareContext(ctx, text)                                       //nolint:sqlclosecheck // it is
	if err != nil {
		return err
	}
	defer stmt.Close()
	for chunk := range slices.Chunk(rows, size) {
		if _, err := stmt.ExecContext(ctx, chunk...); err != nil {
			return err
		}
	}
	return nil
}

// grownByOutdial is how much a batch after a first one adds to a file.
func grownByOutdial(ctx context.Context, l *lab.Lab, n int) (grown int, err error) {
	path, remove, err := l.File("outdial.db")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	s, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	e, err := systems.NewEngine(s, systems.Limits{systems.Org: n}, nobody{})
	if err != nil {
		return 0, err
	}
	r := systems.Request(n, n)
	if err := createOnce(ctx, e, r); err != nil {
		return 0, err
	}
	before, err := systems.SizeOf(ctx, path)
	if err != nil {
		return 0, err
	}
	if err := createOnce(ctx, e, r); err != nil {
		return 0, err
	}
	after, err := systems.SizeOf(ctx, path)
	return after - before, err
}
