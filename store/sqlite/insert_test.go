package sqlite

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// However many there are, and whoever of them has metadata, each row is the one that it should be.
func TestRowsThatAreInsertedTogetherGetTheirIDs(t *testing.T) {
	t.Parallel()
	all := func(int) bool { return true }
	tests := map[string]struct {
		n   int
		has func(i int) bool
	}{
		"less than a chunk":         {chunkRows - 1, all},
		"a chunk":                   {chunkRows, all},
		"a chunk and a run":         {chunkRows + runRows, all},
		"one less than that":        {chunkRows + runRows - 1, all},
		"runs and a rest":           {3*runRows + 2*chunkRows + 5, all},
		"the limit":                 {store.MaxRecipients, all},
		"none has metadata":         {1000, func(int) bool { return false }},
		"every other one has":       {2000, func(i int) bool { return i%2 == 0 }},
		"the first one has none":    {1000, func(i int) bool { return i > 0 }},
		"a gap behind a chunk":      {1000, func(i int) bool { return i != chunkRows }},
		"a gap in a run":            {1000, func(i int) bool { return i != chunkRows+100 }},
		"a gap at the end of a run": {1000, func(i int) bool { return i != chunkRows+runRows-1 }},
		"a gap behind a run":        {1000, func(i int) bool { return i != chunkRows+runRows }},
		"a wide gap":                {2000, func(i int) bool { return i < 500 || i > 1500 }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openTest(t)
			given := make([]store.NewRecipient, test.n)
			for i := range given {
				given[i].To = dialer.Phone(fmt.Sprintf("+1415555%04d", i))
				if test.has(i) {
					given[i].Metadata = fmt.Appendf(nil, `{"i":%d}`, i)
				}
			}
			for i := range 2 {
				b := made(t, s, fmt.Sprintf("acb_%d", i), given)
				requireRecipients(t, s, b, given)
			}
		})
	}
}

func made(t *testing.T, s *Store, id string, given []store.NewRecipient) store.Batch {
	t.Helper()
	now := time.UnixMicro(1_700_000_000_000_000).UTC()
	b, err := s.CreateBatch(t.Context(), store.Batch{
		Org: "org_1", ID: id, Target: 1, Weight: 1, CreatedAt: now, UpdatedAt: now,
	}, given)
	require.NoError(t, err)
	return b
}

func requireRecipients(t *testing.T, s *Store, b store.Batch, given []store.NewRecipient) {
	t.Helper()
	got, err := s.Recipients(t.Context(), store.RecipientQuery{Org: b.Org, BatchID: b.ID})
	require.NoError(t, err)
	require.Len(t, got, len(given))
	for i, r := range got {
		require.Equal(t, i, r.Index)
		require.Equal(t, given[i].To, r.To)
		require.Equal(t, string(given[i].Metadata), string(r.Metadata))
		require.Equal(t, b.Rev-int64(len(given))+int64(i), r.Rev)
	}
}

// Where the last row of a table is another one than was thought, a run is not inserted under the ids of others.
func TestARunUnderOtherIDsIsUndone(t *testing.T) {
	t.Parallel()
	for table, row := range map[string]string{
		"recipients": "INSERT INTO recipients VALUES (1 << 40, 1, '+1', 0, 0, '', 0, '', 0, 0)",
		"metadata":   "INSERT INTO metadata VALUES (1 << 40, x'00')",
	} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			s := openTest(t)
			_, err := write(t.Context(), s.writer, func(ctx context.Context, c *connection) (none struct{}, err error) {
				return none, c.all(ctx, row)
			})
			require.NoError(t, err)
			given := slices.Repeat([]store.NewRecipient{{To: "+14155550123", Metadata: []byte("{}")}}, chunkRows+runRows)
			_, err = s.CreateBatch(t.Context(), store.Batch{Org: "org_1", ID: "acb_1", Target: 1, Weight: 1}, given)
			require.ErrorIs(t, err, errRowID)
			_, err = s.Batch(t.Context(), "org_1", "acb_1")
			require.ErrorIs(t, err, store.ErrNotFound)
			got, err := s.Recipients(t.Context(), store.RecipientQuery{Org: "org_1", ByRev: true})
			require.NoError(t, err)
			require.Empty(t, got)
			made(t, s, "acb_2", given[:chunkRows-1])
		})
	}
}
