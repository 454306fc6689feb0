package main

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
)

// over runs a command over a PostgreSQL database.
func (w *world) over(database string, args ...string) result {
	w.t.Helper()
	return w.exec(nil, append(args, "--config", w.path("config.yaml"), "--store", database)...)
}

// serveOver starts outdial serve over a PostgreSQL database.
func (w *world) serveOver(database string, args ...string) *served {
	w.t.Helper()
	return w.serveWith(http.DefaultTransport.(*http.Transport).Clone(),
		append(args, "--config", w.path("config.yaml"), "--store", database)...)
}

func TestEveryCommandWorksOverPostgreSQL(t *testing.T) {
	t.Parallel()
	database := newPostgres(t)
	w := newWorld(t, fast)
	r := w.over(database, "ls")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errOut, "outdial run and outdial serve make them")

	file := w.recipients("people.csv", 30)
	r = w.over(database, "run", file)
	require.Zero(t, r.code, r.errOut)
	require.Equal(t, 30, w.books().Dials(fake.Scope{}))
	again := w.over(database, "run", file)
	require.Zero(t, again.code, again.errOut)
	require.Contains(t, again.errOut, "has called these recipients already")
	require.Equal(t, 30, w.books().Dials(fake.Scope{}))

	require.Contains(t, w.over(database, "ls").out, "people")
	require.Contains(t, w.over(database, "show", "last").out, "all done")
	exported := w.over(database, "export", "last")
	require.Len(t, strings.Split(strings.TrimSpace(exported.out), "\n"), 31)
	require.Contains(t, w.over(database, "nodes").errOut, "Nothing dials from this database.")
	doc, _ := w.jsonWith("nodes", "--store", database)
	require.Equal(t, []any{}, doc["nodes"])
	doc, _ = w.jsonWith("export", "last", "--config", w.path("config.yaml"), "--store", database)
	id := doc["recipients"].([]any)[0].(map[string]any)["id"].(string)
	require.Zero(t, w.over(database, "why", id).code)

	retried := w.over(database, "retry", "last")
	require.Zero(t, retried.code, retried.errOut)
	require.Zero(t, w.over(database, "pause", "last").code)
	require.Contains(t, w.over(database, "why", "last").errOut+w.over(database, "show", "last").out, "paused")
	require.Zero(t, w.over(database, "target", "last", "2").code)
	require.Zero(t, w.over(database, "resume", "last").code)
	require.Contains(t, w.over(database, "show", "last").out, "nothing dials from this database")
	require.Zero(t, w.over(database, "cancel", "last").code)
	require.Contains(t, w.over(database, "show", "last").out, "cancelled")
	require.Equal(t, 30, w.books().Dials(fake.Scope{}))
	require.NoFileExists(t, w.path("test.db"))
}

// TestSeveralServeOverPostgreSQL has three share an organisation, a batch and a carrier.
func TestSeveralServeOverPostgreSQL(t *testing.T) {
	t.Parallel()
	database := newPostgres(t)
	carrier, err := fake.New(fake.Config{Books: true, Shares: fake.Shares{Answer: 1}, Talk: 50 * time.Millisecond})
	require.NoError(t, err)
	w := newWorld(t, "fake://"+serveFake(t, carrier)+"?channels=6")
	var nodes [3]*served
	var starting sync.WaitGroup
	for i := range nodes {
		starting.Go(func() { nodes[i] = w.serveOver(database, "--lease", "5s") })
	}
	starting.Wait()
	for _, n := range nodes {
		n.ready()
	}
	list := func() []any {
		doc, _ := w.jsonWith("nodes", "--store", database)
		return doc["nodes"].([]any)
	}
	nodes[0].eventually(func() bool {
		shares := 0.0
		for _, one := range list() {
			share, _ := one.(map[string]any)["carriers"].([]any)[0].(map[string]any)["share"].(float64)
			shares += share
			if share < 0.3 {
				return false // it is still to get its part
			}
		}
		require.LessOrEqual(t, shares, 1.0)
		return len(list()) == len(nodes)
	})
	for _, one := range list() {
		n := one.(map[string]any)
		require.Equal(t, []any{}, n["regions"])
		require.NotEmpty(t, n["started_at"])
		require.Positive(t, n["lease_left_seconds"])
		require.LessOrEqual(t, n["lease_left_seconds"], 5.5)
	}
	text := w.over(database, "nodes").out
	require.Regexp(t, `NODE +SINCE \(UTC\) +LEASE LEFT +REGIONS +CARRIERS`, text)
	require.Len(t, regexp.MustCompile(`(?m)^node_\w+ +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d +\d\.\ds +all +imitation 33\.3%$`).
		FindAllString(text, -1), len(nodes), text)

	id := nodes[0].create(60)
	nodes[2].over(id)
	require.Equal(t, 60, nodes[1].counts(id)["completed"])
	for _, n := range nodes {
		r := n.stop()
		require.Zero(t, r.code, r.errOut)
		name, _, _ := strings.Cut(database, "?")
		require.Contains(t, r.errOut, "database="+name)
	}
	books := carrier.Books()
	require.Equal(t, 60, books.Placed(fake.Scope{}))
	require.Empty(t, books.DoublePlaced())
	require.LessOrEqual(t, books.MostAtOnce(fake.Scope{}), 4, "half of the organisation's limit is the batch's target")
	require.Empty(t, list(), "who stopped gave up its lease")
}

func TestTheDatabaseThatCannotBeUsed(t *testing.T) {
	w := newWorld(t, fast)
	const secret = "hunter2"
	for want, address := range map[string]string{
		"expected a URL such as postgres://":        "postgres://u:hunter2%@127.0.0.1:1/x",
		"--store: expected a URL":                   "mysql://u:hunter2@127.0.0.1:1/x",
		"connection refused":                        "postgres://u:hunter2@127.0.0.1:1/x?password=hunter2&sslmode=disable",
		"sslmode is invalid":                        "postgres://u:hunter2@127.0.0.1:1/x?sslmode=hunter2&password=hunter2",
		"cannot parse pool_max_conns":               "postgres://u:hunter2@127.0.0.1:1/x?pool_max_conns=hunter2",
		"postgres://u@127.0.0.1:1/x cannot be used": "postgresql://u:hunter2@127.0.0.1:1/x?connect_timeout=1",
	} {
		want = strings.Replace(want, "postgres://u@", "postgresql://u@", 1)
		for _, args := range [][]string{{"ls"}, {"run", w.recipients("people.csv", 1)}, {"serve", "--listen", "127.0.0.1:0"}, {"nodes", "--json"}} {
			r := w.over(address, args...)
			require.NotZero(t, r.code)
			require.Contains(t, r.out+r.errOut, want)
			require.NotContains(t, r.out+r.errOut, secret, "%v", args)
		}
	}
	t.Setenv("OUTDIAL_STORE", "postgres://u:hunter2@127.0.0.1:1/x")
	for _, args := range [][]string{{"help"}, {"help", "serve"}, {"ls", "--help"}, {"ls", "--absent"}, {"ls"}, {"serve", "--lease", "x"}} {
		r := w.exec(nil, args...)
		require.NotContains(t, r.out+r.errOut, secret, args)
	}
	require.Contains(t, w.exec(nil, "help").out, "$OUTDIAL_STORE")
	for want, args := range map[string][]string{
		"--db names a file":                {"ls", "--db", "x"},
		"leave one of them out":            {"ls", "--server", "http://127.0.0.1:1", "--key", "od_hunter2hunter2hunter2"},
		"a server does not tell its nodes": {"nodes", "--server", "http://127.0.0.1:1", "--key", "od_hunter2hunter2hunter2"},
		"--lease: expected at least 100ms": {"serve", "--lease", "99ms"},
	} {
		r := w.exec(nil, args...)
		require.Equal(t, exitUsage, r.code, "%v", args)
		require.Contains(t, r.errOut, want)
		require.NotContains(t, r.errOut, secret)
	}
}

func TestNodesOfAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, slow)
	s := w.serve().ready()
	require.Regexp(t, `(?m)^node_\w+ .* all +imitation 100\.0%$`, w.run("nodes").out)
	require.Zero(t, s.stop().code)
	require.Contains(t, w.run("nodes").errOut, "Nothing dials")
}
