package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/outdial/outdial/store"
)

// indexBits are the bits of a recipient's id that are its index in the batch, as in the
// ids of package store.
const indexBits = 16

// batch is a batch inside a write: its row, changed in memory until seal.
type batch struct {
	store.Batch

	key     int64
	fresh   int // index of the first recipient that was never claimed
	changed bool
}

// recipientID is the key of a recipient's row.
func (b *batch) recipientID(index int) int64 { return b.key<<indexBits + int64(index) }

const batchColumns = `b.key, b.fresh, b.id, b.name, b.agent, b.number, b.region, b.target, b.weight,
	b.ring_timeout, b.max_duration, b.created_at, b.updated_at, b.scheduled_at, b.admitted_at, b.paused_at,
	b.cancelled_at, b.retry_count, b.queued, b.dispatched, b.started, b.completed, b.failed, b.cancelled,
	b.unplaced, b.rev, b.idem_key, b.key_until, b.fingerprint, b.first_target, b.retry_key`

// columns is where batchColumns are scanned into.
func (b *batch) columns() []any {
	return []any{
		&b.key, &b.fresh, &b.ID, &b.Name, &b.AgentID, &b.NumberID, &b.Region, &b.Target, &b.Weight,
		(*int64)(&b.RingTimeout), (*int64)(&b.MaxDuration),
		(*instant)(&b.CreatedAt), (*instant)(&b.UpdatedAt), (*instant)(&b.ScheduledAt), (*instant)(&b.AdmittedAt),
		(*instant)(&b.PausedAt), (*instant)(&b.CancelledAt), &b.RetryCount,
		&b.Counts.Queued, &b.Counts.Dispatched, &b.Counts.Started, &b.Counts.Completed, &b.Counts.Failed,
		&b.Counts.Cancelled, &b.Counts.Unplaced, &b.Rev, &b.Key, (*instant)(&b.KeyUntil), &b.Fingerprint,
		&b.FirstTarget, &b.RetryKey,
	}
}

const selectBatch = "SELECT " + batchColumns + " FROM batches b WHERE b.org = ? AND b.id = ?"

// loadBatch returns nil if the organisation has no such batch.
func loadBatch(ctx context.Context, c *connection, o *org, id string) (*batch, error) {
	if b := o.batches[id]; b != nil {
		return b, nil
	}
	b := &batch{Batch: store.Batch{Org: o.id}}
	found, err := c.find(ctx, selectBatch, []any{o.key, id}, b.columns())
	if err != nil {
		return nil, fmt.Errorf("batch %s: %w", id, err)
	}
	if !found {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	o.keep(b)
	return b, nil
}

const insertBatch = `INSERT INTO batches (org, id, name, agent, number, region, target, weight,
	ring_timeout, max_duration, created_at, updated_at, scheduled_at, admitted_at, paused_at,
	cancelled_at, retry_count, queued, dispatched, started, completed, failed, cancelled,
	unplaced, rev, fresh, idem_key, key_until, fingerprint, first_target, retry_key)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, ?, 0, ?, ?, ?, ?, ?)`

// insert adds the row and learns its key.
func (b *batch) insert(ctx context.Context, c *connection, o *org) error {
	made, err := c.exec(ctx, insertBatch, o.key, b.ID, b.Name, b.AgentID, b.NumberID, b.Region, b.Target, b.Weight,
		int64(b.RingTimeout), int64(b.MaxDuration), micros(b.CreatedAt), micros(b.UpdatedAt), micros(b.ScheduledAt),
		micros(b.AdmittedAt), micros(b.PausedAt), micros(b.CancelledAt), b.RetryCount, b.Counts.Queued, b.Rev,
		b.Key, micros(b.KeyUntil), b.Fingerprint, b.FirstTarget, b.RetryKey)
	if err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	if b.key, err = made.LastInsertId(); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return nil
}

const updateBatch = `UPDATE batches SET target = ?2, updated_at = ?3, admitted_at = ?4, paused_at = ?5,
	cancelled_at = ?6, retry_count = ?7, queued = ?8, dispatched = ?9, started = ?10, completed = ?11,
	failed = ?12, cancelled = ?13, unplaced = ?14, rev = ?15, fresh = ?16 WHERE key = ?1`

// seal writes what a transaction did to a batch: its revision comes after those of its
// recipients.
func (b *batch) seal(ctx context.Context, c *connection, o *org, now time.Time) error {
	if !b.changed {
		return nil
	}
	b.changed = false
	b.Rev, b.UpdatedAt = o.next(), now
	for _, t := range []*time.Time{&b.UpdatedAt, &b.AdmittedAt, &b.PausedAt, &b.CancelledAt} {
		*t = asStored(*t)
	}
	n := b.Counts
	_, err := c.exec(ctx, updateBatch, b.key, b.Target, micros(b.UpdatedAt), micros(b.AdmittedAt), micros(b.PausedAt),
		micros(b.CancelledAt), b.RetryCount, n.Queued, n.Dispatched, n.Started, n.Completed, n.Failed, n.Cancelled,
		n.Unplaced, b.Rev, b.fresh)
	if err != nil {
		return fmt.Errorf("batch %s: %w", b.ID, err)
	}
	o.keep(b)
	return nil
}
