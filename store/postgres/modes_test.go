package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
	"github.com/outdial/outdial/store/storetest"
)

// Whatever way pgx has of telling the server what parameters are, but for the simple protocol.
func TestStepsInEveryMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := open(t, postgres.Config{URL: inMode(t, mode), NoHints: true})
			src, b := stocked(t, s, 50)
			p := &stepper{src: src, batch: b}
			for range 4 {
				p.take(t, s, 3)
			}
			_, err := s.Change(t.Context(), "org_1", b.ID, store.Change{Action: store.ActionCancel, At: src.now()})
			require.NoError(t, err)
			got, err := s.Batch(t.Context(), "org_1", b.ID)
			require.NoError(t, err)
			require.Equal(t, fsm.Counts{Dispatched: 3, Completed: 9, Cancelled: 38}, got.Counts)
		})
	}
}

// In this one pgx knows no type but what a value of Go has.
func TestConformanceInModeExec(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite once is short enough")
	}
	t.Parallel()
	storetest.Test(t, func(t *testing.T) store.Store {
		t.Helper()
		return open(t, postgres.Config{URL: inMode(t, "exec"), NoHints: true})
	})
}

func inMode(t *testing.T, mode string) string {
	t.Helper()
	return cluster.url(t) + "&pool_max_conns=3&default_query_exec_mode=" + mode
}

// What cannot be encoded is not spelled out in the error, which is logged.
func TestErrorsTellNoPhoneNumbers(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig(cluster.url(t) + "&pool_max_conns=2")
	require.NoError(t, err)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s := open(t, postgres.Config{Pool: pool, NoHints: true})
	src, b := stocked(t, s, 3)
	var conns []*pgxpool.Conn
	for range 2 { // a host that has its own idea of a type
		conn, err := pool.Acquire(context.Background())
		require.NoError(t, err)
		conns = append(conns, conn)
		broken(conn.Conn())
	}
	for _, conn := range conns {
		conn.Release()
	}
	_, err = s.Advance(t.Context(), store.Step{
		Org: "org_1", Owner: "node_1", Now: time.Now(), Limit: 9, Claims: []store.Claim{src.claim(b, 1)},
	})
	require.ErrorContains(t, err, "pgx could not encode an argument: error preprocessing batch (build): failed to encode args[")
	require.NotContains(t, err.Error(), "0x")
	_, err = s.CreateBatch(t.Context(), src.batch("org_1"), people(3))
	require.ErrorContains(t, err, "pgx could not encode an argument: error preprocessing batch (build): failed to encode args[")
	require.NotContains(t, err.Error(), "0x")
	require.NotContains(t, err.Error(), "1415")
}

func broken(conn *pgx.Conn) {
	for name, oid := range map[string]uint32{"_bytea": pgtype.ByteaArrayOID, "int8": pgtype.Int8OID} {
		conn.TypeMap().RegisterType(&pgtype.Type{Name: name, OID: oid, Codec: pgtype.BoolCodec{}})
	}
}
