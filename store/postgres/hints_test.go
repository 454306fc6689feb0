package postgres_test

import (
	"context"
	"encoding/hex"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// patience is how long anything may take that is to happen. A test that passes does not wait for it.
const patience = 60 * time.Second

// hear waits for a hint.
func hear(t *testing.T, hints <-chan string, want string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		select {
		case got, open := <-hints:
			require.True(t, open, "the hints ended")
			if got == want {
				return
			}
		case <-deadline.C:
			require.FailNow(t, "no hint", "%q", want)
		}
	}
}

func TestHintsTellWhoWasChangedByAnotherProcess(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	writer, reader := open(t, postgres.Config{URL: url}), open(t, postgres.Config{URL: url})
	hints := reader.Hints(t.Context())
	hear(t, hints, "") // it listens now
	src := newSource()
	b, err := writer.CreateBatch(t.Context(), src.batch("org\x00é"), people(2))
	require.NoError(t, err)
	hear(t, hints, b.Org)
	_, err = writer.Change(t.Context(), b.Org, b.ID, store.Change{Action: store.ActionPause, At: src.now()})
	require.NoError(t, err)
	hear(t, hints, b.Org)
	_, err = writer.Change(t.Context(), b.Org, b.ID, store.Change{Action: store.ActionResume, At: src.now()})
	require.NoError(t, err)
	hear(t, hints, b.Org)
	require.NoError(t, writer.Heartbeat(t.Context(), store.Node{ID: "n"}, time.Hour))
	got, err := writer.Advance(t.Context(), store.Step{
		Org: b.Org, Owner: "n", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 1)},
	})
	require.NoError(t, err)
	require.Len(t, got.Claimed, 1)
	hear(t, hints, b.Org)
}

// A store does not wake itself: it knows what it has changed. Versions that sent no token are heard, all in one order.
func TestOwnHintsAreNotHeard(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	mine, theirs := open(t, postgres.Config{URL: url}), open(t, postgres.Config{URL: url})
	hints := mine.Hints(t.Context())
	hear(t, hints, "")
	listening := session(t, url)
	var channel string
	require.NoError(t, listening.QueryRow(t.Context(), "SELECT 'outdial_' || left(encode(sha256('outdial'), 'hex'), 16)").Scan(&channel))
	_, err := listening.Exec(t.Context(), "LISTEN "+channel)
	require.NoError(t, err)
	told := func(org string) {
		for { // the server has given it to everybody by then
			n, err := listening.WaitForNotification(t.Context())
			require.NoError(t, err)
			if strings.HasPrefix(n.Payload, hex.EncodeToString([]byte(org))) {
				return
			}
		}
	}
	src := newSource()
	_, err = mine.CreateBatch(t.Context(), src.batch("mine"), people(1))
	require.NoError(t, err)
	told("mine")
	run(t, url, "SELECT pg_notify('"+channel+"', encode('older', 'hex'))")
	told("older")
	_, err = theirs.CreateBatch(t.Context(), src.batch("theirs"), people(1))
	require.NoError(t, err)
	require.Equal(t, "older", <-hints)
	require.Equal(t, "theirs", <-hints)
}

func TestHintsOfAnotherSchemaAreNotHeard(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	mine := open(t, postgres.Config{URL: url})
	theirs := open(t, postgres.Config{URL: url, Schema: "other"})
	t.Cleanup(func() { dropSchema(t, url, "other") })
	hints := mine.Hints(t.Context())
	hear(t, hints, "")
	src := newSource()
	_, err := theirs.CreateBatch(t.Context(), src.batch("theirs"), people(1))
	require.NoError(t, err)
	_, err = open(t, postgres.Config{URL: url}).CreateBatch(t.Context(), src.batch("mine"), people(1))
	require.NoError(t, err)
	require.Equal(t, "mine", <-hints)
}

// messages is a log of which a test waits for a line.
type messages chan string

func (m messages) Enabled(context.Context, slog.Level) bool { return true }
func (m messages) WithAttrs([]slog.Attr) slog.Handler       { return m }
func (m messages) WithGroup(string) slog.Handler            { return m }
func (m messages) Handle(_ context.Context, r slog.Record) error {
	select {
	case m <- r.Message:
	default:
	}
	return nil
}

func TestHintsAreSilentBehindAPooler(t *testing.T) {
	t.Parallel()
	cluster.pool(t)
	log := make(messages, 100)
	s := open(t, postgres.Config{URL: cluster.pooler.URL(prepared(t)), NoPrepare: true, Logger: slog.New(log)})
	ctx, cancel := context.WithCancel(t.Context())
	hints := s.Hints(ctx)
	hear(t, log, "postgres: not listening") // it was noticed, and is said
	src := newSource()
	_, err := s.CreateBatch(t.Context(), src.batch("org_1"), people(1))
	require.NoError(t, err)
	cancel()
	for hint := range hints {
		require.Fail(t, "a hint over a connection that cannot listen", "%q", hint)
	}
}

// LISTEN behind a pooler would stay with a connection of the server, and hints pile up with whoever has it next.
func TestHintsLeaveNothingInAPooler(t *testing.T) {
	t.Parallel()
	cluster.pool(t)
	name := database(t, template)
	pool, err := pgxpool.New(t.Context(), cluster.pooler.URL(name)+"&default_query_exec_mode=cache_describe&pool_max_conns=20")
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	log := make(messages, 100)
	s := open(t, postgres.Config{Pool: pool, Logger: slog.New(log)})
	s.Hints(t.Context())
	hear(t, log, "postgres: not listening")
	// A transaction each for all connections of the pooler to the server.
	var conns int
	err = session(t, cluster.server.URL(name)).QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&conns)
	require.NoError(t, err)
	require.Positive(t, conns)
	for range conns {
		tx, err := pool.Begin(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, tx.Rollback(context.Background())) })
		var channels int
		require.NoError(t, tx.QueryRow(t.Context(), "SELECT count(*) FROM pg_listening_channels()").Scan(&channels))
		require.Zero(t, channels)
	}
}

func TestHintsCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	_, more := <-fresh(t).Hints(t.Context())
	require.False(t, more)
}

func TestHintsEndWithTheirContextAndWithTheStore(t *testing.T) {
	t.Parallel()
	s := open(t, postgres.Config{URL: cluster.url(t)})
	ctx, cancel := context.WithCancel(t.Context())
	first, second := s.Hints(ctx), s.Hints(t.Context())
	hear(t, first, "")
	hear(t, second, "")
	cancel()
	_, more := <-first
	require.False(t, more)
	require.NoError(t, s.Close())
	_, more = <-second
	require.False(t, more)
	_, more = <-s.Hints(t.Context())
	require.False(t, more)
}

func TestHintsGoOnAfterTheirConnectionWasLost(t *testing.T) {
	t.Parallel()
	name := database(t, template)
	c := postgres.Config{URL: cluster.server.URL(name)}
	s := open(t, c)
	hints := s.Hints(t.Context())
	hear(t, hints, "")
	require.NoError(t, cluster.server.Exec(t.Context(), name, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE 'LISTEN%'`))
	hear(t, hints, "") // something may have been missed
	src := newSource()
	_, err := open(t, c).CreateBatch(t.Context(), src.batch("org_1"), people(1))
	require.NoError(t, err)
	hear(t, hints, "org_1")
}

// A reader that sleeps keeps nobody waiting, and hears that it has missed something.
func TestHintsMissedAreToldOf(t *testing.T) {
	t.Parallel()
	c := postgres.Config{URL: cluster.url(t)}
	s := open(t, c)
	hints := open(t, c).Hints(t.Context())
	hear(t, hints, "")
	src := newSource()
	for i := range 600 {
		_, err := s.CreateBatch(t.Context(), src.batch("org_"+string(rune('a'+i%26))+string(rune('a'+i/26))), people(1))
		require.NoError(t, err)
	}
	missed := func() bool {
		_, err := s.CreateBatch(t.Context(), src.batch("last"), people(1))
		require.NoError(t, err)
		select {
		case hint := <-hints:
			return hint == ""
		default:
			return false
		}
	}
	require.Eventually(t, missed, patience, time.Millisecond)
}
