package sqlite

import (
	"context"
	"fmt"

	"github.com/outdial/outdial/store"
)

// As only one node can dial, every call in flight that is not its own is an orphan.
// The index has the owner, so the node's own calls cost nothing but a glance.
const selectOrphans = selectClaimed + ` WHERE (c.org, c.id) IN (
		SELECT org, id FROM calls INDEXED BY calls_in_flight WHERE status IN (1, 2) AND owner <> ?)
	ORDER BY c.dispatched_at, c.id LIMIT ?`

// orphan is a call to be adopted, and the key of its organisation.
type orphan struct {
	store.Claimed

	org int64
}

// Adopt implements [store.Store]. It adopts from nodes whose lease has not run out as well:
// who has the lock knows that they are gone.
func (s *Store) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	out, err := write(ctx, s.writer, func(ctx context.Context, c *connection) ([]store.Claimed, error) {
		key, err := s.owner.check(ctx, c, node)
		if err != nil {
			return nil, err
		}
		return adopt(ctx, c, node, key, limit)
	})
	if err != nil {
		return nil, failed("adopt for", node, err)
	}
	return out, nil
}

func adopt(ctx context.Context, c *connection, node string, key int64, limit int) ([]store.Claimed, error) {
	rows, err := c.query(ctx, selectOrphans, key, max(limit, 0)) // below 0 is no limit to SQLite
	orphans, err := collect(rows, err, scanOrphan)
	if err != nil {
		return nil, fmt.Errorf("look for calls: %w", err)
	}
	var out []store.Claimed
	const take = "UPDATE calls SET owner = ?3 WHERE org = ?1 AND id = ?2"
	for _, o := range orphans {
		if _, err := c.exec(ctx, take, o.org, o.Call.ID, key); err != nil {
			return nil, fmt.Errorf("call %s: %w", o.Call.ID, err)
		}
		o.Call.Owner = node
		out = append(out, o.Claimed)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, markNode(ctx, c, key)
}

func scanOrphan(scan func(...any) error) (o orphan, err error) {
	o.Claimed, o.org, err = scanClaimed(scan)
	return o, err
}
