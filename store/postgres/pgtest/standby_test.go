package pgtest_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store/postgres/pgtest"
)

func TestStandbyHasWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	first := start(t, pgtest.Options{})
	require.NoError(t, first.Exec(t.Context(), "postgres", "CREATE TABLE a (b text)"))
	second, err := first.Standby(t.Context(), 0)
	need(t, err)
	t.Cleanup(func() { require.NoError(t, second.Stop()) })
	url := pgtest.URLOf("postgres", second, first)
	write := func(ctx context.Context, url, text string) error {
		conn, err := pgx.Connect(ctx, url)
		require.NoError(t, err)
		defer conn.Close(context.WithoutCancel(ctx))
		_, err = conn.Exec(ctx, "INSERT INTO a VALUES ($1)", text)
		return err
	}
	require.NoError(t, write(t.Context(), url, "one"))
	require.Equal(t, "t", ask(t, second.URL("postgres"), "SELECT left(pg_is_in_recovery()::text, 1)"))

	// While it is away nothing is acknowledged.
	require.NoError(t, second.Signal(syscall.SIGSTOP))
	t.Cleanup(func() { _ = second.Signal(syscall.SIGCONT) })
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, write(ctx, first.URL("postgres"), "two"), context.DeadlineExceeded)
	require.NoError(t, second.Signal(syscall.SIGCONT))

	require.NoError(t, write(t.Context(), url, "three"))
	first.Kill()
	require.NoError(t, second.Promote(t.Context()))
	require.Equal(t, "t", ask(t, second.URL("postgres"), "SELECT left(bool_or(b = 'one')::text, 1) FROM a"))
	require.Equal(t, "t", ask(t, second.URL("postgres"), "SELECT left(bool_or(b = 'three')::text, 1) FROM a"))
	require.NoError(t, write(t.Context(), url, "four"), "it waits for nobody")

	// The other one comes back in its place.
	port := first.Port()
	third, err := second.Standby(t.Context(), port)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, third.Stop()) })
	require.Equal(t, port, third.Port())
	require.NoError(t, write(t.Context(), url, "five"))
	require.Equal(t, "five", ask(t, third.URL("postgres"), "SELECT max(b) FROM a WHERE b = 'five'"))
}
