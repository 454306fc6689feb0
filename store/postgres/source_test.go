package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/postgres"
)

// source makes what a test writes. It may be used from several goroutines.
type source struct {
	mu     sync.Mutex
	clock  time.Time
	random *rand.ChaCha8
}

func newSource() *source {
	return &source{clock: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), random: rand.NewChaCha8([32]byte{7})}
}

func (s *source) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(time.Millisecond)
	return s.clock
}

func (s *source) batch(org string) store.Batch {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := store.NewBatchID(now, s.random)
	if err != nil {
		panic(err) // its randomness has no end
	}
	return store.Batch{
		Org: org, ID: id, Target: 1 << 20, FirstTarget: 1 << 20, Weight: 1, CreatedAt: now, UpdatedAt: now,
		AgentID: "agent_1",
	}
}

func (s *source) claim(b store.Batch, n int) store.Claim {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	ids, err := store.NewCallIDs(now, s.random, n)
	if err != nil {
		panic(err) // its randomness has no end
	}
	return store.Claim{BatchID: b.ID, CallIDs: ids, Carrier: "carrier_1", From: "+14155550100"}
}

func people(n int) []store.NewRecipient {
	out := make([]store.NewRecipient, n)
	for i := range out {
		out[i] = store.NewRecipient{To: dialer.Phone(fmt.Sprintf("+1415555%04d", i)), Metadata: fmt.Appendf(nil, `{"i":%d}`, i)}
	}
	return out
}

func completed(claimed []store.Claimed, now time.Time) []store.Event {
	out := make([]store.Event, len(claimed))
	for i, c := range claimed {
		out[i] = store.Event{
			BatchID: c.Call.BatchID, Index: c.Call.Index, CallID: c.Call.ID, Status: fsm.Completed,
			EndedAt: now, EndReason: dialer.AgentHangup,
		}
	}
	return out
}

// url is that of a database with the schema in it and nothing else.
func (s *shared) url(tb testing.TB) string {
	tb.Helper()
	return s.start(tb).URL(prepared(tb))
}

func dropSchema(tb testing.TB, url, schema string) {
	tb.Helper()
	run(tb, url, "DROP SCHEMA "+schema+" CASCADE")
}

// stocked is a store with a node and a batch of n.
func stocked(tb testing.TB, s *postgres.Store, n int) (*source, store.Batch) {
	tb.Helper()
	src := newSource()
	b, err := s.CreateBatch(context.Background(), src.batch("org_1"), people(n))
	require.NoError(tb, err)
	require.NoError(tb, s.Heartbeat(context.Background(), store.Node{ID: "node_1"}, time.Hour))
	return src, b
}
