package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/outdial/outdial/store"
)

// ownership is what this Store knows of its own right to dial. It is used by the
// writer's goroutine only, so what it says holds for the whole of a transaction.
type ownership struct {
	holder

	path string           // of the lock file
	now  func() time.Time // the clock of leases
	lock *lockFile        // nil: not held
}

// holder is the node that dials. Its lease is measured on the monotonic clock: while the
// lock is held nobody else can have taken over, so a wall clock that is set forward
// must not end a lease.
type holder struct {
	node  string // empty: none
	key   int64  // of its row
	until time.Time
}

func newOwnership(database string) *ownership {
	return &ownership{path: database + lockSuffix, now: time.Now}
}

func (h holder) runs(now time.Time) bool { return h.node != "" && now.Before(h.until) }

// take makes sure that the lock is held, and says whether it was not before.
func (o *ownership) take(ctx context.Context) (fresh bool, err error) {
	if o.lock != nil {
		return false, nil
	}
	lock, err := acquire(ctx, o.path)
	if err != nil {
		return false, err
	}
	o.lock = lock
	return true, nil
}

func (o *ownership) release() error {
	if o.lock == nil {
		return nil
	}
	err := o.lock.release()
	o.lock, o.holder = nil, holder{}
	return err
}

// check returns the key of the node if it is the one that dials, else ErrNotOwner.
func (o *ownership) check(ctx context.Context, c *connection, node string) (int64, error) {
	if o.lock == nil {
		if err := o.resume(ctx, c, node); err != nil {
			return 0, err
		}
	}
	if o.node != node || !o.runs(o.now()) {
		return 0, store.ErrNotOwner
	}
	return o.key, nil
}

// resume takes the lock for a node whose lease runs but was taken before the file
// was opened by this Store. A lease is in the file, it does not end with the Store.
func (o *ownership) resume(ctx context.Context, c *connection, node string) error {
	n, err := loadNode(ctx, c, node)
	if err != nil {
		return err
	}
	left := n.expiresAt.Sub(o.now())
	if n.key == 0 || left <= 0 {
		return store.ErrNotOwner
	}
	if _, err := o.take(ctx); err != nil {
		return err
	}
	o.holder = holder{node: node, key: n.key, until: o.now().Add(left)}
	return nil
}

// nodeRow is what a lease needs of a row of nodes. Its key is 0 where there is none.
type nodeRow struct {
	key       int64
	expiresAt time.Time
	beat      int64
}

func loadNode(ctx context.Context, c *connection, id string) (nodeRow, error) {
	var n nodeRow
	_, err := c.find(ctx, "SELECT key, expires_at, beat FROM nodes WHERE id = ?",
		[]any{id}, []any{&n.key, (*instant)(&n.expiresAt), &n.beat})
	if err != nil {
		return nodeRow{}, fmt.Errorf("node %s: %w", id, err)
	}
	return n, nil
}

// markNode notes that a node owns calls, which keeps its row.
func markNode(ctx context.Context, c *connection, key int64) error {
	if _, err := c.exec(ctx, markDialled, key); err != nil {
		return fmt.Errorf("note that the node owns calls: %w", err)
	}
	return nil
}
