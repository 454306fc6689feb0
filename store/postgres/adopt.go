package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/outdial/outdial/store"
)

// Orphans are calls in flight whose owner has no lease. One over a carrier that the node does not have
// is left to those that have it, as long as one of them lives.
const (
	withLive = `WITH live AS MATERIALIZED (
		SELECT n.key, n.id, n.carriers FROM outdial.nodes n WHERE n.expires_at > (SELECT clock_timestamp())),
	carried AS MATERIALIZED (SELECT live.id = $1 AS mine, unnest(live.carriers) AS carrier FROM live)`

	// Each call is looked up in lists that are hashed once: NOT IN and what stands in an OR are never made a join, which
	// would compare it with each node. Neither a node's key nor a carrier is NULL.
	isOrphan = `c.owner NOT IN (SELECT live.key FROM live)
		AND EXISTS (SELECT FROM live WHERE live.id = $1)
		AND (c.carrier IN (SELECT carried.carrier FROM carried WHERE carried.mine)
			OR c.carrier NOT IN (SELECT carried.carrier FROM carried))`

	selectOrphaned = withLive + `, oldest AS MATERIALIZED (
		SELECT c.org FROM outdial.flights c WHERE c.org <> ALL($3) AND ` + isOrphan + `
		ORDER BY c.dispatched_at, c.id LIMIT $2)
	SELECT v.org, (SELECT o.id FROM outdial.organisations o WHERE o.org = v.org) FROM (SELECT DISTINCT org FROM oldest) v`

	// Which were locked is kept at the server, so that the locks, what is done under them and the commit are one
	// trip: a process that is paused, or a network that is slow, keeps nobody from so many organisations.
	locked   = "SELECT set_config('adoption.orgs', coalesce(array_agg(l.org), '{}')::text, true) FROM ("
	lockOrgs = `SELECT o.org FROM outdial.organisations o WHERE o.org = ANY($1) ORDER BY o.org FOR NO KEY UPDATE`
	lockFree = locked + lockOrgs + " SKIP LOCKED) l"
	lockAll  = locked + lockOrgs + ") l"

	// A lease may be renewed by a heartbeat that is not committed yet, which has its node's row: the calls of that node
	// are not taken. A heartbeat that comes behind this lock finds that the lease has run out, see lockNode. An owner
	// whose row is gone has no heartbeats.
	lapsedOwners = `, owners AS MATERIALIZED (
		SELECT DISTINCT c.owner AS key FROM outdial.flights c
		WHERE c.org = ANY((SELECT current_setting('adoption.orgs'))::bigint[])
			AND c.owner NOT IN (SELECT live.key FROM live)),
	dead AS MATERIALIZED (
		SELECT n.key FROM outdial.nodes n
		WHERE n.key = ANY(ARRAY(SELECT o.key FROM owners o)) AND n.expires_at <= (SELECT clock_timestamp())
		ORDER BY n.key FOR SHARE OF n SKIP LOCKED),
	lapsed AS MATERIALIZED (
		SELECT dead.key FROM dead UNION ALL
		SELECT o.key FROM owners o WHERE NOT EXISTS (SELECT FROM outdial.nodes n WHERE n.key = o.key))`

	takeOrphans = withLive + lapsedOwners + `, oldest AS MATERIALIZED (
		SELECT c.org, c.id FROM outdial.flights c
		WHERE c.org = ANY((SELECT current_setting('adoption.orgs'))::bigint[]) AND ` + isOrphan + `
			AND (c.owner IN (SELECT lapsed.key FROM lapsed)) IS TRUE
		ORDER BY c.dispatched_at, c.id LIMIT $2)
	UPDATE outdial.flights c SET owner = (SELECT live.key FROM live WHERE live.id = $1)
	FROM oldest v WHERE c.org = v.org AND c.id = v.id RETURNING c.org, c.id`

	// It ends when no heartbeat of a node that has left calls behind in the organisation is under way.
	awaitBeats = `SELECT n.key FROM outdial.nodes n
	WHERE n.key = ANY(ARRAY(SELECT DISTINCT c.owner FROM outdial.flights c WHERE c.org = $1))
		AND n.expires_at <= (SELECT clock_timestamp())
	ORDER BY n.key FOR SHARE OF n`

	selectTaken = "SELECT " + callColumns + claimedColumns + " FROM (SELECT " + callOwn +
		` FROM unnest($1::bigint[], $2::bytea[]) AS v (org, id)
	JOIN outdial.flights c ON c.org = v.org AND c.id = v.id AND c.owner = $3) c` + callParents + claimedParents + `
	ORDER BY c.dispatched_at, c.id`
)

// Adopt implements [store.Store]. It takes what is left behind in organisations to which nobody is writing just then,
// by nodes of which no heartbeat is being written. Only where there is nothing else left does it wait for one of the
// others, for a second at most, and keeps nobody else waiting meanwhile. The error says which one it was.
func (s *Store) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	a := &adoption{Store: s, node: node, limit: max(limit, 0)}
	var out []store.Claimed
	err := s.bounded(ctx, func(ctx context.Context) (err error) {
		out, err = a.run(ctx)
		return err
	})
	if len(a.keys) > 0 {
		slices.Sort(a.keys)
		s.recountLater(ctx, slices.Compact(a.keys))
	}
	if err != nil {
		return nil, failed("adopt for", node, err)
	}
	return out, nil
}

// adoption is one Adopt on its way.
type adoption struct {
	*Store

	node  string
	owner node // the same, as the database has it
	limit int
	keys  []int64 // organisations of the calls that were taken
	ids   [][]byte
}

// orphaned is an organisation in which calls are left behind.
type orphaned struct {
	key int64
	id  string
}

// run goes on until it has taken some calls or there are none: others may adopt as well, and be faster.
func (a *adoption) run(ctx context.Context) (out []store.Claimed, err error) {
	for len(out) == 0 {
		busy, err := a.takeFree(ctx)
		switch {
		case err != nil:
			return nil, err
		case len(a.ids) > 0:
		case len(busy) == 0:
			return nil, nil
		default:
			if err := a.await(ctx, busy[rand.IntN(len(busy))]); err != nil { //nolint:gosec // whichever
				return nil, err
			}
		}
		if out, err = a.taken(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// takeFree takes calls of organisations whose lock is free. If there are none it returns the others that have some.
func (a *adoption) takeFree(ctx context.Context) (busy []orphaned, err error) {
	for {
		found, err := a.look(ctx, busy)
		if err != nil || len(found) == 0 {
			return busy, err
		}
		err = a.chores.do(ctx, "", func(ctx context.Context) error {
			return a.transact(ctx, func(ctx context.Context, w *work) error { return a.take(ctx, w, lockFree, found) })
		})
		if err != nil || len(a.ids) > 0 {
			return nil, err
		}
		busy = append(busy, found...)
	}
}

func keysOf(orgs []orphaned) []int64 {
	return column(orgs, func(o orphaned) int64 { return o.key })
}

// look finds the organisations, but for some, that have the oldest orphans.
func (a *adoption) look(ctx context.Context, but []orphaned) (found []orphaned, err error) {
	err = a.chores.do(ctx, "", func(ctx context.Context) error {
		return a.read(ctx, func(t *trip) {
			found, a.owner = nil, node{}
			t.lease(&a.owner, a.node)
			t.each(func(scan func(...any) error) error {
				var o orphaned
				err := scan(&o.key, (*text)(&o.id))
				found = append(found, o)
				return err
			}, selectOrphaned, raw(a.node), a.limit, keysOf(but))
		})
	})
	if err == nil && a.owner.key == 0 {
		err = store.ErrNotOwner
	}
	return found, err
}

// take locks organisations and takes their orphans.
func (a *adoption) take(ctx context.Context, w *work, lock string, of []orphaned) error {
	a.keys, a.ids = nil, nil
	t := w.begin(beginWrite)
	t.ask(lock, keysOf(of))
	t.owns(a.owner, a.node) // before the rows of other nodes, behind which nothing is waited for
	t.each(func(scan func(...any) error) error {
		var org int64
		var id []byte
		err := scan(&org, &id)
		a.keys, a.ids = append(a.keys, org), append(a.ids, id)
		return err
	}, takeOrphans, raw(a.node), a.limit)
	return w.finish(ctx, t)
}

// await takes the calls of one organisation in its turn among all who write to it, behind the heartbeats of the nodes
// that have left them.
func (a *adoption) await(ctx context.Context, org orphaned) error {
	soon, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	err := a.chores.do(soon, "", func(ctx context.Context) error {
		return a.once(ctx, func(ctx context.Context, w *work) error {
			t := w.begin(beginWrite)
			t.ask(awaitBeats, org.key)
			return w.finish(ctx, t)
		})
	})
	if err != nil {
		return fmt.Errorf("calls are left behind in organisation %s by a node of which a heartbeat is being written: %w",
			org.id, err)
	}
	done, err := a.writers.take(soon, org.id)
	if err == nil {
		defer done()
		err = a.once(ctx, func(ctx context.Context, w *work) error { return a.take(ctx, w, lockAll, []orphaned{org}) })
	}
	if err != nil {
		return fmt.Errorf("calls are left behind in organisation %s, to which somebody is writing: %w", org.id, err)
	}
	return nil
}

// taken returns the calls as they are now. Their metadata may be large, so nobody's lock is held for it.
func (a *adoption) taken(ctx context.Context) (out []store.Claimed, err error) {
	if len(a.ids) == 0 {
		return nil, nil
	}
	err = a.chores.do(ctx, "", func(ctx context.Context) error {
		return a.read(ctx, func(t *trip) {
			out = nil
			t.each(func(scan func(...any) error) error {
				c, err := scanClaimed(scan)
				out = append(out, c)
				return err
			}, selectTaken, a.keys, a.ids, a.owner.key)
		})
	})
	if err == nil {
		a.ids = nil // all of them may be over by now, and there may be others
	}
	return out, err
}
