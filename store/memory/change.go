package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

var errAction = errors.New("unknown action")

// Change implements [store.Store].
func (s *Store) Change(ctx context.Context, org, id string, c store.Change) (store.Batch, error) {
	o, err := s.lock(ctx, org)
	if err != nil {
		return store.Batch{}, err
	}
	defer o.mu.Unlock()
	b := o.byID[id]
	if b == nil {
		return store.Batch{}, fmt.Errorf("memory: batch %s: %w", id, store.ErrNotFound)
	}
	if err := o.change(b, c); err != nil {
		return store.Batch{}, fmt.Errorf("memory: change batch %s: %w", id, err)
	}
	o.seal(b, c.At)
	s.commit(o)
	return b.Batch, nil
}

func (o *org) change(b *batch, c store.Change) error {
	switch c.Action {
	case store.ActionCancel:
		o.cancel(b, c.At)
	case store.ActionPause:
		b.pause(c.At)
	case store.ActionResume:
		b.resume()
	case store.ActionRetry:
		return o.retry(b, c)
	case store.ActionSetTarget:
		b.changed = b.Target != c.Target
		b.Target = c.Target
	case store.ActionHangUp:
		return o.hangUp(b, c)
	default:
		return fmt.Errorf("%w %d", errAction, c.Action)
	}
	return nil
}

func (o *org) cancel(b *batch, now time.Time) {
	if b.Counts.Over() || !b.CancelledAt.IsZero() {
		return
	}
	b.CancelledAt, b.changed = now, true
	for _, r := range b.recipients { // in the order of the batch, as the other stores do
		if r.Status == fsm.Queued {
			r.Status = fsm.Cancelled
			b.Counts.Move(fsm.Queued, fsm.Cancelled)
			o.changed(b, r, now)
		}
	}
	b.queue = queue{fresh: len(b.recipients), size: len(b.recipients)}
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

func (o *org) retry(b *batch, c store.Change) error {
	switch {
	case c.Key != "" && c.Key == b.RetryKey:
		return nil
	case b.Status() == fsm.BatchCancelled:
		return store.ErrBatchCancelled
	}
	b.RetryKey = cmp.Or(c.Key, b.RetryKey) // which is no change of its own
	if b.Counts.Failed == 0 {
		return nil
	}
	for _, r := range b.recipients {
		if r.Status == fsm.Failed {
			r.Status, r.CallID, r.EndReason, r.Error = fsm.Queued, "", "", ""
			b.queue.put(r.Attempts, r.Index)
			b.Counts.Move(fsm.Failed, fsm.Queued)
			o.changed(b, r, c.At)
		}
	}
	b.Counts.Unplaced, b.CancelledAt = 0, time.Time{}
	b.RetryCount++
	return nil
}

func (o *org) hangUp(b *batch, c store.Change) error {
	call := o.callByID[c.CallID]
	if call == nil || call.BatchID != b.ID {
		return fmt.Errorf("call %s: %w", c.CallID, store.ErrNotFound)
	}
	if call.Status.InFlight() && call.HangUpAt.IsZero() {
		call.HangUpAt, b.changed = c.At, true
	}
	return nil
}
