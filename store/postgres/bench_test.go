package postgres_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
	"github.com/outdial/outdial/store/postgres/pgtest"
	"github.com/outdial/outdial/store/storetest"
)

// BenchmarkStore runs over a server that is as durable as in production: it is the disk that decides.
func BenchmarkStore(b *testing.B) {
	server, err := pgtest.Start(context.Background(), pgtest.Options{Durable: true})
	need(b, err)
	b.Cleanup(func() { require.NoError(b, server.Stop()) })
	n := 0
	storetest.Benchmark(b, func(b *testing.B) store.Store {
		b.Helper()
		n++
		url, err := server.Create(context.Background(), "bench_"+string(rune('a'+n%26))+b.Name()[len(b.Name())-1:])
		require.NoError(b, err)
		return open(b, postgres.Config{URL: url, NoHints: true})
	})
}
