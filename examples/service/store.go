package main

import (
	"context"
	"io"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/sqlite"
)

type closingStore interface {
	store.Store
	io.Closer
}

func openStore(ctx context.Context, db string) (closingStore, error) {
	if db != "" {
		return sqlite.Open(ctx, sqlite.Config{Path: db})
	}
	return forgetful{memory.New()}, nil
}

// forgetful is a store that has nothing to close.
type forgetful struct{ *memory.Store }

func (forgetful) Close() error { return nil }
