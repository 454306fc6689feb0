package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Standby makes a copy of the server with pg_basebackup and starts it as a streaming standby. From then on the server
// acknowledges a commit only when the standby has it on its disk too: what was acknowledged survives the loss of the
// server. While the standby is away commits wait for it.
//
// It listens on that port, which may be the one of a server that was stopped; 0: on a free one. The error wraps
// [ErrMissing] where pg_basebackup is not installed.
func (s *Server) Standby(ctx context.Context, port int) (*Server, error) {
	program := filepath.Join(s.bin, "pg_basebackup")
	if !isProgram(program) {
		return nil, fmt.Errorf("pgtest: pg_basebackup %w: apt-get install postgresql-client", ErrMissing)
	}
	folder, err := newFolder(s.as)
	if err != nil {
		return nil, err
	}
	b := &Server{folder: folder, bin: s.bin, as: s.as, port: port}
	if err := s.copyTo(ctx, b, program); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if port == 0 {
		if b.port, err = freePort(ctx); err != nil {
			return nil, errors.Join(err, os.RemoveAll(folder))
		}
	}
	if err := b.Restart(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := s.insist(ctx); err != nil {
		return nil, errors.Join(err, b.Stop())
	}
	return b, nil
}

// copyTo leaves in b what makes it a standby: standby.signal, and where the server is.
func (s *Server) copyTo(ctx context.Context, b *Server, program string) error {
	cmd := command(s.as, program, "-D", b.data(), "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", "postgres",
		"-R", "--checkpoint=fast", "--no-sync")
	cmd.Dir = b.folder
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: pg_basebackup: %w: %s", err, text)
	}
	file, err := os.OpenFile(filepath.Join(b.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	// The last line of a name counts: its socket has a place of its own, and once promoted it waits for nobody.
	_, err = fmt.Fprintf(file, "unix_socket_directories = '%s'\nsynchronous_standby_names = ''\n", b.folder)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	// ALTER SYSTEM of the server is none of its business.
	own := filepath.Join(b.data(), "postgresql.auto.conf")
	text := fmt.Sprintf("primary_conninfo = 'host=127.0.0.1 port=%d user=postgres'\n", s.port)
	if err := os.WriteFile(own, []byte(text), 0o600); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return ctx.Err()
}

// insist has the server wait for its standby from now on, once it is there.
func (s *Server) insist(ctx context.Context) error {
	const look = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync' " +
		"AND flush_lsn >= $1::pg_lsn"
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return s.do(ctx, "postgres", func(conn *pgx.Conn) error {
		for _, text := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
			if _, err := conn.Exec(ctx, text); err != nil {
				return fmt.Errorf("pgtest: %w", err)
			}
		}
		var written string
		if err := conn.QueryRow(ctx, "SELECT pg_current_wal_flush_lsn()::text").Scan(&written); err != nil {
			return fmt.Errorf("pgtest: %w", err)
		}
		return s.process.ready(ctx, func(ctx context.Context) error {
			var n int
			if err := conn.QueryRow(ctx, look, written).Scan(&n); err != nil {
				return fmt.Errorf("pgtest: %w", err)
			}
			if n == 0 {
				return errAlone
			}
			return nil
		})
	})
}

var errAlone = errors.New("no standby streams yet")

// Promote makes a standby the primary, and returns when it takes writes.
func (s *Server) Promote(ctx context.Context) error {
	var done bool
	err := s.do(ctx, "postgres", func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT pg_promote(true, 60)").Scan(&done)
	})
	if err == nil && !done {
		err = errPromotion
	}
	return err
}

var errPromotion = errors.New("pgtest: the standby was not promoted in time")

// URLOf connects to a database of whichever of the servers takes writes.
func URLOf(database string, servers ...*Server) string {
	u, err := url.Parse(servers[0].URL(database))
	if err != nil {
		panic(err) // we have made it
	}
	u.Host = ""
	for i, s := range servers {
		if i > 0 {
			u.Host += ","
		}
		u.Host += net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
	}
	return u.String() + "&target_session_attrs=read-write"
}
