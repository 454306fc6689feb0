package systems

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	_ "modernc.org/sqlite" // the driver that outdial's own store has

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/load"
)

// RiverSQLiteEarly is what the documentation of River's driver for SQLite, riverdriver/riversqlite, says of it.
const RiverSQLiteEarly = "in early testing, as the driver's documentation says"

// RiverSQLite is River on SQLite, tuned, with as many workers as there are slots, on one connection, as
// its driver asks for.
func RiverSQLite() System {
	return System{
		Name: "River, SQLite, tuned", Durability: SQLiteFull,
		Settings: RiverTuned + ", as many workers as slots, one connection; " + RiverSQLiteEarly,
		Queue: func(ctx context.Context, l *lab.Lab, w *load.Watch) (Job, error) {
			db, closing, err := SQLite(l)
			if err != nil {
				return nil, err
			}
			ask := func(ctx context.Context, question string) (n int, err error) {
				err = db.QueryRowContext(ctx, question).Scan(&n)
				return n, err
			}
			return queueRiver(ctx, riversqlite.New(db), w, riverSetup{tuned: true}, ask, closing)
		},
	}
}

// SQLite opens an empty file as durable as outdial's, with one connection. closing deletes it.
func SQLite(l *lab.Lab) (db *sql.DB, closing func() error, err error) {
	path, remove, err := l.File("peer.db")
	if err != nil {
		return nil, nil, err
	}
	const pragmas = "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)"
	if db, err = sql.Open("sqlite", "file:"+path+pragmas); err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	db.SetMaxOpenConns(1)
	return db, func() error { return errors.Join(db.Close(), remove()) }, nil
}

// RiverSQLiteInserter opens River only to insert jobs.
func RiverSQLiteInserter(ctx context.Context, l *lab.Lab) (*river.Client[*sql.Tx], func() error, error) {
	db, closing, err := SQLite(l)
	if err != nil {
		return nil, nil, err
	}
	c, err := openRiver(ctx, riversqlite.New(db), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, errors.Join(err, closing())
	}
	return c, closing, nil
}

// SizeOf is the number of bytes in the pages of a SQLite file that others have open, its log included.
func SizeOf(ctx context.Context, path string) (n int, err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&n)
	return n, err
}
