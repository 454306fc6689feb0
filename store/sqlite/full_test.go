package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// limitPages makes the disk full, as far as SQLite is concerned, after that many pages
// more. It holds for a connection, so opening the file again is what makes room.
func limitPages(t *testing.T, s *Store, more int) {
	t.Helper()
	_, err := write(t.Context(), s.writer, func(ctx context.Context, c *connection) (none struct{}, err error) {
		var pages int
		if _, err := c.find(ctx, "SELECT page_count FROM pragma_page_count", nil, []any{&pages}); err != nil {
			return none, err
		}
		return none, c.script(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages+more))
	})
	require.NoError(t, err)
}

func TestFullDiskLosesNothingAndIsRecoveredFrom(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	small := store.Batch{Org: "org_1", ID: "acb_1", Target: 10, Weight: 1}
	_, err := s.CreateBatch(t.Context(), small, []store.NewRecipient{{To: "+14155550100"}})
	require.NoError(t, err)
	before, err := s.Batch(t.Context(), "org_1", "acb_1")
	require.NoError(t, err)

	big := make([]store.NewRecipient, 1000)
	for i := range big {
		big[i] = store.NewRecipient{To: "+14155550101", Metadata: append([]byte(`"`), bytes.Repeat([]byte("x"), 5000)...)}
	}
	for _, more := range []int{0, 1, 20, 300} {
		limitPages(t, s, more)
		_, err = s.CreateBatch(t.Context(), store.Batch{Org: "org_1", ID: "acb_2", Weight: 1}, big)
		require.ErrorContains(t, err, "full")
		require.NotContains(t, err.Error(), "+1415")
		_, err = s.Batch(t.Context(), "org_1", "acb_2")
		require.ErrorIs(t, err, store.ErrNotFound)
		after, err := s.Batch(t.Context(), "org_1", "acb_1")
		require.NoError(t, err)
		require.Equal(t, before, after)
		limitPages(t, s, 1<<20)
	}
	made, err := s.CreateBatch(t.Context(), store.Batch{Org: "org_1", ID: "acb_2", Weight: 1}, big)
	require.NoError(t, err)
	require.Equal(t, fsm.Counts{Queued: 1000}, made.Counts)
	require.Equal(t, before.Rev+1001, made.Rev, "failed tries took no revisions")
}
