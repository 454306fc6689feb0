package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

var errAction = errors.New("unknown action")

// Change implements [store.Store].
func (s *Store) Change(ctx context.Context, orgID, id string, ch store.Change) (store.Batch, error) {
	out, err := write(ctx, s.writer, func(ctx context.Context, c *connection) (store.Batch, error) {
		o, err := loadOrg(ctx, c, orgID)
		if err != nil {
			return store.Batch{}, err
		}
		if o == nil {
			return store.Batch{}, store.ErrNotFound
		}
		b, err := loadBatch(ctx, c, o, id)
		if err != nil {
			return store.Batch{}, err
		}
		if b == nil {
			return store.Batch{}, store.ErrNotFound
		}
		return b.change(ctx, c, o, ch)
	})
	if err != nil {
		return store.Batch{}, failed("change batch", id, err)
	}
	return out, nil
}

func (b *batch) change(ctx context.Context, c *connection, o *org, ch store.Change) (store.Batch, error) {
	if err := b.apply(ctx, c, o, ch); err != nil || !b.changed {
		return b.Batch, err
	}
	if err := b.seal(ctx, c, o, ch.At); err != nil {
		return store.Batch{}, err
	}
	return b.Batch, o.save(ctx, c)
}

func (b *batch) apply(ctx context.Context, c *connection, o *org, ch store.Change) error {
	switch ch.Action {
	case store.ActionCancel:
		return b.cancel(ctx, c, o, ch.At)
	case store.ActionPause:
		b.pause(ch.At)
	case store.ActionResume:
		b.resume()
	case store.ActionRetry:
		return b.retry(ctx, c, o, ch)
	case store.ActionSetTarget:
		b.changed = b.Target != ch.Target
		b.Target = ch.Target
	case store.ActionHangUp:
		return b.hangUp(ctx, c, o, ch)
	default:
		return fmt.Errorf("%w %d", errAction, ch.Action)
	}
	return nil
}

func (b *batch) pause(now time.Time) {
	if b.CancelledAt.IsZero() && b.PausedAt.IsZero() {
		b.PausedAt, b.changed = now, true
	}
}

func (b *batch) resume() {
	if b.CancelledAt.IsZero() && !b.PausedAt.IsZero() {
		b.PausedAt, b.changed = time.Time{}, true
	}
}

func (b *batch) cancel(ctx context.Context, c *connection, o *org, now time.Time) error {
	if b.Counts.Over() || !b.CancelledAt.IsZero() {
		return nil
	}
	b.CancelledAt, b.changed = now, true
	return b.moveAll(ctx, c, o, fsm.Queued, fsm.Cancel, now)
}

func (b *batch) retry(ctx context.Context, c *connection, o *org, ch store.Change) error {
	switch {
	case ch.Key != "" && ch.Key == b.RetryKey:
		return nil
	case b.Status() == fsm.BatchCancelled:
		return store.ErrBatchCancelled
	}
	if err := b.keepRetryKey(ctx, c, ch.Key); err != nil || b.Counts.Failed == 0 {
		return err
	}
	b.CancelledAt, b.changed = time.Time{}, true
	b.RetryCount++
	b.Counts.Unplaced = 0
	return b.moveAll(ctx, c, o, fsm.Failed, fsm.Retry, ch.At)
}

// keepRetryKey is apart from seal: the key is no change of its own, and nothing else writes it.
func (b *batch) keepRetryKey(ctx context.Context, c *connection, key string) error {
	if key == "" {
		return nil
	}
	b.RetryKey = key
	if _, err := c.exec(ctx, "UPDATE batches SET retry_key = ? WHERE key = ?", key, b.key); err != nil {
		return fmt.Errorf("key of the retry: %w", err)
	}
	return nil
}

const (
	moved = "UPDATE recipients SET status = ?4, call = '', end_reason = 0, error = '', updated_at = ?5, rev = ?6 + "

	// Those that were claimed before lie scattered, and are numbered by their order.
	moveClaimed = moved + `moved.place
		FROM (SELECT id AS moved_id, row_number() OVER (ORDER BY id) AS place
			FROM recipients WHERE id >= ?1 AND id < ?2 AND status = ?3) AS moved
		WHERE recipients.id = moved.moved_id`

	// The others follow each other, so their ids number them, which takes half the time.
	moveFresh = moved + "1 + id - ?1 WHERE id >= ?1 AND id < ?2 AND status = ?3"
)

// moveAll has every recipient in a status take the event, each under its own revision.
func (b *batch) moveAll(
	ctx context.Context, c *connection, o *org, from fsm.RecipientStatus, event fsm.RecipientEvent, now time.Time,
) error {
	to, err := from.Next(event)
	if err != nil {
		return fmt.Errorf("recipients: %w", err)
	}
	for _, part := range []struct {
		text      string
		low, high int
	}{
		{moveClaimed, 0, b.fresh},
		{moveFresh, b.fresh, 1 << indexBits},
	} {
		done, err := c.exec(ctx, part.text,
			b.recipientID(part.low), b.recipientID(part.high), int(from), int(to), micros(now), o.rev)
		if err != nil {
			return fmt.Errorf("recipients: %w", err)
		}
		n, err := done.RowsAffected()
		if err != nil {
			return fmt.Errorf("recipients: %w", err)
		}
		o.rev += n
		o.move(b, from, to, int(n))
	}
	return nil
}

// hangUp finds a call that is over as well: asking for its end changes nothing.
func (b *batch) hangUp(ctx context.Context, c *connection, o *org, ch store.Change) error {
	var status int
	var at time.Time
	found, err := c.find(ctx, "SELECT status, hang_up_at FROM calls WHERE org = ? AND id = ? AND batch = ?",
		[]any{o.key, ch.CallID, b.key}, []any{&status, (*instant)(&at)})
	if err != nil {
		return fmt.Errorf("call %s: %w", ch.CallID, err)
	}
	if !found {
		return fmt.Errorf("call %s: %w", ch.CallID, store.ErrNotFound)
	}
	if !fsm.RecipientStatus(status).InFlight() || !at.IsZero() { //nolint:gosec // a status, below 6
		return nil
	}
	b.changed = true
	delete(o.calls, ch.CallID) // it is read again
	_, err = c.exec(ctx, "UPDATE calls SET hang_up_at = ? WHERE org = ? AND id = ?", micros(ch.At), o.key, ch.CallID)
	if err != nil {
		return fmt.Errorf("call %s: %w", ch.CallID, err)
	}
	return nil
}
