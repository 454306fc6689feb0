package sqlite

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

const endedAtOnce = 3*endChunk + 7

// happenings are events of all kinds, one for each call.
func happenings(random *rand.Rand, calls []store.Call, now time.Time) []store.Event {
	var out []store.Event
	for _, c := range calls {
		e := store.Event{BatchID: c.BatchID, Index: c.Index, CallID: c.ID, Status: c.Status}
		sometimes := func(do func()) {
			if random.IntN(2) == 0 {
				do()
			}
		}
		sometimes(func() { e.Ref = fmt.Sprint("CA", random.IntN(99)) })
		sometimes(func() { e.RangAt = now.Add(time.Second) })
		sometimes(func() { e.StartedAt = now.Add(2 * time.Second) })
		sometimes(func() { e.Details = map[string]string{"code": fmt.Sprint(random.IntN(9))} })
		sometimes(func() { e.Error = fmt.Sprint("error ", random.IntN(9)) })
		switch random.IntN(7) {
		case 0:
			e.Status, e.EndReason, e.EndedAt = fsm.Completed, dialer.AgentHangup, now
		case 1:
			e.Status, e.EndReason, e.EndedAt = fsm.Failed, dialer.DialNoAnswer, now
		case 2:
			e.Status, e.Unplaced, e.EndedAt = fsm.Failed, true, now
		case 3:
			if c.Status == fsm.Dispatched {
				e.Status, e.EndedAt = fsm.Queued, now
			}
		case 4:
			e.Status = fsm.Started
		case 5:
			e.Carrier = "trunk-b"
		}
		out = append(out, e)
	}
	return out
}

// What many events of one step write is what each writes in a step of its own.
func TestManyEventsOfAStepAreWrittenAsEachAlone(t *testing.T) {
	t.Parallel()
	random, now := rand.New(rand.NewPCG(3, 3)), time.UnixMicro(callTime).UTC()
	advance := func(s *Store, step store.Step) {
		t.Helper()
		step.Org, step.Owner, step.Now, step.Limit = "org_1", "a", now, 1<<20
		got, err := s.Advance(t.Context(), step)
		require.NoError(t, err)
		require.Empty(t, got.Lost)
	}
	ids := make([]string, endedAtOnce)
	for i := range ids {
		ids[i] = fmt.Sprintf("call_%03d", i)
	}
	stores := []*Store{openTest(t), openTest(t)}
	for _, s := range stores {
		require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Hour))
		_, err := s.CreateBatch(t.Context(), store.Batch{Org: "org_1", ID: "acb_1", Target: 1 << 20}, make([]store.NewRecipient, endedAtOnce))
		require.NoError(t, err)
		advance(s, store.Step{Claims: []store.Claim{{BatchID: "acb_1", CallIDs: ids, Carrier: "trunk-a"}}})
		for _, id := range ids[:endedAtOnce/3] {
			_, err := s.Change(t.Context(), "org_1", "acb_1", store.Change{Action: store.ActionHangUp, CallID: id, At: now})
			require.NoError(t, err)
		}
	}
	ended := 0
	for range 6 {
		flying, err := stores[0].Calls(t.Context(), store.CallQuery{Org: "org_1", InFlight: true})
		require.NoError(t, err)
		events := happenings(random, flying, now)
		advance(stores[0], store.Step{Events: events})
		for i := range events {
			advance(stores[1], store.Step{Events: events[i : i+1]})
		}
		requireSame(t, stores, endedAtOnce)
		ended += len(events)
	}
	require.Greater(t, ended, endedAtOnce+endChunk)
}
