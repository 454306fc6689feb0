package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// Cancel stops the dialling of a batch and returns it. When it has returned, no recipient
// that was queued is ever dialled; calls in flight go on to their end. It may be
// repeated. A batch that is over stays as it is. ErrNotFound.
func (e *Engine) Cancel(ctx context.Context, org, id string) (store.Batch, error) {
	return e.change(ctx, org, id, "cancelling", store.Change{Action: store.ActionCancel})
}

// Pause stops the dialling of a batch until Resume. When it has returned, no queued
// recipient is dialled; calls in flight go on. It may be repeated. ErrNotFound.
func (e *Engine) Pause(ctx context.Context, org, id string) (store.Batch, error) {
	return e.change(ctx, org, id, "pausing", store.Change{Action: store.ActionPause})
}

// Resume goes on with a batch that was paused. It may be repeated. ErrNotFound.
func (e *Engine) Resume(ctx context.Context, org, id string) (store.Batch, error) {
	return e.change(ctx, org, id, "resuming", store.Change{Action: store.ActionResume})
}

// Retry queues every recipient again whose latest attempt failed, including those for which no
// call could be placed. Completed ones are left alone. Where nobody failed, nothing
// changes. ErrNotFound; ErrBatchCancelled; ErrUsageLimit. After any other error it is unknown
// whether it was done, and it must not be repeated: RetryOnce may be.
func (e *Engine) Retry(ctx context.Context, org, id string) (store.Batch, error) {
	b, _, err := e.RetryOnce(ctx, org, id, "")
	return b, err
}

// RetryOnce is Retry for who may have to ask again, under the same key: as long as no other key
// was used for a retry of the batch, the second time does nothing and returns the batch as it is
// now, whatever became of it or of the organisation's usage since. It does so also where
// nobody had failed the first time. replayed tells that the batch had been retried under the key
// before this was called.
//
// The keys of each batch are its own, apart from those of requests. One is at most
// store.MaxKey bytes of valid UTF-8 without NUL, else *InvalidError; an empty one makes it Retry.
func (e *Engine) RetryOnce(ctx context.Context, org, id, key string) (b store.Batch, replayed bool, err error) {
	if b, replayed, err = e.retried(ctx, org, id, key); err != nil || replayed {
		return b, replayed, err
	}
	o, err := e.cfg.Directory.Organisation(ctx, org)
	if err != nil {
		return store.Batch{}, false, fmt.Errorf("batch: organisation %.40q: %w", org, err)
	}
	if o.UsageExceeded {
		return store.Batch{}, false, e.refuseRetry(ctx, org, id)
	}
	// Without a key it is not repeated on an error whose result is unknown: the first may have
	// been written, its calls may have failed by now, and it would dial them once more.
	write := e.changeOnce
	if key != "" {
		write = e.change
	}
	b, err = write(ctx, org, id, "retrying", store.Change{Action: store.ActionRetry, Key: key})
	return b, false, err
}

// retried finds out whether the batch was retried under the key. Where that happens in another
// process at this moment, only the store will notice: then the batch is right, but not told to be replayed.
func (e *Engine) retried(ctx context.Context, org, id, key string) (b store.Batch, replayed bool, err error) {
	if key == "" {
		return store.Batch{}, false, nil
	}
	p := places{}
	p.text("idempotency_key", key, store.MaxKey)
	if err := p.err(); err != nil {
		return store.Batch{}, false, err
	}
	if b, err = e.Batch(ctx, org, id); err != nil {
		return store.Batch{}, false, err
	}
	return b, b.RetryKey == key, nil
}

// refuseRetry tells why an organisation over its usage limit gets no retry: what is wrong with the
// batch itself comes first, since no change of the limit would help.
func (e *Engine) refuseRetry(ctx context.Context, org, id string) error {
	b, err := e.Batch(ctx, org, id)
	switch {
	case err != nil:
		return err
	case b.Status() == fsm.BatchCancelled:
		return fmt.Errorf("batch: retrying batch %.40q: %w", id, ErrBatchCancelled)
	}
	return fmt.Errorf("batch: organisation %.40q: %w", org, ErrUsageLimit)
}

// SetTarget changes how many calls of the batch may be in flight at once, also while it
// runs. Calls above a lowered limit go on; none begins before enough of them have ended.
// *InvalidError where target is less than 1 or above the organisation's limit; ErrNotFound.
func (e *Engine) SetTarget(ctx context.Context, org, id string, target int) (store.Batch, error) {
	o, err := e.cfg.Directory.Organisation(ctx, org)
	if err != nil {
		return store.Batch{}, fmt.Errorf("batch: organisation %.40q: %w", org, err)
	}
	p := places{}
	if target == 0 {
		p.add("target_concurrency_limit", "expected at least 1, got 0")
	}
	p.checkTarget(Request{Target: target}, o)
	if err := p.err(); err != nil {
		return store.Batch{}, err
	}
	return e.change(ctx, org, id, "changing the limit of", store.Change{Action: store.ActionSetTarget, Target: target})
}

// CancelCall ends a call that rings or is connected. It returns when that is asked
// for; the call's end follows soon, in whichever process placed it. It may be repeated.
// ErrNotFound; ErrCallOver where the call has ended by itself.
func (e *Engine) CancelCall(ctx context.Context, org, callID string) error {
	c, err := e.Call(ctx, org, callID)
	if err != nil {
		return err
	}
	switch {
	case c.Status.InFlight():
	case c.EndReason == dialer.APICancelled:
		return nil // asked for again: the first answer may have been lost
	default:
		return fmt.Errorf("batch: call %.40q: %w", callID, ErrCallOver)
	}
	_, err = e.change(ctx, org, c.BatchID, "cancelling a call of", store.Change{
		Action: store.ActionHangUp, CallID: callID,
	})
	if err != nil {
		return err
	}
	if s := e.current(); s != nil {
		s.cancelCall(org, callID) // sooner than by reading it from the store
	}
	return nil
}

func (s *session) cancelCall(org, callID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.loops[org]; l != nil {
		l.post(func(now time.Time) { l.sched.cancel(callID, dialer.HangUp(dialer.APICancelled), now) })
	}
}

// change asks the store for a change that may be repeated.
func (e *Engine) change(ctx context.Context, org, id, doing string, c store.Change) (b store.Batch, err error) {
	c.At = e.now()
	err = e.write(ctx, func(ctx context.Context) error {
		b, err = e.cfg.Store.Change(ctx, org, id, c)
		return err
	})
	return e.changedTo(b, org, id, doing, err)
}

func (e *Engine) changeOnce(ctx context.Context, org, id, doing string, c store.Change) (b store.Batch, err error) {
	c.At = e.now()
	err = e.writeOnce(ctx, func(ctx context.Context) error {
		b, err = e.cfg.Store.Change(ctx, org, id, c)
		return err
	})
	return e.changedTo(b, org, id, doing, err)
}

func (e *Engine) changedTo(b store.Batch, org, id, doing string, err error) (store.Batch, error) {
	if err != nil {
		return store.Batch{}, fmt.Errorf("batch: %s batch %.40q: %w", doing, id, err)
	}
	e.changed(org, b.ID)
	return b, nil
}
