package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/store/postgres"
	"github.com/outdial/outdial/store/postgres/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// suite is the tests and, behind them, the end of the server that they share.
type suite struct{ *testing.M }

func (s suite) Run() int {
	code := s.M.Run()
	if err := cluster.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// cluster is the server that all tests of this binary share, each with a database of its own.
var cluster = shared{spare: make(chan string, 1000)}

type shared struct {
	once   sync.Once
	server *pgtest.Server
	err    error
	names  atomic.Int64
	spare  chan string // databases that nobody uses just then

	pooling sync.Once
	pooler  *pgtest.Pooler
	poolErr error
}

// template is a database in which the schema is, so that a copy is all that a test needs.
const template = "outdial_template"

func (s *shared) start(tb testing.TB) *pgtest.Server {
	tb.Helper()
	s.once.Do(func() {
		ctx := context.Background()
		if s.server, s.err = pgtest.Start(ctx, pgtest.Options{}); s.err != nil {
			return
		}
		var url string
		if url, s.err = s.server.Create(ctx, template); s.err != nil {
			return
		}
		var made *postgres.Store
		if made, s.err = postgres.Open(ctx, postgres.Config{URL: url}); s.err == nil {
			s.err = made.Close()
		}
	})
	need(tb, s.err)
	return s.server
}

// need skips a test for which a program is missing, unless everything is wanted.
func need(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, pgtest.ErrMissing) {
		if os.Getenv("OUTDIAL_REQUIRE") == "all" {
			require.FailNow(tb, err.Error()+" (OUTDIAL_REQUIRE=all wants everything)")
		}
		tb.Skip(err)
	}
	require.NoError(tb, err)
}

func (s *shared) pool(tb testing.TB) *pgtest.Pooler {
	tb.Helper()
	server := s.start(tb)
	s.pooling.Do(func() { s.pooler, s.poolErr = server.Pool(context.Background(), 20) })
	need(tb, s.poolErr)
	return s.pooler
}

func (s *shared) stop() error {
	var err error
	if s.pooler != nil {
		err = s.pooler.Stop()
	}
	if s.server != nil {
		err = errors.Join(err, s.server.Stop())
	}
	return err
}

// database makes one for a test, empty or a copy of another, and returns its name.
func database(tb testing.TB, from string) string {
	tb.Helper()
	server := cluster.start(tb)
	name := fmt.Sprintf("test_%d", cluster.names.Add(1))
	_, err := server.Copy(context.Background(), name, from)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, server.Drop(context.Background(), name)) })
	return name
}

// empty removes what a test has left.
const empty = `TRUNCATE outdial.organisations, outdial.batches, outdial.tallies, outdial.recipients, outdial.metadata,
		outdial.calls, outdial.flights, outdial.again, outdial.nodes RESTART IDENTITY`

// prepared is the name of a database with the schema in it and nothing else. It is handed on from test to
// test, since making one takes as long as most tests do.
func prepared(tb testing.TB) string {
	tb.Helper()
	server := cluster.start(tb)
	var name string
	select {
	case name = <-cluster.spare:
	default:
		name = fmt.Sprintf("test_%d", cluster.names.Add(1))
		_, err := server.Copy(context.Background(), name, template)
		require.NoError(tb, err)
	}
	tb.Cleanup(func() {
		require.NoError(tb, server.Exec(context.Background(), name, empty))
		cluster.spare <- name
	})
	return name
}

// open opens a store that the test closes. The fewer connections, the more of them fit in the server.
func open(tb testing.TB, c postgres.Config) *postgres.Store {
	tb.Helper()
	if c.URL != "" && !strings.Contains(c.URL, "pool_max_conns") {
		c.URL += "&pool_max_conns=6"
	}
	s, err := postgres.Open(context.Background(), c)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

// fresh is an empty store.
func fresh(tb testing.TB) *postgres.Store {
	tb.Helper()
	name := prepared(tb)
	return open(tb, postgres.Config{URL: cluster.server.URL(name), NoHints: true})
}
