package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/migrations"
)

// migrationFiles are numbered from 1 without a gap and applied in that order. One that was
// released never changes: databases exist that have run it.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is a step to the newest schema.
type Migration struct {
	Version int    // from 1
	Name    string // of its file, such as 0001_tables.sql
	SQL     string // one or more statements, to be run in one transaction
}

// Migrations returns the SQL that makes the tables in a schema (empty: outdial), in its order, for
// hosts that have a migrator of their own: run those that are new, each in a transaction, and open the
// store with NoMigrate. Each notes in the table schema_versions that it was run, and from which version on the
// store can
// work with what it made (usable_from); the first makes the schema where there is none.
//
// Run them with a lock_timeout of 1 to 2 seconds, and again after a pause where that strikes. An ALTER TABLE that
// waits for somebody who reads the table, such as pg_dump, has everybody else wait behind it: without a limit the nodes
// that are dialling lose their leases. The limit should be longer than deadlock_timeout (1 second, unless it was
// changed), after which the server has an autovacuum make way.
func Migrations(schema string) ([]Migration, error) {
	c := Config{Schema: schema, URL: "-"}.withDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("postgres: migrations: %w", err)
	}
	s := newSchema(c.Schema)
	list, err := loadMigrations(s)
	if err != nil {
		return nil, fmt.Errorf("postgres: migrations: %w", err)
	}
	list[0].SQL = "CREATE SCHEMA IF NOT EXISTS " + s.quoted + ";\n\n" + list[0].SQL
	return list, nil
}

func loadMigrations(s *schema) ([]Migration, error) {
	steps, err := migrations.Load(migrationFiles)
	out := make([]Migration, len(steps))
	for i, step := range steps {
		out[i] = Migration{Version: i + 1, Name: step.Name, SQL: s.in(step.SQL)}
	}
	return out, err
}

// migrator brings one schema to what this version knows.
type migrator struct {
	*schema

	conn  *pgx.Conn
	list  []Migration
	leave bool          // to the host
	wait  time.Duration // for other migrators, and for those who use the tables
}

func migrate(ctx context.Context, pool *pgxpool.Pool, c Config, s *schema) error {
	list, err := loadMigrations(s)
	if err != nil {
		return err
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	m := &migrator{schema: s, conn: conn.Conn(), list: list, leave: c.NoMigrate, wait: max(c.Timeout, time.Minute)}
	return m.run(ctx)
}

func (m *migrator) run(ctx context.Context) error {
	// First without a lock, which somebody else may be holding for long.
	version, err := m.version(ctx)
	if err != nil {
		return err
	}
	switch {
	case version > len(m.list):
		return m.newer(ctx, version)
	case version == len(m.list):
		return nil
	case m.leave:
		return m.older(version)
	}
	// Isolation and all else as it is meant here, whatever the database's defaults are.
	return pgx.BeginTxFunc(ctx, m.conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite},
		func(tx pgx.Tx) error { return m.locked(ctx, tx) })
}

// newer refuses a schema of a version that came later, unless all migrations that are not known here say that
// they leave it usable: so the nodes of two versions work together, whichever starts last.
func (m *migrator) newer(ctx context.Context, version int) error {
	var from int
	const usable = "SELECT max(coalesce(usable_from, version)) FROM outdial.schema_versions WHERE version > $1"
	err := m.conn.QueryRow(ctx, m.in(usable), len(m.list)).Scan(&from)
	if err != nil {
		return fmt.Errorf("which versions can use the schema: %w", err)
	}
	if from <= len(m.list) {
		return nil
	}
	return fmt.Errorf("schema %q has version %d, which version %d and later can use, this version knows up to %d: %w",
		m.name, version, from, len(m.list), store.ErrNewerSchema)
}

func (m *migrator) older(version int) error {
	return fmt.Errorf("schema %q has version %d, this version needs %d: it lacks migrations of this version, "+
		"and NoMigrate leaves them to the host: %w", m.name, version, len(m.list), store.ErrOlderSchema)
}

// version is the latest migration that was run, 0 for none.
func (m *migrator) version(ctx context.Context) (version int, err error) {
	// Not to_regclass: it would answer from what this connection knew before it waited for the lock.
	var there bool
	const look = `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = 'schema_versions')`
	if err := m.conn.QueryRow(ctx, look, m.name).Scan(&there); err != nil {
		return 0, fmt.Errorf("look for the schema: %w", err)
	}
	if !there {
		return 0, nil
	}
	err = m.conn.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM "+m.quoted+".schema_versions").Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("version of the schema: %w", err)
	}
	return version, nil
}

// locked migrates while nobody else does. The lock goes with the transaction, so that no pooler
// can give it to somebody else.
func (m *migrator) locked(ctx context.Context, tx pgx.Tx) error {
	if err := m.limit(ctx, m.wait); err != nil {
		return err
	}
	const lock = "SELECT pg_advisory_xact_lock(hashtextextended('outdial migrations ' || $1, 0))"
	if _, err := m.conn.Exec(ctx, lock, m.name); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	version, err := m.version(ctx) // again: another process may have been faster
	if err != nil {
		return err
	}
	if version > len(m.list) {
		return m.newer(ctx, version)
	}
	// A try that fails lets go of what it has locked, but for the lock above: there is one who tries.
	for tries := int(m.wait / (migrateLock + migratePause)); ; tries-- {
		err := pgx.BeginFunc(ctx, tx, func(pgx.Tx) error { return m.apply(ctx, m.list[version:]) })
		if !inTheWay(err) {
			return err
		}
		if tries <= 0 {
			return fmt.Errorf("others used the tables for %s: %w", m.wait, err)
		}
		if err := pause(ctx, migratePause); err != nil {
			return fmt.Errorf("others use the tables: %w", err)
		}
	}
}

// Whoever waits for a table's ACCESS EXCLUSIVE lock has all others wait behind it, also those who only write. So it is
// waited for shortly, yet for longer than deadlock_timeout is by default: only then has the server an autovacuum
// make way. In the pauses what has queued up goes on.
const (
	migrateLock  = 1500 * time.Millisecond
	migratePause = 2 * time.Second
)

// limit bounds what the transaction waits for, and nothing else of it: nobody knows how long a migration takes.
func (m *migrator) limit(ctx context.Context, lock time.Duration) error {
	settings := fmt.Sprintf(`SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '%d', true),
		set_config('idle_in_transaction_session_timeout', '0', true)`, lock.Milliseconds())
	if _, err := m.conn.Exec(ctx, settings); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	return nil
}

// inTheWay says that a migration was undone because others use what it changes.
func inTheWay(err error) bool {
	_, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (lockedOut(err) || again(err))
}

func (m *migrator) apply(ctx context.Context, steps []Migration) error {
	if err := m.limit(ctx, migrateLock); err != nil {
		return err
	}
	if err := m.make(ctx); err != nil {
		return err
	}
	for _, step := range steps {
		if _, err := m.conn.PgConn().Exec(ctx, step.SQL).ReadAll(); err != nil {
			return fmt.Errorf("migration %s: %w", step.Name, err)
		}
	}
	return nil
}

// make makes the schema, for which one needs a right that one may not have where it is there.
func (m *migrator) make(ctx context.Context) error {
	var there bool
	const look = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)"
	if err := m.conn.QueryRow(ctx, look, m.name).Scan(&there); err != nil {
		return fmt.Errorf("look for the schema: %w", err)
	}
	if there {
		return nil
	}
	if _, err := m.conn.Exec(ctx, "CREATE SCHEMA "+m.quoted); err != nil {
		return fmt.Errorf("make the schema: %w", err)
	}
	return nil
}
