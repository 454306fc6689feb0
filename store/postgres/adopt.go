package postgres

import (
	"context"

	"github.com/outdial/outdial/store"
)

// Orphans are calls in flight whose owner has no lease. One over a carrier that the node does not have
// is left to those that have it, as long as one of them lives.
const (
	withLive = `WITH live AS MATERIALIZED (
		SELECT n.key, n.id, n.carriers FROM outdial.nodes n WHERE n.expires_at > (SELECT clock_timestamp()))`

	isOrphan = `NOT EXISTS (SELECT FROM live WHERE live.key = c.owner)
		AND EXISTS (SELECT FROM live WHERE live.id = $1)
		AND (EXISTS (SELECT FROM live WHERE live.id = $1 AND c.carrier = ANY(live.carriers))
			OR NOT EXISTS (SELECT FROM live WHERE c.carrier = ANY(live.carriers)))`

	selectOrphanOrgs = withLive + `, oldest AS (
		SELECT c.org FROM outdial.flights c WHERE ` + isOrphan + ` ORDER BY c.dispatched_at, c.id LIMIT $2)
	SELECT DISTINCT org FROM oldest`

	// In the order of the keys, as everybody else who ever takes more than one lock.
	lockOrgs = "SELECT o.org FROM outdial.organisations o WHERE o.org = ANY($1) ORDER BY o.org FOR NO KEY UPDATE"

	takeOrphans = withLive + `, oldest AS MATERIALIZED (
		SELECT c.org, c.id FROM outdial.flights c WHERE c.org = ANY($3) AND ` + isOrphan + `
		ORDER BY c.dispatched_at, c.id LIMIT $2)
	UPDATE outdial.flights c SET owner = (SELECT live.key FROM live WHERE live.id = $1)
	FROM oldest v WHERE c.org = v.org AND c.id = v.id RETURNING c.org, c.id`

	selectTaken = "SELECT " + callColumns + claimedColumns + " FROM (SELECT " + callOwn +
		` FROM unnest($1::bigint[], $2::bytea[]) AS v (org, id)
	JOIN outdial.flights c ON c.org = v.org AND c.id = v.id) c` + callParents + claimedParents + `
	ORDER BY c.dispatched_at, c.id`
)

// Adopt implements [store.Store]. It locks the organisations whose calls it takes over, as Advance does.
func (s *Store) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	var out []store.Claimed
	var orgs []int64
	err := s.bounded(ctx, func(ctx context.Context) error {
		return s.transact(ctx, func(ctx context.Context, w *work) (err error) {
			a := &adoption{work: w, node: node, limit: max(limit, 0)}
			out, err = a.run(ctx)
			orgs = a.orgs
			return err
		})
	})
	if err != nil {
		return nil, failed("adopt for", node, err)
	}
	if len(out) > 0 {
		s.recountLater(ctx, orgs)
	}
	return out, nil
}

// adoption is one Adopt on its way.
type adoption struct {
	*work

	node  string
	owner node // the same, as the database has it
	limit int
	orgs  []int64
	keys  []int64 // organisations of those that were taken
	ids   [][]byte
}

func (a *adoption) run(ctx context.Context) ([]store.Claimed, error) {
	if err := a.look(ctx, a.begin(beginWrite)); err != nil {
		return nil, err
	}
	// Others may adopt as well, and be faster.
	for len(a.orgs) > 0 && len(a.ids) == 0 {
		t := a.trip()
		t.ask(lockOrgs, a.orgs)
		t.each(func(scan func(...any) error) error {
			var org int64
			var id []byte
			err := scan(&org, &id)
			a.keys, a.ids = append(a.keys, org), append(a.ids, id)
			return err
		}, takeOrphans, raw(a.node), a.limit, a.orgs)
		if err := a.send(ctx, t); err != nil {
			return nil, err
		}
		if len(a.ids) > 0 {
			break
		}
		// What was locked in vain is let go, so that all is locked in order.
		if err := a.finish(ctx, a.trip()); err != nil {
			return nil, err
		}
		if err := a.look(ctx, a.begin(beginWrite)); err != nil {
			return nil, err
		}
	}
	return a.taken(ctx)
}

// look finds the organisations that have orphans.
func (a *adoption) look(ctx context.Context, t *trip) error {
	a.orgs, a.owner = nil, node{}
	t.lease(&a.owner, a.node)
	t.each(func(scan func(...any) error) error {
		var org int64
		err := scan(&org)
		a.orgs = append(a.orgs, org)
		return err
	}, selectOrphanOrgs, raw(a.node), a.limit)
	if err := a.send(ctx, t); err != nil {
		return err
	}
	if a.owner.key == 0 {
		return store.ErrNotOwner
	}
	return nil
}

// taken returns the calls as they are now, and ends the transaction.
func (a *adoption) taken(ctx context.Context) (out []store.Claimed, err error) {
	t := a.trip()
	if len(a.ids) > 0 {
		t.owns(a.owner, a.node)
		t.each(func(scan func(...any) error) error {
			c, err := scanClaimed(scan)
			out = append(out, c)
			return err
		}, selectTaken, a.keys, a.ids)
	}
	return out, a.finish(ctx, t)
}
