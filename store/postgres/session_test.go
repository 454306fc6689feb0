package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// session is a connection of the test's own.
func session(tb testing.TB, url string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, conn.Close(context.Background())) })
	return conn
}

// run runs statements.
func run(tb testing.TB, url, statements string) {
	tb.Helper()
	conn := session(tb, url)
	_, err := conn.PgConn().Exec(context.Background(), statements).ReadAll()
	require.NoError(tb, err)
}
