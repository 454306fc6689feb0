package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

var errTooMany = errors.New("too many recipients")

// CreateBatch implements [store.Store].
func (s *Store) CreateBatch(ctx context.Context, b store.Batch, recipients []store.NewRecipient) (store.Batch, error) {
	if len(recipients) >= 1<<indexBits {
		return store.Batch{}, failed("create batch", b.ID, errTooMany)
	}
	recipients = slices.Clone(recipients) // the caller may be gone, and use it again, before it is read
	out, err := write(ctx, s.writer, func(ctx context.Context, c *connection) (store.Batch, error) {
		return create(ctx, c, b, recipients)
	})
	if err != nil {
		return store.Batch{}, failed("create batch", b.ID, err)
	}
	return out, nil
}

func create(ctx context.Context, c *connection, in store.Batch, recipients []store.NewRecipient) (store.Batch, error) {
	o, err := makeOrg(ctx, c, in.Org)
	if err != nil {
		return store.Batch{}, err
	}
	if old, err := sameRequest(ctx, c, o, in); err != nil || old != nil {
		return old.value(), err
	}
	b := &batch{Batch: in}
	first := o.rev + 1
	o.rev += int64(len(recipients)) + 1
	b.Rev, b.Counts = o.rev, fsm.Counts{Queued: len(recipients)}
	o.add(fsm.Queued, len(recipients))
	if err := b.insert(ctx, c, o); err != nil {
		return store.Batch{}, err
	}
	if err := b.insertRecipients(ctx, c, o, recipients, first); err != nil {
		return store.Batch{}, err
	}
	if err := b.insertMetadata(ctx, c, recipients); err != nil {
		return store.Batch{}, err
	}
	return b.value(), o.save(ctx, c)
}

// value is the batch as it stands, the zero one for nil.
func (b *batch) value() store.Batch {
	if b == nil {
		return store.Batch{}
	}
	return b.Batch
}

const selectSameKey = "SELECT " + batchColumns + ` FROM batches b INDEXED BY batches_key
	WHERE b.org = ?1 AND b.idem_key = ?2 AND b.idem_key <> '' AND (b.key_until IS NULL OR b.key_until > ?3)
	ORDER BY b.id DESC LIMIT 1`

// sameRequest returns the batch that is returned instead of making one, nil for none.
func sameRequest(ctx context.Context, c *connection, o *org, in store.Batch) (*batch, error) {
	if old, err := loadBatch(ctx, c, o, in.ID); old != nil || err != nil || in.Key == "" {
		return old, err
	}
	old := &batch{Batch: store.Batch{Org: in.Org}}
	found, err := c.find(ctx, selectSameKey, []any{o.key, in.Key, in.CreatedAt.UnixMicro()}, old.columns())
	if err != nil {
		return nil, fmt.Errorf("look for the idempotency key: %w", err)
	}
	if !found {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	return old, nil
}
