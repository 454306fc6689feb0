package systems

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/benchmarks/internal/load"
)

// Connections of a pool are as many as outdial's PostgreSQL store has when nothing else is said.
const (
	connections = "&pool_max_conns=16"
	Connections = "16 connections"
)

// RiverDefault is River on PostgreSQL as it comes.
func RiverDefault() System { return riverPostgres("default", "", riverSetup{}) }

// RiverFastest is River on PostgreSQL when it looks for jobs as often as it can.
func RiverFastest() System { return riverPostgres("fastest", riverMost, riverSetup{fastest: true}) }

// RiverFast is River on PostgreSQL, tuned. workers: 0 for as many as there are slots.
func RiverFast(workers int) System {
	name, settings := "tuned", RiverTuned
	if workers > 0 {
		name = fmt.Sprintf("tuned, %d workers", workers)
	}
	return riverPostgres(name, settings, riverSetup{tuned: true, workers: workers})
}

// RiverLimited is River on PostgreSQL, tuned, in each of the ways to keep the limits of batches.
func RiverLimited() []System {
	return []System{
		riverPostgres("workers wait for the limit", RiverTuned, riverSetup{tuned: true, way: riverBlock}),
		riverPostgres("jobs snooze at the limit", RiverTuned+fmt.Sprintf(", snooze %v", snooze),
			riverSetup{tuned: true, way: riverSnooze}),
		riverPostgres("a queue per batch", RiverTuned+", workers split 10 to 90",
			riverSetup{tuned: true, way: riverQueues}),
	}
}

// RiverShared is River on PostgreSQL, tuned, with what a user can do so that batches take turns.
func RiverShared() System {
	return riverPostgres("a queue per batch, one limit", RiverTuned+", workers of each queue wait for the limit of all",
		riverSetup{tuned: true, way: riverShared})
}

func riverPostgres(name, settings string, s riverSetup) System {
	if settings != "" {
		settings += ", "
	}
	if s.workers == 0 && !s.way.ownQueues() {
		settings += "as many workers as slots, "
	}
	settings += Connections
	return System{
		Name: "River, PostgreSQL, " + name, Durability: PostgresSync, Settings: settings,
		Queue: func(ctx context.Context, l *lab.Lab, w *load.Watch) (Job, error) {
			pool, closing, err := Pool(ctx, l)
			if err != nil {
				return nil, err
			}
			ask := func(ctx context.Context, question string) (n int, err error) {
				err = pool.QueryRow(ctx, question).Scan(&n)
				return n, err
			}
			return queueRiver(ctx, riverpgxv5.New(pool), w, s, ask, closing)
		},
	}
}

// Pool opens connections to an empty database, which closing deletes.
func Pool(ctx context.Context, l *lab.Lab) (pool *pgxpool.Pool, closing func() error, err error) {
	url, drop, err := l.Database(ctx)
	if err != nil {
		return nil, nil, err
	}
	if pool, err = pgxpool.New(ctx, url+connections); err != nil {
		return nil, nil, errors.Join(err, drop())
	}
	return pool, func() error { pool.Close(); return drop() }, nil
}

// RiverPostgresInserter opens River only to insert jobs.
func RiverPostgresInserter(ctx context.Context, l *lab.Lab) (*river.Client[pgx.Tx], func() error, error) {
	pool, closing, err := Pool(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	c, err := openRiver(ctx, riverpgxv5.New(pool), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, errors.Join(err, closing())
	}
	return c, closing, nil
}
