package postgres_test

import (
	"cmp"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
	"github.com/outdial/outdial/store/storetest"
)

// mode is a way to run the suite. It remembers how a store was opened, to open it again.
type mode struct {
	// config says how to open the store over a database.
	config func(t *testing.T, name string) postgres.Config

	mu     sync.Mutex
	opened map[store.Store]postgres.Config
}

func (m *mode) open(t *testing.T, c postgres.Config) store.Store {
	t.Helper()
	s := open(t, c)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened[s] = c
	return s
}

func (m *mode) fresh(t *testing.T) store.Store {
	t.Helper()
	return m.open(t, m.config(t, prepared(t)))
}

func (m *mode) reopen(t *testing.T, s store.Store) store.Store {
	t.Helper()
	require.NoError(t, s.(*postgres.Store).Close())
	m.mu.Lock()
	c := m.opened[s]
	m.mu.Unlock()
	return m.open(t, c)
}

// later has all leases run out earlier.
func (m *mode) later(t *testing.T, s store.Store, by time.Duration) {
	t.Helper()
	m.mu.Lock()
	c := m.opened[s]
	m.mu.Unlock()
	schema := pgx.Identifier{cmp.Or(c.Schema, "outdial")}.Sanitize()
	conn := c.Pool
	if conn == nil {
		var err error
		conn, err = pgxpool.New(t.Context(), c.URL)
		require.NoError(t, err)
		defer conn.Close()
	}
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{AccessMode: pgx.ReadWrite})
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "UPDATE "+schema+".nodes SET expires_at = expires_at - $1::bigint * interval '1 microsecond'",
		pgx.QueryExecModeExec, by.Microseconds())
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
}

func (m *mode) test(t *testing.T) {
	t.Helper()
	m.opened = map[store.Store]postgres.Config{}
	storetest.Harness{Open: m.fresh, Reopen: m.reopen, Later: m.later}.Test(t)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	m := &mode{config: func(_ *testing.T, name string) postgres.Config {
		return postgres.Config{URL: cluster.server.URL(name)}
	}}
	m.test(t)
}

// A pooler gives each transaction another connection, so nothing may be left on one between two.
func TestConformanceBehindAPooler(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite once is short enough")
	}
	t.Parallel()
	cluster.pool(t)
	m := &mode{config: func(_ *testing.T, name string) postgres.Config {
		return postgres.Config{URL: cluster.pooler.URL(name), NoPrepare: true}
	}}
	m.test(t)
}

// The database's defaults are another's to choose, and a schema's name may be anything.
func TestConformanceUnderOtherDefaults(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite once is short enough")
	}
	t.Parallel()
	const odd = `odd "name"; DROP SCHEMA public; -- é$1 outdial.x`
	m := &mode{config: func(t *testing.T, name string) postgres.Config {
		t.Helper()
		for _, setting := range []string{
			"default_transaction_isolation = 'serializable'", "default_transaction_read_only = on", "synchronous_commit = off",
			"search_path = ''", "timezone = 'Pacific/Chatham'", "bytea_output = 'escape'",
			"standard_conforming_strings = off", "enable_indexscan = off",
		} {
			require.NoError(t, cluster.server.Exec(t.Context(), "postgres", "ALTER DATABASE "+name+" SET "+setting))
		}
		t.Cleanup(func() {
			// Before the database is handed on.
			require.NoError(t, cluster.server.Exec(context.Background(), "postgres", "ALTER DATABASE "+name+" RESET ALL"))
			require.NoError(t, cluster.server.Exec(context.Background(), name,
				"DROP SCHEMA "+pgx.Identifier{odd}.Sanitize()+" CASCADE"))
		})
		return postgres.Config{URL: cluster.server.SocketURL(name), Schema: odd}
	}}
	m.test(t)
}

// A host's pool is used as it is and left as it was.
func TestConformanceOverAPool(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite once is short enough")
	}
	t.Parallel()
	m := &mode{config: func(t *testing.T, name string) postgres.Config {
		t.Helper()
		pool, err := pgxpool.New(context.Background(), cluster.server.URL(name)+
			"&pool_max_conns=3&default_query_exec_mode=cache_describe")
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		return postgres.Config{Pool: pool, NoHints: true}
	}}
	m.test(t)
}
