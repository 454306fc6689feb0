package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

const (
	listed   = 120 // batches of each organisation
	listTime = 1_772_600_768_000_008
)

// scatter inserts batches of two organisations, in no order, whose times mostly follow their ids:
// some are of the same millisecond, some against the order, some have none.
func scatter(ctx context.Context, c *connection, random *rand.Rand) error {
	for _, name := range []string{"org_1", "org_2"} {
		o, err := makeOrg(ctx, c, name)
		if err != nil {
			return err
		}
		for _, i := range random.Perm(listed) {
			o.rev++
			b := &batch{Batch: store.Batch{
				Org: name, ID: fmt.Sprintf("acb_%03d", i), AgentID: fmt.Sprint("agent_", random.IntN(3)),
				CreatedAt: time.UnixMicro(listTime + int64(i)*700).UTC(), Rev: o.rev,
			}}
			switch random.IntN(12) {
			case 0:
				b.CreatedAt = b.CreatedAt.Add(time.Duration(random.IntN(60)-30) * time.Millisecond)
			case 1:
				b.CreatedAt = time.Time{}
			case 2:
				b.CreatedAt = time.UnixMicro(-int64(i)).UTC()
			}
			if err := b.insert(ctx, c, o); err != nil {
				return err
			}
			_, err := c.exec(ctx, `UPDATE batches SET queued = ?2, started = ?3, completed = ?4, failed = ?5, cancelled = ?6,
				unplaced = ?7 WHERE key = ?1`, b.key, random.IntN(2), random.IntN(2), random.IntN(2), 1, random.IntN(4)/3, random.IntN(2))
			if err != nil {
				return err
			}
		}
		if err := o.save(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// askAnything is a query with any of the filters.
func askAnything(random *rand.Rand) store.BatchQuery {
	q := store.BatchQuery{Org: "org_1", Limit: random.IntN(9), Open: random.IntN(4) == 0}
	sometimes := func(do func()) {
		if random.IntN(3) == 0 {
			do()
		}
	}
	at := func() time.Time { return time.UnixMicro(listTime + int64(random.IntN(listed*700))).UTC() }
	id := func() string { return fmt.Sprintf("acb_%03d", random.IntN(listed)) }
	sometimes(func() { q.AgentID = fmt.Sprint("agent_", random.IntN(4)) })
	sometimes(func() { q.CreatedFrom = at() })
	sometimes(func() { q.CreatedTo = at().Add(time.Duration(random.IntN(2))) })
	if random.IntN(2) == 0 {
		for range 1 + random.IntN(3) {
			q.Statuses = append(q.Statuses, fsm.BatchStatus(random.IntN(5)))
		}
	}
	if random.IntN(6) == 0 {
		q.ByRev, q.AfterRev = true, random.Int64N(listed)
		return q
	}
	sometimes(func() { q.After = id() })
	sometimes(func() { q.Before = id() })
	return q
}

// pick is what the query asks for, of all, newest first.
func pick(all []store.Batch, q store.BatchQuery) []store.Batch {
	var out []store.Batch
	for _, b := range all {
		if (len(q.Statuses) == 0 || slices.Contains(q.Statuses, b.Status())) && (!q.Open || !b.Counts.Over()) &&
			(q.AgentID == "" || q.AgentID == b.AgentID) && !b.CreatedAt.Before(q.CreatedFrom) &&
			(q.CreatedTo.IsZero() || b.CreatedAt.Before(q.CreatedTo)) &&
			(q.After == "" || b.ID < q.After) && (q.Before == "" || b.ID > q.Before) && (!q.ByRev || b.Rev > q.AfterRev) {
			out = append(out, b)
		}
	}
	if q.ByRev {
		slices.SortFunc(out, func(a, b store.Batch) int { return int(a.Rev - b.Rev) })
	}
	if q.Limit > 0 && len(out) > q.Limit {
		if q.Before != "" {
			return out[len(out)-q.Limit:]
		}
		return out[:q.Limit]
	}
	return out
}

func requireLists(t *testing.T, s *Store, random *rand.Rand) {
	t.Helper()
	all, err := s.Batches(t.Context(), store.BatchQuery{Org: "org_1"})
	require.NoError(t, err)
	require.Len(t, all, listed)
	found := 0
	for range 500 {
		q := askAnything(random)
		got, err := s.Batches(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, pick(all, q), got, "%+v", q)
		found += len(got)
	}
	require.Positive(t, found)
	var strays, others int
	_, err = s.readers.find(t.Context(), "SELECT sum(stray = 1), sum(stray = 0) FROM batches", nil, []any{&strays, &others})
	require.NoError(t, err)
	require.Positive(t, strays)
	require.Positive(t, others)
}

// Whatever the filters and the order of the rows, a list is what all of it holds that is asked for.
func TestListsAreWhatTheFiltersLeave(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := openTest(t)
		_, err := write(t.Context(), s.writer, func(ctx context.Context, c *connection) (struct{}, error) {
			return struct{}{}, scatter(ctx, c, random)
		})
		require.NoError(t, err)
		requireLists(t, s, random)
	}
}

// The rows of an older file are found out to be strays or not when it is opened.
func TestListsOfTheSecondSchemaAreWhatTheFiltersLeave(t *testing.T) {
	t.Parallel()
	ctx, random := t.Context(), rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "calls.db")
	texts, err := loadMigrations()
	require.NoError(t, err)
	c, err := connect(ctx, writerDSN(path))
	require.NoError(t, err)
	require.NoError(t, migrate(ctx, c, texts[:2]))
	require.NoError(t, scatter(ctx, c, random))
	require.NoError(t, c.Close())
	s, err := Open(ctx, Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	requireLists(t, s, random)
}

// Ids of package store make no strays, even where a clock goes back and makes many at once.
func TestIDsOfTheStoreMakeNoStrays(t *testing.T) {
	t.Parallel()
	s, random := openTest(t), rand.NewChaCha8([32]byte{})
	for i := range 60 {
		now := time.UnixMicro(listTime + int64(i*7%20)*300).UTC()
		id, err := store.NewBatchID(now, random)
		require.NoError(t, err)
		_, err = s.CreateBatch(t.Context(), store.Batch{Org: "org_1", ID: id, CreatedAt: now}, nil)
		require.NoError(t, err)
	}
	var strays int
	_, err := s.readers.find(t.Context(), "SELECT sum(stray) FROM batches", nil, []any{&strays})
	require.NoError(t, err)
	require.Zero(t, strays)
}
