package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// trip is what goes to the server together: it answers in one round trip.
type trip struct {
	schema *schema
	queue  pgx.Batch
}

// ask adds a statement, of which there are few.
func (t *trip) ask(text string, args ...any) *pgx.QueuedQuery {
	return t.queue.Queue(t.schema.kept(text), args...)
}

// find adds a query of one row at most. found may be nil.
func (t *trip) find(found *bool, text string, args, into []any) {
	t.ask(text, args...).Query(func(rows pgx.Rows) error {
		if !rows.Next() {
			return rows.Err()
		}
		if found != nil {
			*found = true
		}
		return rows.Scan(into...)
	})
}

// each adds a query whose rows are read by one.
func (t *trip) each(one func(scan func(...any) error) error, text string, args ...any) {
	each(t.ask(text, args...), one)
}

func each(q *pgx.QueuedQuery, one func(scan func(...any) error) error) {
	q.Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := one(rows.Scan); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// The isolation is said each time, since a database may have another default. Read committed is
// enough: who holds the organisation's row sees all that was written before, and nobody else writes.
const (
	beginWrite = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"
	beginRead  = "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY"
	beginView  = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY" // for several statements that must agree
	commit     = "COMMIT"
)

// settings bounds what a transaction may wait for, and makes its plans walk indexes, however young or
// old the statistics of the tables are. All of it ends with the transaction, so neither a pooler nor a
// host's pool is left with it. A database that acknowledges commits before they are durable is not believed.
//
// A step arrives in one piece or in several, and locks with its first statement. In the middle of it a server waits for
// the rest without a limit, until PostgreSQL 17 has transaction_timeout; before, it finds out by keepalives that
// the client, or the way to it, is gone.
func settings(timeout time.Duration) string {
	ms, lock := timeout.Milliseconds(), min(timeout, lockPatience).Milliseconds()
	const probes = 4
	idle, interval := seconds(timeout/2), seconds(timeout/(2*probes)) //nolint:mnd // silent for a half, probed for a half
	return fmt.Sprintf(`SELECT set_config('statement_timeout', '%d', true), set_config('lock_timeout', '%d', true),
	set_config('idle_in_transaction_session_timeout', '%d', true), set_config('tcp_user_timeout', '%d', true),
	set_config('tcp_keepalives_idle', '%d', true), set_config('tcp_keepalives_interval', '%d', true),
	set_config('tcp_keepalives_count', '%d', true),
	set_config('enable_indexscan', 'on', true), set_config('enable_tidscan', 'on', true),
	set_config('enable_nestloop', 'on', true),
	set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
	set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
	set_config('enable_material', 'off', true), set_config('random_page_cost', '1.1', true),
	set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true),
	CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
		THEN set_config('transaction_timeout', '%d', true) END,
	CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END`,
		ms, lock, ms, ms, idle, interval, probes, ms)
}

// seconds are whole ones, 1 or more: 0 would be the system's default.
func seconds(d time.Duration) int64 { return max(1, int64(d.Round(time.Second).Seconds())) }

// writeSettings are added to them for what writes, where each row of an array finds another one: to keep rows in case
// that they are found again costs for nothing then. PostgreSQL does so from version 14 on.
const writeSettings = `,
	CASE WHEN current_setting('enable_memoize', true) IS NOT NULL THEN set_config('enable_memoize', 'off', true) END`

// work is a transaction over one connection.
type work struct {
	schema   *schema
	settings string
	conn     *pgxpool.Conn
}

// begin returns the first trip.
func (w *work) begin(how string) *trip {
	t := w.trip()
	t.queue.Queue(how)
	if how == beginWrite {
		t.queue.Queue(w.settings + writeSettings)
	} else {
		t.queue.Queue(w.settings)
	}
	return t
}

func (w *work) trip() *trip { return &trip{schema: w.schema} }

// send goes and comes back.
func (w *work) send(ctx context.Context, t *trip) error {
	return discreet(w.conn.SendBatch(ctx, &t.queue).Close())
}

var errEncode = errors.New("pgx could not encode an argument")

// discreet keeps phone numbers and metadata out of what is logged: pgx spells out what it could not encode.
func discreet(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*pgconn.PgError](err); ok {
		return err
	}
	if at, _, cut := strings.Cut(err.Error(), ": unable to encode "); cut {
		return fmt.Errorf("%w: %s", errEncode, at)
	}
	return err
}

var errUndone = errors.New("the server has undone the transaction")

// finish sends the last trip, the commit behind it.
func (w *work) finish(ctx context.Context, t *trip) error {
	t.queue.Queue(commit).Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != commit {
			return errUndone
		}
		return nil
	})
	return w.send(ctx, t)
}

// undo ends what was begun and not finished. Where that fails the pool closes the connection, since
// it is in a transaction, and the server undoes it then.
func (w *work) undo(ctx context.Context) {
	c := w.conn.Conn()
	if c.IsClosed() || c.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = w.conn.Exec(ctx, "ROLLBACK")
}

// transact runs do in a transaction, which do begins and finishes, and again where the database
// asks for that: then nothing of it was written.
func (s *Store) transact(ctx context.Context, do func(context.Context, *work) error) error {
	const tries = 5
	for try := 1; ; try++ {
		err := s.once(ctx, do)
		if lockedOut(err) {
			if err := letPass(ctx, err); err != nil {
				return err
			}
			try--
			continue
		}
		if err == nil || try == tries || !again(err) {
			return err
		}
		s.log.Debug("postgres: a transaction is tried again", "try", try, "error", err)
		if err := pause(ctx, time.Duration(try)*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *Store) once(ctx context.Context, do func(context.Context, *work) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	w := &work{schema: s.schema, settings: s.settings, conn: conn}
	if err := do(ctx, w); err != nil {
		w.undo(ctx)
		return err
	}
	return nil
}

// again says that the transaction was undone for a reason that is none of its own: another one was in
// its way, or what this process knew was wrong, which it knows no more (see known.go), or the connection turned out to
// be dead before anything was sent over it.
func again(err error) bool {
	const serializationFailure, deadlock, divisionByZero = "40001", "40P01", "22012"
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == serializationFailure || e.Code == deadlock || e.Code == divisionByZero
	}
	return pgconn.SafeToRetry(err)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read asks one or more questions in one round trip.
func (s *Store) read(ctx context.Context, ask func(*trip)) error {
	return s.transact(ctx, func(ctx context.Context, w *work) error {
		t := w.begin(beginRead)
		ask(t)
		return w.finish(ctx, t)
	})
}
