package pgtest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/store/postgres/pgtest"
)

const (
	childEnv = "OUTDIAL_PGTEST_CHILD"
	patience = 60 * time.Second
)

// TestMain runs the tests, or is what a test has started this binary for.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// child starts a server, says its number, and waits to be killed.
func child() {
	s, err := pgtest.Start(context.Background(), pgtest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Pid())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // which never comes
}

func start(t *testing.T, o pgtest.Options) *pgtest.Server {
	t.Helper()
	s, err := pgtest.Start(t.Context(), o)
	need(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func need(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, pgtest.ErrMissing) {
		if os.Getenv("OUTDIAL_REQUIRE") == "all" {
			require.FailNow(t, err.Error()+" (OUTDIAL_REQUIRE=all wants everything)")
		}
		t.Skip(err)
	}
	require.NoError(t, err)
}

func ask(t *testing.T, url, question string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	var answer string
	require.NoError(t, conn.QueryRow(t.Context(), question).Scan(&answer))
	require.NoError(t, conn.Close(t.Context()))
	return answer
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := start(t, pgtest.Options{Settings: map[string]string{"max_connections": "21"}})
	require.Equal(t, "21", ask(t, s.URL("postgres"), "SHOW max_connections"))
	require.Equal(t, "off", ask(t, s.SocketURL("postgres"), "SHOW fsync"))
	url, err := s.Create(t.Context(), `odd "one"`)
	require.NoError(t, err)
	require.Equal(t, `odd "one"`, ask(t, url, "SELECT current_database()::text"))
	require.NoError(t, s.Exec(t.Context(), `odd "one"`, "CREATE TABLE a (b text); INSERT INTO a VALUES ('kept')"))
	copied, err := s.Copy(t.Context(), "copied", `odd "one"`)
	require.NoError(t, err)
	require.Equal(t, "kept", ask(t, copied, "SELECT b FROM a"))
	require.NoError(t, s.Drop(t.Context(), "copied"))
	_, err = pgx.Connect(t.Context(), copied)
	require.ErrorContains(t, err, "3D000")

	// Stopped, the server keeps its connections and says nothing.
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	require.NoError(t, s.Signal(syscall.SIGSTOP))
	if runtime.GOOS == "linux" {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		require.ErrorIs(t, conn.Ping(ctx), context.DeadlineExceeded)
		cancel()
	}
	require.NoError(t, s.Signal(syscall.SIGCONT))
	require.NoError(t, conn.Close(t.Context()))
	require.Equal(t, "kept", ask(t, url, "SELECT b FROM a"))

	// What was committed outlives kill -9 of the server, and of the machine where it is durable.
	s.Kill()
	_, err = pgx.Connect(t.Context(), url)
	require.Error(t, err)
	require.NoError(t, s.Restart(t.Context()))
	require.Equal(t, "kept", ask(t, url, "SELECT b FROM a"))
	require.Contains(t, s.Log(), "ready to accept connections")
}

func TestDurableServer(t *testing.T) {
	t.Parallel()
	s := start(t, pgtest.Options{Durable: true})
	for _, name := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		require.Equal(t, "on", ask(t, s.URL("postgres"), "SHOW "+name))
	}
}

func TestPoolerGivesEachTransactionAnotherConnection(t *testing.T) {
	t.Parallel()
	s := start(t, pgtest.Options{})
	p, err := s.Pool(t.Context(), 1)
	need(t, err)
	t.Cleanup(func() { require.NoError(t, p.Stop()) })
	url := p.URL("postgres") + "&default_query_exec_mode=exec"
	one, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	two, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	var first, second int
	require.NoError(t, one.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&first))
	require.NoError(t, two.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&second))
	require.Equal(t, first, second, "two clients share a connection")
	require.NoError(t, one.Close(t.Context()))
	require.NoError(t, two.Close(t.Context()))
}

// No server is left behind by a test that is killed.
func TestServerEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a signal for it")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	line = strings.TrimSpace(line)
	if strings.Contains(line, pgtest.ErrMissing.Error()) {
		need(t, fmt.Errorf("%s: %w", line, pgtest.ErrMissing))
	}
	pid, err := strconv.Atoi(line)
	require.NoError(t, err, line)
	require.NoError(t, syscall.Kill(pid, 0), "it runs")
	folder, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	_ = in.Close()
	require.Eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }, patience, 5*time.Millisecond)
	require.Contains(t, folder, "pgtest")
	require.NoError(t, os.RemoveAll(strings.TrimSuffix(folder, "/data")))
}
