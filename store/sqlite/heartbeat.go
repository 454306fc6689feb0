package sqlite

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/outdial/outdial/store"
)

// Heartbeat implements [store.Store]. ErrOwned names the lock file. The lock is kept when
// a lease runs out, since the calls of that node may still be up in this process: a
// next node of the same Store may have it, one of another process when this Store is
// closed, its process ends, or the lease was given up.
func (s *Store) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	// The caller may be gone, and use what it gave again, before it is written.
	n.Regions, n.Carriers, n.Shares = slices.Clone(n.Regions), slices.Clone(n.Carriers), slices.Clone(n.Shares)
	b := &beat{Store: s, node: n, lease: lease}
	err := s.writer.do(&job{ctx: ctx, run: b.run, settled: b.settled, leads: true})
	if err != nil {
		return failed("heartbeat of", n.ID, err)
	}
	return nil
}

// beat is one Heartbeat. What it means for the lock and the holder in memory waits for the
// fate of the transaction.
type beat struct {
	*Store

	node  store.Node
	lease time.Duration

	fresh bool   // the lock was taken for this beat
	next  holder // if it is written
}

func (b *beat) run(ctx context.Context, c *connection) error {
	b.next = b.owner.holder
	row, err := loadNode(ctx, c, b.node.ID)
	if err != nil {
		return err
	}
	now := b.owner.now()
	if row.key != 0 && !b.runs(row, now) {
		return store.ErrNotOwner
	}
	if b.node.Beat < row.beat {
		return nil // it was overtaken
	}
	if b.lease <= 0 {
		return b.giveUp(ctx, c, now)
	}
	if b.owner.runs(now) && b.owner.node != b.node.ID {
		return fmt.Errorf("lock %s: node %s: %w", b.owner.path, b.owner.node, store.ErrOwned)
	}
	fresh, err := b.owner.take(ctx)
	if err != nil {
		return err
	}
	b.fresh = b.fresh || fresh // it can run twice
	if b.fresh {
		if err := recount(ctx, c, b.log); err != nil {
			return err
		}
	}
	return b.renew(ctx, c, now)
}

// runs says whether the lease of a node that is known still runs: by the monotonic clock
// for the one that dials here, else by what the file says.
func (b *beat) runs(row nodeRow, now time.Time) bool {
	if b.owner.node == b.node.ID {
		return b.owner.runs(now)
	}
	return row.expiresAt.After(now)
}

const (
	// Whoever had a lease before has lost it with the lock.
	expireOthers = "UPDATE nodes SET expires_at = ?2 WHERE id <> ?1 AND expires_at > ?2"

	upsertNode = `INSERT INTO nodes (id, regions, started_at, expires_at, carriers, shares, beat, dialled)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0) ON CONFLICT (id) DO UPDATE
		SET regions = ?2, started_at = ?3, expires_at = ?4, carriers = ?5, shares = ?6, beat = ?7 RETURNING key`

	markDialled = "UPDATE nodes SET dialled = 1 WHERE key = ? AND dialled = 0"

	// SQLite gives the highest key again once its row is gone. There is a later row each time, that of the node for
	// which the others are forgotten.
	forgetNodes = "DELETE FROM nodes WHERE dialled = 0 AND expires_at < ?"
)

func (b *beat) renew(ctx context.Context, c *connection, now time.Time) error {
	if b.owner.node != b.node.ID {
		if _, err := c.exec(ctx, expireOthers, b.node.ID, now.UnixMicro()); err != nil {
			return fmt.Errorf("end other leases: %w", err)
		}
	}
	b.next = holder{node: b.node.ID, until: now.Add(b.lease)}
	if err := b.write(ctx, c, b.next.until, &b.next.key); err != nil {
		return fmt.Errorf("renew the lease: %w", err)
	}
	if b.owner.node == b.node.ID {
		return nil
	}
	if _, err := c.exec(ctx, forgetNodes, now.Add(-store.NodeRetention).UnixMicro()); err != nil {
		return fmt.Errorf("forget old nodes: %w", err)
	}
	return nil
}

// giveUp leaves a row, whose lease is over, of a node that had none as well: no name is used again.
func (b *beat) giveUp(ctx context.Context, c *connection, now time.Time) error {
	if b.owner.node == b.node.ID {
		b.next = holder{}
	}
	var key int64
	if err := b.write(ctx, c, now, &key); err != nil {
		return fmt.Errorf("give the lease up: %w", err)
	}
	return nil
}

// write writes what is known of the node, with the end of its lease.
func (b *beat) write(ctx context.Context, c *connection, until time.Time, key *int64) error {
	_, err := c.find(ctx, upsertNode, []any{
		b.node.ID, packList(b.node.Regions), micros(b.node.StartedAt), until.UnixMicro(),
		packList(b.node.Carriers), packNumbers(b.node.Shares), b.node.Beat,
	}, []any{key})
	return err
}

// settled lets memory follow the file. A lock without a holder would keep everybody
// from dialling.
func (b *beat) settled(err error) {
	if err == nil {
		b.owner.holder = b.next
	}
	if (err == nil && b.next.node == "") || (err != nil && b.fresh) {
		if err := b.owner.release(); err != nil {
			b.log.Warn("sqlite: releasing the lock", "file", b.owner.path, "error", err)
		}
	}
}

const selectNodes = `SELECT id, regions, carriers, shares, started_at, expires_at, beat, expires_at <= ?1 FROM nodes
	WHERE expires_at > ?1 OR key IN (SELECT owner FROM calls INDEXED BY calls_in_flight WHERE status IN (1, 2))
	ORDER BY key`

// Nodes implements [store.Store]. A node whose process was killed is among them until its
// lease runs out or another node dials.
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	rows, err := s.readers.query(ctx, selectNodes, time.Now().UnixMicro())
	nodes, err := collect(rows, err, func(scan func(...any) error) (n store.Node, err error) {
		var regions, carriers, shares []byte
		err = scan(&n.ID, &regions, &carriers, &shares, (*instant)(&n.StartedAt), (*instant)(&n.ExpiresAt), &n.Beat,
			&n.Lapsed)
		if err != nil {
			return n, err
		}
		if n.Regions, err = unpackList(regions); err != nil {
			return n, err
		}
		if n.Carriers, err = unpackList(carriers); err != nil {
			return n, err
		}
		n.Shares, err = unpackNumbers(shares)
		return n, err
	})
	if err != nil {
		return nil, s.unread("nodes", "", err)
	}
	return nodes, nil
}
