package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Pooler is a PgBouncer in transaction mode before a server: each transaction of a client may have another of its
// connections. It runs until [Pooler.Stop].
type Pooler struct {
	folder  string
	port    int
	process *process
}

// Pool starts a PgBouncer before the server with that many connections for each database. The error wraps
// [ErrMissing] where PgBouncer is not installed.
func (s *Server) Pool(ctx context.Context, size int) (*Pooler, error) {
	path, err := findPooler()
	if err != nil {
		return nil, err
	}
	folder, err := newFolder(s.as)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		p, err := s.pool(ctx, path, folder, size)
		if err == nil {
			return p, nil
		}
		if try == 3 {
			return nil, errors.Join(err, os.RemoveAll(folder))
		}
	}
}

func (s *Server) pool(ctx context.Context, path, folder string, size int) (*Pooler, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = %d
max_client_conn = 2000
admin_users = postgres
ignore_startup_parameters = extra_float_digits
`, s.port, port, size)
	file := filepath.Join(folder, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	if err := give(file, s.as); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	p, err := run(folder, s.as, path, file)
	if err != nil {
		return nil, err
	}
	pooler := &Pooler{folder: folder, port: port, process: p}
	if err := p.ready(ctx, pooler.ping); err != nil {
		p.kill()
		return nil, err
	}
	return pooler, nil
}

func (p *Pooler) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL("postgres")+"&default_query_exec_mode=exec")
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return errors.Join(conn.Ping(ctx), conn.Close(context.WithoutCancel(ctx)))
}

// Port is where the pooler listens on 127.0.0.1.
func (p *Pooler) Port() int { return p.port }

// URL connects to a database by way of the pooler.
func (p *Pooler) URL(database string) string { return address(p.port, database) }

// Stop ends the pooler.
func (p *Pooler) Stop() error {
	p.process.end(syscall.SIGTERM)
	return os.RemoveAll(p.folder)
}
