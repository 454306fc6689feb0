package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/outdial/outdial/store/postgres/pgtest"
)

const extension = "pg_stat_statements"

// startCounting starts a PostgreSQL that counts its statements.
func startCounting(ctx context.Context, careless bool) (*pgtest.Server, error) {
	s, err := pgtest.Start(ctx, pgtest.Options{
		Durable: !careless, Settings: map[string]string{"shared_preload_libraries": extension},
	})
	if err != nil {
		return nil, err
	}
	if err := s.Exec(ctx, "postgres", "CREATE EXTENSION "+extension); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// ForgetStatements begins to count anew.
func (l *Lab) ForgetStatements(ctx context.Context) error {
	if !l.postgres.runs || !l.options.Statements {
		return nil
	}
	return l.postgres.is.Exec(ctx, "postgres", "SELECT pg_stat_statements_reset()")
}

// Statements is a table, as text with tabs, of those that PostgreSQL spent the most time on since
// [Lab.ForgetStatements]. Empty where there were none, or they are not counted.
func (l *Lab) Statements(ctx context.Context) (string, error) {
	if !l.postgres.runs || !l.options.Statements {
		return "", nil
	}
	conn, err := pgx.Connect(ctx, l.postgres.is.URL("postgres"))
	if err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT calls, round(total_exec_time)::bigint, round(mean_exec_time * 1000)::bigint, rows,
			wal_bytes::bigint, shared_blks_hit, shared_blks_read, regexp_replace(query, '\s+', ' ', 'g')
		FROM pg_stat_statements
		WHERE query !~* '^(vacuum|checkpoint|(create|drop) database)' AND query NOT LIKE '%pg_stat_statements%'
		ORDER BY total_exec_time DESC LIMIT 25`)
	if err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		cells := make([]string, len(values))
		for i, v := range values {
			cells[i] = fmt.Sprint(v)
		}
		return strings.Join(cells, "\t"), err
	})
	if err != nil || len(lines) == 0 {
		return "", err
	}
	const head = "calls\ttotal, ms\tmean, µs\trows\tWAL, bytes\tblocks hit\tblocks read\tstatement\n"
	return head + strings.Join(lines, "\n") + "\n", nil
}
