package sqlite_test

import (
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

const node = "node_1"

// source makes what the benchmarks and the tests of this package write.
type source struct {
	random *rand.ChaCha8
	now    time.Time
}

func newSource() *source {
	return &source{random: rand.NewChaCha8([32]byte{1}), now: time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)}
}

func (s *source) batch(org string) store.Batch {
	s.now = s.now.Add(time.Millisecond)
	id, err := store.NewBatchID(s.now, s.random)
	if err != nil {
		panic(err)
	}
	return store.Batch{
		Org: org, ID: id, Name: "survey", AgentID: "agent_1", NumberID: "ap_1", Region: "EU", Target: 1 << 20, Weight: 1,
		RingTimeout: 30 * time.Second, MaxDuration: time.Hour, CreatedAt: s.now, UpdatedAt: s.now,
	}
}

func (s *source) callIDs(n int) []string {
	s.now = s.now.Add(time.Millisecond)
	ids, err := store.NewCallIDs(s.now, s.random, n)
	if err != nil {
		panic(err)
	}
	return ids
}

func (s *source) claim(b store.Batch, n int) store.Claim {
	return store.Claim{BatchID: b.ID, CallIDs: s.callIDs(n), Carrier: "trunk-eu", From: "+442071838750"}
}

func people(n int, metadata bool) []store.NewRecipient {
	out := make([]store.NewRecipient, n)
	for i := range out {
		out[i].To = dialer.Phone(fmt.Sprintf("+1415555%04d", i))
		if metadata {
			out[i].Metadata = json.RawMessage(fmt.Sprintf(`{"name":"Person %d","plan":"gold"}`, i))
		}
	}
	return out
}

func ended(calls []store.Claimed, now time.Time) []store.Event {
	out := make([]store.Event, len(calls))
	for i, c := range calls {
		out[i] = store.Event{
			BatchID: c.Call.BatchID, Index: c.Call.Index, CallID: c.Call.ID, Status: fsm.Completed, Ref: "CA" + c.Call.ID,
			RangAt: now, StartedAt: now, EndedAt: now, EndReason: dialer.ClientHangup,
		}
	}
	return out
}

// reseed makes ids differ from those of another process.
func (s *source) reseed() {
	var seed [32]byte
	if _, err := crand.Read(seed[:]); err != nil {
		panic(err)
	}
	s.random = rand.NewChaCha8(seed)
}
