package systems

import (
	"context"
	"errors"

	"github.com/outdial/outdial/benchmarks/internal/lab"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/postgres"
	"github.com/outdial/outdial/store/sqlite"
)

// Store is one of outdial's stores, to be opened anew for each round.
type Store struct {
	Name       string
	Durability string
	Settings   string
	Open       func(ctx context.Context, l *lab.Lab) (s store.Store, closing func() error, err error)
}

// Stores are outdial's, with their default settings.
func Stores() []Store {
	return []Store{
		{"memory", NotDurable, "", func(context.Context, *lab.Lab) (store.Store, func() error, error) {
			return memory.New(), func() error { return nil }, nil
		}},
		{"SQLite", SQLiteFull, "", openSQLite},
		{"PostgreSQL", PostgresSync, Connections, openPostgres},
	}
}

func openSQLite(ctx context.Context, l *lab.Lab) (store.Store, func() error, error) {
	path, remove, err := l.File("outdial.db")
	if err != nil {
		return nil, nil, err
	}
	s, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return s, func() error { return errors.Join(s.Close(), remove()) }, nil
}

func openPostgres(ctx context.Context, l *lab.Lab) (store.Store, func() error, error) {
	url, drop, err := l.Database(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, err := postgres.Open(ctx, postgres.Config{URL: url})
	if err != nil {
		return nil, nil, errors.Join(err, drop())
	}
	return s, func() error { return errors.Join(s.Close(), drop()) }, nil
}
