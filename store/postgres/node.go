package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/outdial/outdial/store"
)

// node is one whose lease runs, by the database's clock: no host's is asked.
type node struct {
	key     int32
	dialled bool // it owns calls, or did
}

// The clock is read when the statement runs, not when the transaction began: it may have waited since.
const (
	selectLease = "SELECT n.key, n.dialled FROM outdial.nodes n WHERE n.id = $1 AND n.expires_at > clock_timestamp()"

	// A lease is renewed behind the lock of its node's row, which a takeover has as well: an UPDATE that has found that
	// the lease runs, and waits for the row then, does not look again behind somebody who has changed nothing of it.
	lockNode = "SELECT FROM outdial.nodes n WHERE n.id = $1 FOR NO KEY UPDATE"

	renewLease = `UPDATE outdial.nodes SET regions = $2, carriers = $3, started_at = $4, shares = $6, beat = $7,
	expires_at = clock_timestamp() + $5::bigint * interval '1 microsecond'
	WHERE id = $1 AND expires_at > clock_timestamp() AND beat <= $7 RETURNING key`

	// A statement of its own, so that it sees the heartbeat for which the one before may have waited.
	selectOvertaken = `SELECT n.key FROM outdial.nodes n
	WHERE n.id = $1 AND n.expires_at > clock_timestamp() AND n.beat > $2`

	newLease = `INSERT INTO outdial.nodes (id, regions, carriers, started_at, expires_at, shares, beat, dialled)
	SELECT $1, $2, $3, $4, clock_timestamp() + $5::bigint * interval '1 microsecond', $6, $7, false
	WHERE NOT EXISTS (SELECT FROM outdial.nodes WHERE id = $1) ON CONFLICT (id) DO NOTHING RETURNING key`

	markDialled = "UPDATE outdial.nodes SET dialled = true WHERE id = $1 AND NOT dialled"

	// Somebody else's lock is on a row that somebody else forgets, or that is about to own a call.
	forgetNodes = `DELETE FROM outdial.nodes n WHERE n.key = ANY(ARRAY(
		SELECT o.key FROM outdial.nodes o
		WHERE o.expires_at < (SELECT clock_timestamp() - $1::bigint * interval '1 microsecond') AND NOT o.dialled
		ORDER BY o.key FOR UPDATE SKIP LOCKED))`

	// A volatile function is no bound for an index, what a sub-query has found is.
	selectLive = "SELECT " + nodeColumns + `, false FROM outdial.nodes n
	WHERE n.expires_at > (SELECT clock_timestamp())`

	// Whether a lease has run out, since it was found that none of those before had left a call behind.
	selectExpired = `SELECT EXISTS (SELECT FROM outdial.nodes n WHERE n.dialled
		AND n.expires_at <= (SELECT clock_timestamp())
		AND n.expires_at > (SELECT least($1::timestamptz, clock_timestamp() - $2::bigint * interval '1 microsecond')))`

	selectLongAgo = "SELECT clock_timestamp() - $1::bigint * interval '1 microsecond'"

	// It reads all calls in flight. It is one statement, as whoever takes calls over tells so before: who is not lapsed
	// any more, since its calls were taken over, is listed beside one that has told it.
	selectNodes = `WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now)
	SELECT ` + nodeColumns + `, false FROM outdial.nodes n WHERE n.expires_at > (SELECT now FROM clock)
	UNION ALL SELECT ` + nodeColumns + `, true FROM outdial.nodes n
	WHERE n.key IN (SELECT DISTINCT c.owner FROM outdial.flights c) AND n.expires_at <= (SELECT now FROM clock)`
	nodeColumns = "n.id, n.regions, n.carriers, n.shares, n.started_at, n.expires_at, n.beat"
)

// underWay is for how long a step may be under way that began while its node's lease ran. Each of its statements may
// take as long as the timeout, and is one of the few that wait for somebody.
func (s *Store) underWay() time.Duration {
	const least, statements = time.Minute, 6
	return max(least, statements*s.timeout)
}

// lease asks for the node of that id. Its key stays 0 if it has no lease.
func (t *trip) lease(into *node, id string) {
	t.find(nil, selectLease, []any{raw(id)}, []any{&into.key, &into.dialled})
}

// owns notes that a node owns calls, which is news once.
func (t *trip) owns(n node, id string) {
	if !n.dialled {
		t.ask(markDialled, raw(id))
	}
}

// Heartbeat implements [store.Store]. It never returns ErrOwned.
func (s *Store) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	err := s.bounded(ctx, func(ctx context.Context) error {
		fresh, err := s.heartbeat(ctx, n, max(lease, 0))
		if errors.Is(err, store.ErrNotOwner) {
			// It may have waited for one that was making the node, which only a later transaction finds.
			fresh, err = s.heartbeat(ctx, n, max(lease, 0))
		}
		if fresh && err == nil {
			s.forget(ctx)
		}
		return err
	})
	if err != nil {
		return failed("heartbeat of", n.ID, err)
	}
	return nil
}

func (s *Store) heartbeat(ctx context.Context, n store.Node, lease time.Duration) (fresh bool, err error) {
	err = s.transact(ctx, func(ctx context.Context, w *work) (err error) {
		fresh, err = w.heartbeat(ctx, n, lease)
		return err
	})
	return fresh, err
}

// heartbeat says whether the node is a new one.
func (w *work) heartbeat(ctx context.Context, n store.Node, lease time.Duration) (fresh bool, err error) {
	var key int32
	args := []any{
		raw(n.ID), rawsOrNull(n.Regions), rawsOrNull(n.Carriers), moment(n.StartedAt), lease.Microseconds(), n.Shares, n.Beat,
	}
	t := w.begin(beginWrite)
	t.ask(lockNode, raw(n.ID))
	t.find(nil, renewLease, args, []any{&key})
	t.find(nil, selectOvertaken, []any{raw(n.ID), n.Beat}, []any{&key})
	t.find(&fresh, newLease, args, []any{&key})
	if err := w.finish(ctx, t); err != nil {
		return false, err
	}
	if key == 0 {
		return false, store.ErrNotOwner
	}
	return fresh, nil
}

// forget removes nodes of no use whose lease ran out long ago, as well as it can: a role can dial that may delete from
// flights and again, as steps do, but not from nodes. The heartbeat that was written waits for it, so not for long.
func (s *Store) forget(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	err := s.chores.do(ctx, "", func(ctx context.Context) error {
		return s.transact(ctx, func(ctx context.Context, w *work) error {
			t := w.begin(beginWrite)
			t.ask(forgetNodes, store.NodeRetention.Microseconds())
			return w.finish(ctx, t)
		})
	})
	if err != nil {
		s.log.Warn("postgres: nodes that are long gone were not forgotten", "error", err)
	}
}

// Nodes implements [store.Store]. Calls in flight are looked at only while there may be somebody who has left some
// behind, and not over the connection of heartbeats: somebody may have locked the table.
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	var out []store.Node
	err := s.bounded(ctx, func(ctx context.Context) error {
		expired := false
		err := s.peers.do(ctx, "", func(ctx context.Context) error {
			return s.read(ctx, func(t *trip) {
				t.nodes(&out, selectLive)
				t.find(nil, selectExpired, []any{s.noneLapsed.Load(), s.underWay().Microseconds()},
					[]any{&expired})
			})
		})
		if err == nil && expired {
			out, err = s.lapsedToo(ctx)
		}
		return err
	})
	if err != nil {
		return nil, failed("nodes", "", err)
	}
	return out, nil
}

// lapsedToo is all nodes, also those whose lease has run out while they had calls.
func (s *Store) lapsedToo(ctx context.Context) (out []store.Node, err error) {
	var before pgtype.Timestamptz
	err = s.lapsed.do(ctx, "", func(ctx context.Context) error {
		return s.read(ctx, func(t *trip) {
			t.find(nil, selectLongAgo, []any{s.underWay().Microseconds()}, []any{&before})
			t.nodes(&out, selectNodes)
		})
	})
	if err == nil && !slices.ContainsFunc(out, func(n store.Node) bool { return n.Lapsed }) {
		s.noneLapsed.Store(&before)
	}
	return out, err
}

// nodes asks for nodes, by nodeColumns and whether they are lapsed.
func (t *trip) nodes(into *[]store.Node, query string) {
	*into = nil
	t.each(func(scan func(...any) error) error {
		var n store.Node
		var regions, carriers [][]byte
		err := scan((*text)(&n.ID), &regions, &carriers, &n.Shares, (*instant)(&n.StartedAt), (*instant)(&n.ExpiresAt),
			&n.Beat, &n.Lapsed)
		n.Regions, n.Carriers = unraw(regions), unraw(carriers)
		*into = append(*into, n)
		return err
	}, query)
}
