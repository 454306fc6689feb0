package pgtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options say what a server is like. The zero value is a fast one that loses data in a power cut.
type Options struct {
	// Durable leaves the settings of fsync and the like as they are in production.
	Durable bool

	// Settings are lines of postgresql.conf by their names, such as "max_connections": "20".
	Settings map[string]string
}

// Server is a PostgreSQL server that runs until [Server.Stop]. Its methods may be used from several
// goroutines, but for those that start and end it.
type Server struct {
	folder  string
	bin     string
	as      *syscall.Credential
	port    int
	process *process

	mu sync.Mutex // CREATE DATABASE copies a template that nobody else may copy just then
}

const startTimeout = 60 * time.Second

// Start makes a cluster and starts a server for it. The error wraps [ErrMissing] where
// PostgreSQL is not installed.
func Start(ctx context.Context, o Options) (*Server, error) {
	bin, err := findServer()
	if err != nil {
		return nil, err
	}
	as, err := runAs()
	if err != nil {
		return nil, err
	}
	folder, err := newFolder(as)
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, bin: bin, as: as}
	if err := s.init(ctx, o); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	for try := 1; ; try++ {
		if s.port, err = freePort(ctx); err == nil {
			err = s.Restart(ctx)
		}
		if err == nil {
			return s, nil
		}
		if try == 3 {
			return nil, errors.Join(err, os.RemoveAll(folder))
		}
	}
}

func (s *Server) init(ctx context.Context, o Options) error {
	args := []string{
		"-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync",
	}
	cmd := command(s.as, filepath.Join(s.bin, "initdb"), args...)
	cmd.Dir = s.folder
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: initdb: %w: %s", err, text)
	}
	settings := map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": s.folder, "max_connections": "300",
		"shared_buffers": "128MB", "log_line_prefix": "%m [%p] ",
	}
	if !o.Durable {
		// With the few rows of a test, jit takes longer to compile a statement than to run it.
		for _, name := range []string{"fsync", "full_page_writes", "jit"} {
			settings[name] = "off"
		}
	}
	maps.Copy(settings, o.Settings)
	file, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	for name, value := range settings {
		if _, err := fmt.Fprintf(file, "%s = '%s'\n", name, value); err != nil {
			return errors.Join(fmt.Errorf("pgtest: %w", err), file.Close())
		}
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return ctx.Err()
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// Restart starts the server again over its data after [Server.Kill] or [Server.Shutdown].
func (s *Server) Restart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	p, err := run(s.folder, s.as, filepath.Join(s.bin, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port))
	if err != nil {
		return err
	}
	s.process = p
	if err := p.ready(ctx, s.ping); err != nil {
		p.kill()
		return err
	}
	return nil
}

func (s *Server) ping(ctx context.Context) error {
	return s.do(ctx, "postgres", func(conn *pgx.Conn) error { return conn.Ping(ctx) })
}

func (s *Server) do(ctx context.Context, database string, what func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return errors.Join(what(conn), conn.Close(context.WithoutCancel(ctx)))
}

// Port is where the server listens on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Pid is the server's main process.
func (s *Server) Pid() int { return s.process.cmd.Process.Pid }

// Log is the end of what the server has written.
func (s *Server) Log() string { return s.process.says() }

// URL connects to a database over TCP.
func (s *Server) URL(database string) string { return address(s.port, database) }

func address(port int, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User("postgres"), Host: "127.0.0.1:" + strconv.Itoa(port), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// SocketURL connects to a database over the server's Unix socket.
func (s *Server) SocketURL(database string) string {
	query := url.Values{"host": {s.folder}, "port": {strconv.Itoa(s.port)}}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database, RawQuery: query.Encode()}
	return u.String()
}

// Create makes a database and returns its URL.
func (s *Server) Create(ctx context.Context, database string) (string, error) {
	return s.Copy(ctx, database, "template0")
}

// Copy makes a database that is a copy of another one, to which nobody may be connected.
func (s *Server) Copy(ctx context.Context, database, template string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := "CREATE DATABASE " + quote(database) + " TEMPLATE " + quote(template)
	return s.URL(database), s.Exec(ctx, "postgres", text)
}

// Drop deletes a database, and ends who is connected to it.
func (s *Server) Drop(ctx context.Context, database string) error {
	return s.Exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+quote(database)+" WITH (FORCE)")
}

// Exec runs statements as superuser.
func (s *Server) Exec(ctx context.Context, database, statements string) error {
	return s.do(ctx, database, func(conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(ctx, statements).ReadAll()
		return err
	})
}

// Ask returns what a query says, of one row and one column, as text.
func (s *Server) Ask(ctx context.Context, database, query string) (answer string, err error) {
	err = s.do(ctx, database, func(conn *pgx.Conn) error {
		results, err := conn.PgConn().Exec(ctx, query).ReadAll()
		if err == nil && (len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 1) {
			return fmt.Errorf("pgtest: %w", errAnswer)
		}
		if err == nil {
			answer = string(results[0].Rows[0][0])
		}
		return err
	})
	return answer, err
}

var errAnswer = errors.New("expected one row of one column")

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// Shutdown ends the server in good order and leaves its data.
func (s *Server) Shutdown() { s.process.end(syscall.SIGINT) }

// Kill ends the server by kill -9, and leaves its data. On Linux that is all of its processes, else they
// end by themselves as soon as they miss the first.
func (s *Server) Kill() {
	_ = s.Signal(syscall.SIGKILL) // some may be over
	<-s.process.done
}

// Signal sends a signal to the server, on Linux to all of its processes: SIGSTOP makes connections half open.
func (s *Server) Signal(sig syscall.Signal) error {
	first := s.process.cmd.Process.Signal(sig) // which could start others meanwhile
	for _, pid := range children(s.Pid()) {
		_ = syscall.Kill(pid, sig) // it may be over
	}
	return first
}

// Stop ends the server and deletes its data.
func (s *Server) Stop() error {
	s.Shutdown()
	return os.RemoveAll(s.folder)
}
