package measure

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/report"
	"github.com/outdial/outdial/benchmarks/internal/systems"
)

// Floor measures what disk and databases admit whatever is above them.
func Floor(size Size) Measure {
	most := time.Duration(size.of(1_000, 300, 30)) * time.Millisecond
	const group, connections = 500, 16
	m := Measure{
		Name:  "floor",
		Title: "What the disk and the databases admit",
		Work: "Syncs of a file that grows by 4 kB each time; updates of one row a transaction, and of 500 neighbouring " +
			"rows a transaction.",
		Notes: []string{
			"A call writes two rows when it begins and two when it ends: about a quarter of the rows a second is what an " +
				"engine can reach.",
		},
		Metrics: []report.Metric{
			{Key: "commits", Name: "commits", Unit: "1/s", Digits: 0},
			{Key: "rows", Name: "rows", Unit: "1/s", Digits: 0},
		},
	}
	m.add("floor: fsync", "every write", "", func(_ context.Context, l *lab.Lab) (report.Sample, error) {
		return syncs(l, most)
	})
	sqlite := func(name string, rows int) {
		m.add(name, systems.SQLiteFull, "", func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			return sqliteUpdates(ctx, l, rows, most)
		})
	}
	sqlite("floor: SQLite, a row a commit", 1)
	sqlite("floor: SQLite, 500 rows a commit", group)
	postgres := func(name string, rows, connections int) {
		m.add(name, systems.PostgresSync, "", func(ctx context.Context, l *lab.Lab) (report.Sample, error) {
			return postgresUpdates(ctx, l, rows, connections, most)
		})
	}
	postgres("floor: PostgreSQL, a row a commit, 1 connection", 1, 1)
	postgres("floor: PostgreSQL, a row a commit, 16 connections", 1, connections)
	postgres("floor: PostgreSQL, 500 rows a commit, 1 connection", group, 1)
	return m
}

// repeat does it for that long and returns how often it did in a second, for rows each time.
func repeat(most time.Duration, rows int, do func(i int) error) (report.Sample, error) {
	begun, n := time.Now(), 0
	for time.Since(begun) < most {
		if err := do(n); err != nil {
			return nil, err
		}
		n++
	}
	return rates(n, rows, time.Since(begun)), nil
}

func rates(commits, rows int, took time.Duration) report.Sample {
	perSecond := float64(commits) / took.Seconds()
	return report.Sample{"commits": perSecond, "rows": perSecond * float64(rows)}
}

func syncs(l *lab.Lab, most time.Duration) (s report.Sample, err error) {
	path, remove, err := l.File("synced")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	file, err := os.CreateTemp(filepath.Dir(path), "")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	const page = 4096
	text := make([]byte, page)
	s, err = repeat(most, 1, func(int) error {
		if _, err := file.Write(text); err != nil {
			return err
		}
		return file.Sync()
	})
	delete(s, "rows")
	return s, err
}

// floorRows is how many rows there are to update.
const floorRows = 50_000

func sqliteUpdates(ctx context.Context, l *lab.Lab, rows int, most time.Duration) (s report.Sample, err error) {
	db, closing, err := systems.SQLite(l)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closing()) }()
	for _, text := range []string{
		"CREATE TABLE floor (key INTEGER PRIMARY KEY, status INTEGER NOT NULL, data BLOB NOT NULL)",
		`WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 49999)
			INSERT INTO floor SELECT i, 0, zeroblob(60) FROM n`,
	} {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return nil, err
		}
	}
	update, err := db.PrepareContext(ctx, "UPDATE floor SET status = status + 1 WHERE key = ?")
	if err != nil {
		return nil, err
	}
	defer update.Close()
	return repeat(most, rows, func(i int) error { return updateRows(ctx, db, update, i*rows, rows) })
}

func updateRows(ctx context.Context, db *sql.DB, update *sql.Stmt, from, rows int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing to undo once it is committed
	inTx := tx.StmtContext(ctx, update)
	defer inTx.Close()
	for i := range rows {
		if _, err := inTx.ExecContext(ctx, (from+i)%floorRows); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func postgresUpdates(
	ctx context.Context, l *lab.Lab, rows, connections int, most time.Duration,
) (s report.Sample, err error) {
	pool, closing, err := systems.Pool(ctx, l)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closing()) }()
	for _, text := range []string{
		"CREATE TABLE floor (key bigint PRIMARY KEY, status integer NOT NULL, data bytea NOT NULL) WITH (fillfactor = 70)",
		"INSERT INTO floor SELECT i, 0, decode(repeat('00', 60), 'hex') FROM generate_series(0, 49999) AS i",
		"VACUUM ANALYZE floor",
	} {
		if _, err := pool.Exec(ctx, text); err != nil {
			return nil, err
		}
	}
	if err := l.Settle(ctx); err != nil {
		return nil, err
	}
	return updateTogether(ctx, pool, rows, connections, most)
}

func updateTogether(
	ctx context.Context, pool *pgxpool.Pool, rows, connections int, most time.Duration,
) (report.Sample, error) {
	const update = "UPDATE floor SET status = status + 1 WHERE key >= $1 AND key < $2"
	all, ctx := errgroup.WithContext(ctx)
	done := make([]int, connections)
	begun := time.Now()
	for c := range connections {
		all.Go(func() error {
			for time.Since(begun) < most {
				// Connections stay apart from each other.
				from := (c*floorRows/connections + done[c]*rows) % floorRows
				if _, err := pool.Exec(ctx, update, from, from+rows); err != nil {
					return err
				}
				done[c]++
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	commits := 0
	for _, n := range done {
		commits += n
	}
	return rates(commits, rows, time.Since(begun)), nil
}
