package postgres

import (
	"context"
	"time"

	"github.com/outdial/outdial/store"
)

// node is one whose lease runs, by the database's clock: no host's is asked.
type node struct{ key int32 }

// The clock is read when the statement runs, not when the transaction began: it may have waited since.
const (
	selectLease = "SELECT n.key FROM outdial.nodes n WHERE n.id = $1 AND n.expires_at > clock_timestamp()"

	renewLease = `UPDATE outdial.nodes SET regions = $2, carriers = $3, started_at = $4, shares = $6,
	expires_at = clock_timestamp() + $5::bigint * interval '1 microsecond'
	WHERE id = $1 AND expires_at > clock_timestamp() RETURNING key`

	newLease = `INSERT INTO outdial.nodes (id, regions, carriers, started_at, expires_at, shares)
	SELECT $1, $2, $3, $4, clock_timestamp() + $5::bigint * interval '1 microsecond', $6
	WHERE NOT EXISTS (SELECT FROM outdial.nodes WHERE id = $1) ON CONFLICT (id) DO NOTHING RETURNING key`

	// A volatile function is no bound for an index, what a sub-query has found is.
	selectNodes = `SELECT n.id, n.regions, n.carriers, n.shares, n.started_at, n.expires_at FROM outdial.nodes n
	WHERE n.expires_at > (SELECT clock_timestamp())`
)

// lease asks for the node of that id. Its key stays 0 if it has no lease.
func (t *trip) lease(into *node, id string) {
	t.find(nil, selectLease, []any{raw(id)}, []any{&into.key})
}

// Heartbeat implements [store.Store]. It never returns ErrOwned.
func (s *Store) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	err := s.bounded(ctx, func(ctx context.Context) error {
		return s.transact(ctx, func(ctx context.Context, w *work) error { return w.heartbeat(ctx, n, max(lease, 0)) })
	})
	if err != nil {
		return failed("heartbeat of", n.ID, err)
	}
	return nil
}

func (w *work) heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	var key int32
	args := []any{
		raw(n.ID), rawsOrNull(n.Regions), rawsOrNull(n.Carriers), moment(n.StartedAt), lease.Microseconds(), n.Shares,
	}
	t := w.begin(beginWrite)
	t.find(nil, renewLease, args, []any{&key})
	t.find(nil, newLease, args, []any{&key})
	if err := w.finish(ctx, t); err != nil {
		return err
	}
	if key == 0 {
		return store.ErrNotOwner
	}
	return nil
}

// Nodes implements [store.Store].
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	var out []store.Node
	err := s.bounded(ctx, func(ctx context.Context) error {
		return s.read(ctx, func(t *trip) {
			out = nil
			t.each(func(scan func(...any) error) error {
				var n store.Node
				var regions, carriers [][]byte
				err := scan((*text)(&n.ID), &regions, &carriers, &n.Shares, (*instant)(&n.StartedAt), (*instant)(&n.ExpiresAt))
				n.Regions, n.Carriers = unraw(regions), unraw(carriers)
				out = append(out, n)
				return err
			}, selectNodes)
		})
	})
	if err != nil {
		return nil, failed("nodes", "", err)
	}
	return out, nil
}
