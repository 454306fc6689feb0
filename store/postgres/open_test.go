package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

func TestManyProcessesMayStartAtOnce(t *testing.T) {
	t.Parallel()
	url := cluster.start(t).URL(database(t, "template0"))
	const n = 20
	stores := make([]*postgres.Store, n)
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			stores[i], errs[i] = postgres.Open(context.Background(), postgres.Config{URL: url + "&pool_max_conns=2"})
		})
	}
	all.Wait()
	for i := range n {
		require.NoError(t, errs[i])
		require.NoError(t, stores[i].Close())
	}
	var versions []int32
	err := session(t, url).QueryRow(t.Context(), "SELECT array_agg(version ORDER BY version) FROM outdial.schema_versions").Scan(&versions)
	require.NoError(t, err)
	require.Equal(t, []int32{1, 2, 3, 4}, versions)
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]string{
		"that says nothing":             "(77, NULL)",
		"for later versions":            "(77, 77)",
		"behind one for later versions": "(76, 76), (77, 4)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := cluster.start(t).URL(database(t, template))
			run(t, url, "INSERT INTO outdial.schema_versions (version, usable_from) VALUES "+row)
			for _, noMigrate := range []bool{false, true} {
				_, err := postgres.Open(t.Context(), postgres.Config{URL: url, NoMigrate: noMigrate})
				require.ErrorIs(t, err, store.ErrNewerSchema)
				require.NotErrorIs(t, err, store.ErrOlderSchema)
				require.ErrorContains(t, err, "77")
			}
		})
	}
}

// A node that restarts after one of the next version has migrated goes on with what that has left usable.
func TestNewerSchemaThatIsUsableIsUsed(t *testing.T) {
	t.Parallel()
	url := cluster.start(t).URL(database(t, template))
	run(t, url, "INSERT INTO outdial.schema_versions (version, usable_from) VALUES (5, 4), (6, 3)")
	open(t, postgres.Config{URL: url, NoMigrate: true, NoHints: true})
	s := open(t, postgres.Config{URL: url, NoHints: true})
	src, b := stocked(t, s, 3)
	got, err := s.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: "node_1", Now: src.now(), Limit: 9, Claims: []store.Claim{src.claim(b, 3)},
	})
	require.NoError(t, err)
	require.Len(t, got.Claimed, 3)
	var versions []int32
	err = session(t, url).QueryRow(t.Context(), "SELECT array_agg(version ORDER BY version) FROM outdial.schema_versions").Scan(&versions)
	require.NoError(t, err)
	require.Equal(t, []int32{1, 2, 3, 4, 5, 6}, versions, "nothing was migrated backwards or again")
}

// The exported SQL is all that a host's migrator needs, without any right that Open would have needed.
func TestAHostMayMigrateByItself(t *testing.T) {
	t.Parallel()
	url := cluster.start(t).URL(database(t, "template0"))
	_, err := postgres.Open(t.Context(), postgres.Config{URL: url, Schema: "calls", NoMigrate: true})
	require.ErrorIs(t, err, store.ErrOlderSchema)
	require.ErrorContains(t, err, "has version 0, this version needs 4")
	list, err := postgres.Migrations("calls")
	require.NoError(t, err)
	for i, m := range list {
		_, err := postgres.Open(t.Context(), postgres.Config{URL: url, Schema: "calls", NoMigrate: true})
		require.ErrorIs(t, err, store.ErrOlderSchema)
		require.NotErrorIs(t, err, store.ErrNewerSchema)
		require.Equal(t, i+1, m.Version)
		require.NotContains(t, m.SQL, "outdial.")
		run(t, url, "BEGIN; "+m.SQL+"; COMMIT")
	}
	run(t, url, `CREATE ROLE dialler_of_calls LOGIN; GRANT USAGE ON SCHEMA calls TO dialler_of_calls;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA calls TO dialler_of_calls`)
	t.Cleanup(func() { run(t, url, "DROP OWNED BY dialler_of_calls; DROP ROLE dialler_of_calls") })
	asRole := strings.Replace(url, "postgres@", "dialler_of_calls@", 1)
	require.NotEqual(t, url, asRole)
	s := open(t, postgres.Config{URL: asRole, Schema: "calls", NoMigrate: true})
	stocked(t, s, 3)
}

// A role that may make nothing can use a schema that is up to date.
func TestNothingIsMadeThatIsThere(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	for range 2 {
		require.NoError(t, open(t, postgres.Config{URL: url}).Close())
	}
}

func TestSchemasOfOneDatabaseAreApart(t *testing.T) {
	t.Parallel()
	url := cluster.start(t).URL(database(t, template))
	one, two := open(t, postgres.Config{URL: url}), open(t, postgres.Config{URL: url, Schema: "Two"})
	_, b := stocked(t, one, 3)
	_, err := two.Batch(t.Context(), "org_1", b.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	nodes, err := two.Nodes(t.Context())
	require.NoError(t, err)
	require.Empty(t, nodes)
}

func TestAHostsPoolStaysOpen(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), cluster.url(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s, err := postgres.Open(t.Context(), postgres.Config{Pool: pool, NoHints: true})
	require.NoError(t, err)
	stocked(t, s, 3)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	var timeout, plans string
	const settings = "SELECT current_setting('statement_timeout'), current_setting('enable_seqscan')"
	require.NoError(t, pool.QueryRow(t.Context(), settings).Scan(&timeout, &plans))
	require.Equal(t, []string{"0", "on"}, []string{timeout, plans}, "settings end with the transaction")
	_, err = s.Active(t.Context())
	require.ErrorIs(t, err, store.ErrClosed)
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	simple, err := pgxpool.New(t.Context(), "postgres://127.0.0.1:1/x?default_query_exec_mode=simple_protocol")
	require.NoError(t, err)
	t.Cleanup(simple.Close)
	for want, c := range map[string]postgres.Config{
		"expected URL or Pool, and there is neither":   {},
		"expected URL or Pool, and there are both":     {URL: "postgres://x", Pool: simple},
		"schema \"pg_mine\": expected a name":          {URL: "postgres://x", Schema: "pg_mine"},
		"schema \"a\\x00b\": expected a name":          {URL: "postgres://x", Schema: "a\x00b"},
		"of 1 to 63 bytes":                             {URL: "postgres://x", Schema: strings.Repeat("x", 64)},
		"timeout -1s: expected 10ms or more":           {URL: "postgres://x", Timeout: -time.Second},
		"pool: expected a pool that uses the extended": {Pool: simple},
		"no-prepare: expected with URL only":           {Pool: simple, NoPrepare: true},
		"url: cannot parse":                            {URL: "postgres://user:secret@host:port/"},
		"url: expected a pool that uses the extended":  {URL: "postgres://127.0.0.1/?default_query_exec_mode=simple_protocol"},
	} {
		_, err := postgres.Open(t.Context(), c)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err = postgres.Migrations("pg_x")
	require.ErrorContains(t, err, "schema")
}

func TestServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), postgres.Config{URL: "postgres://127.0.0.1:1/x", Timeout: time.Second})
	require.ErrorContains(t, err, "connect")
}

// Every statement of a method stands under limits of its own, whatever the server's are.
func TestEveryTransactionIsBounded(t *testing.T) {
	t.Parallel()
	url := cluster.url(t)
	s := open(t, postgres.Config{URL: url, NoHints: true, Timeout: 7 * time.Second})
	src, b := stocked(t, s, 5)
	// A trigger sees the settings of who writes.
	run(t, url, `CREATE TABLE outdial.seen (name text, value text);
		CREATE FUNCTION outdial.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO outdial.seen SELECT name, current_setting(name) FROM unnest(ARRAY['statement_timeout', 'lock_timeout',
				'idle_in_transaction_session_timeout', 'transaction_isolation', 'synchronous_commit', 'tcp_user_timeout',
				'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count', 'transaction_timeout']) AS n (name)
				WHERE current_setting(name, true) IS NOT NULL;
			RETURN NEW; END $$;
		CREATE TRIGGER look BEFORE UPDATE ON outdial.organisations FOR EACH ROW EXECUTE FUNCTION outdial.look();`)
	t.Cleanup(func() { run(t, url, "DROP FUNCTION outdial.look() CASCADE; DROP TABLE outdial.seen") })
	run(t, url, "ALTER ROLE postgres IN DATABASE "+dbOf(url)+" SET synchronous_commit = off")
	t.Cleanup(func() { run(t, url, "ALTER ROLE postgres IN DATABASE "+dbOf(url)+" RESET ALL") })
	again := open(t, postgres.Config{URL: url, NoHints: true, Timeout: 7 * time.Second})
	_, err := again.Change(t.Context(), "org_1", b.ID, store.Change{Action: store.ActionPause, At: src.now()})
	require.NoError(t, err)
	rows, err := session(t, url).Query(t.Context(), "SELECT DISTINCT name, value FROM outdial.seen")
	require.NoError(t, err)
	got := map[string]string{}
	for rows.Next() {
		var name, value string
		require.NoError(t, rows.Scan(&name, &value))
		got[name] = value
	}
	require.NoError(t, rows.Err())
	want := map[string]string{
		"statement_timeout": "7s", "lock_timeout": "1s", "idle_in_transaction_session_timeout": "7s",
		"transaction_isolation": "read committed", "synchronous_commit": "on", "tcp_user_timeout": "7000",
		"tcp_keepalives_idle": "4", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "4", // seconds
	}
	if serverVersion(t, url) >= 17 {
		want["transaction_timeout"] = "7s"
	}
	require.Equal(t, want, got)
}

// serverVersion is the major one.
func serverVersion(t *testing.T, url string) (n int) {
	t.Helper()
	require.NoError(t, session(t, url).QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int / 10000").Scan(&n))
	return n
}

func dbOf(url string) string {
	_, name, _ := strings.Cut(strings.TrimPrefix(url, "postgres://"), "/")
	name, _, _ = strings.Cut(name, "?")
	return name
}
