package sqlite

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// Every combination of small counts, in an order in which each differs from the next in some.
func combinations(yield func(fsm.Counts) bool) {
	const counts, values = 7, 3
	total := 1
	for range counts {
		total *= values
	}
	for i := range total {
		var n [counts]int
		for at, rest := 0, i; at < counts; at, rest = at+1, rest/values {
			n[at] = rest % values
		}
		if !yield(fsm.Counts{
			Queued: n[0], Dispatched: n[1], Started: n[2], Completed: n[3], Failed: n[4], Cancelled: n[5], Unplaced: n[6],
		}) {
			return
		}
	}
}

// The schema derives the status a second time, for its indexes: both must say the same, and go
// on to do so when the counts of a row change.
func TestStatusInTheSchemaIsThatOfTheMachine(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	got, err := s.CreateBatch(t.Context(), store.Batch{Org: "org_1", ID: "acb_1"}, nil)
	require.NoError(t, err)
	require.Equal(t, fsm.BatchPending, got.Status())
	const set = `UPDATE batches SET queued = ?, dispatched = ?, started = ?, completed = ?, failed = ?, cancelled = ?, unplaced = ?`
	tried := 0
	_, err = write(t.Context(), s.writer, func(ctx context.Context, c *connection) (none struct{}, err error) {
		for n := range combinations {
			_, err := c.exec(ctx, set, n.Queued, n.Dispatched, n.Started, n.Completed, n.Failed, n.Cancelled, n.Unplaced)
			if err != nil {
				return none, err
			}
			for _, index := range []string{"batches_status", "batches_id"} {
				found, err := c.find(ctx, "SELECT 1 FROM batches INDEXED BY "+index+" WHERE org = 1 AND status = ? AND open = ?",
					[]any{int(n.BatchStatus()), !n.Over()}, []any{new(int)})
				if err != nil || !found {
					return none, fmt.Errorf("%+v is not found as %s by %s: %w", n, n.BatchStatus(), index, err)
				}
			}
			tried++
		}
		return none, nil
	})
	require.NoError(t, err)
	require.Equal(t, 2187, tried)
}
