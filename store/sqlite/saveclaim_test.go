package sqlite

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func TestRunsAreOfRecipientsThatFollowEachOther(t *testing.T) {
	t.Parallel()
	for want, claims := range map[int][]string{
		1: {"4 a"},
		2: {"4 a", "5 b", "7 c"},
		3: {"4 a", "5 b", "6 c", "7 dd"},
		4: {"65532 a", "65533 b", "65534 c", "65535 d"},
	} {
		claimed := make([]store.Claimed, len(claims))
		for i, c := range claims {
			_, err := fmt.Sscan(c, &claimed[i].Call.Index, &claimed[i].Call.ID)
			require.NoError(t, err)
		}
		require.Equal(t, want, run(claimed), claims)
	}
	require.Equal(t, 1, run([]store.Claimed{{Call: store.Call{Index: 5}}, {Call: store.Call{Index: 4}}}))
}

// What a claim of many writes is what as many claims of one write: of recipients here and there, too, and under
// ids of all lengths that hold any bytes.
func TestManyClaimsOfAStepAreWrittenAsEachAlone(t *testing.T) {
	t.Parallel()
	const size = 150
	now := time.UnixMicro(callTime).UTC()
	stores := []*Store{openTest(t), openTest(t)}
	advance := func(s *Store, step store.Step) store.Advanced {
		t.Helper()
		step.Org, step.Owner, step.Now, step.Limit = "org_1", "a", now, 1<<20
		got, err := s.Advance(t.Context(), step)
		require.NoError(t, err)
		require.Empty(t, got.Lost)
		return got
	}
	claim := func(ids ...string) []store.Claim {
		return []store.Claim{{BatchID: "acb_1", CallIDs: ids, Carrier: "trunk-a", From: "+442079460000"}}
	}
	for _, s := range stores {
		require.NoError(t, s.Heartbeat(t.Context(), store.Node{ID: "a"}, time.Hour))
		people := make([]store.NewRecipient, size)
		for i := range people {
			people[i].To = "+12025550100"
			if i%3 == 0 {
				people[i].Metadata = fmt.Appendf(nil, `{"n":%d}`, i)
			}
		}
		_, err := s.CreateBatch(t.Context(), store.Batch{Org: "org_1", ID: "acb_1", Target: 1 << 20}, people)
		require.NoError(t, err)
	}
	ids := func(round, n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf("call_%d_%03d", round, i) + strings.Repeat("\x00é☎", i/20%3)
		}
		return out
	}
	for round, n := range []int{100, 60, 80} {
		made := ids(round, n)
		together := advance(stores[0], store.Step{Claims: claim(made...)}).Claimed
		var alone []store.Claimed
		for _, id := range made {
			alone = append(alone, advance(stores[1], store.Step{Claims: claim(id)}).Claimed...)
		}
		require.Len(t, together, n)
		require.Equal(t, alone, together)
		var again []store.Event // some of them wait once more
		for i := range together {
			if c := &together[i].Call; i%7 < 4 {
				again = append(again, store.Event{BatchID: c.BatchID, Index: c.Index, CallID: c.ID, Status: fsm.Queued, EndedAt: now})
			}
		}
		advance(stores[0], store.Step{Events: again})
		advance(stores[1], store.Step{Events: again})
		requireSame(t, stores, size)
	}
}

// requireSame wants the same rows in both, each recipient under a revision of its own.
func requireSame(t *testing.T, stores []*Store, size int) {
	t.Helper()
	var batches [2]store.Batch
	var recipients [2][]store.Recipient
	var calls [2][]store.Call
	var err error
	for i, s := range stores {
		batches[i], err = s.Batch(t.Context(), "org_1", "acb_1")
		require.NoError(t, err)
		batches[i].Rev = 0
		recipients[i], err = s.Recipients(t.Context(), store.RecipientQuery{Org: "org_1", BatchID: "acb_1"})
		require.NoError(t, err)
		revs := map[int64]bool{}
		for n := range recipients[i] {
			revs[recipients[i][n].Rev] = true
			recipients[i][n].Rev = 0
		}
		require.Len(t, revs, size, "each has a revision of its own")
		calls[i], err = s.Calls(t.Context(), store.CallQuery{Org: "org_1"})
		require.NoError(t, err)
	}
	require.Equal(t, batches[1], batches[0])
	require.Equal(t, recipients[1], recipients[0])
	require.Equal(t, calls[1], calls[0])
}
