package storetest_test

import (
	"context"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// changer is a correct store but for how it changes batches.
type changer struct {
	store.Store

	do func(ctx context.Context, s store.Store, org, id string, c store.Change) (store.Batch, error)
}

func (s changer) Change(ctx context.Context, org, id string, c store.Change) (store.Batch, error) {
	return s.do(ctx, s.Store, org, id, c)
}

func keyed(spoil func(*store.Change)) func() store.Store {
	return func() store.Store {
		return changer{memory.New(), func(ctx context.Context, s store.Store, org, id string, c store.Change) (store.Batch, error) {
			spoil(&c)
			return s.Change(ctx, org, id, c)
		}}
	}
}

// newChecker compares the key in one transaction and retries in another, before which it waits for
// somebody to have compared it too.
func newChecker() store.Store {
	meet := make(chan struct{})
	return changer{memory.New(), func(ctx context.Context, s store.Store, org, id string, c store.Change) (store.Batch, error) {
		b, err := s.Batch(ctx, org, id)
		if err != nil || c.Key != "" && b.RetryKey == c.Key {
			return b, err
		}
		wait := time.NewTimer(20 * time.Millisecond)
		defer wait.Stop()
		select {
		case meet <- struct{}{}:
		case <-meet:
		case <-wait.C:
		}
		key := c.Key
		c.Key = ""
		if b, err = s.Change(ctx, org, id, c); err == nil && key != "" {
			b.RetryKey = key
		}
		return b, err
	}}
}

func newForgetful() store.Store {
	return changer{memory.New(), func(ctx context.Context, s store.Store, org, id string, c store.Change) (store.Batch, error) {
		b, err := s.Batch(ctx, org, id)
		if err == nil && b.Counts.Failed == 0 && b.RetryKey != c.Key {
			key := c.Key
			c.Key = ""
			b, err = s.Change(ctx, org, id, c)
			b.RetryKey = key // it says so
			return b, err
		}
		return s.Change(ctx, org, id, c)
	}}
}

func newHaughty() store.Store {
	return changer{memory.New(), func(ctx context.Context, s store.Store, org, id string, c store.Change) (store.Batch, error) {
		b, err := s.Batch(ctx, org, id)
		if err == nil && c.Action == store.ActionRetry && b.Status() == fsm.BatchCancelled {
			return store.Batch{}, store.ErrBatchCancelled
		}
		return s.Change(ctx, org, id, c)
	}}
}

// newAmnesiac has a retry without a key take the place of the latest key.
func newAmnesiac() store.Store {
	return changer{memory.New(), func(ctx context.Context, s store.Store, org, id string, c store.Change) (store.Batch, error) {
		b, err := s.Change(ctx, org, id, c)
		if c.Key == "" {
			b.RetryKey = ""
		}
		return b, err
	}}
}

// newGossip gives the batch a revision for its key alone.
func newGossip() store.Store {
	return changer{memory.New(), func(ctx context.Context, s store.Store, org, id string, c store.Change) (store.Batch, error) {
		if c.Key != "" {
			if _, err := s.Change(ctx, org, id, store.Change{Action: store.ActionPause, At: c.At}); err != nil {
				return store.Batch{}, err
			}
			if _, err := s.Change(ctx, org, id, store.Change{Action: store.ActionResume, At: c.At}); err != nil {
				return store.Batch{}, err
			}
		}
		return s.Change(ctx, org, id, c)
	}}
}
