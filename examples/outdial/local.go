package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

var _ backend = (*local)(nil)

// local is an open database, and an engine over it.
type local struct {
	org    string // whose batches the commands are about
	config source
	store  *nodeStore
	peers  *peers
	engine *batch.Engine
	logger *slog.Logger
	times  times
}

// times are the engine's that can be chosen.
type times struct {
	drain time.Duration // how long calls in progress may take to end
	lease time.Duration // how long after a process's last sign of life others take its calls over; 0: the engine's default
}

// source is a configuration, or one that can be read again.
type source interface {
	batch.Directory

	Dialers() map[string]dialer.Dialer
	Close() error
}

// openLocal takes c over: it is closed with what is returned.
func openLocal(
	ctx context.Context, d database, c source, logger *slog.Logger, t times,
) (*local, error) {
	st, err := d.open(ctx, logger)
	if err != nil {
		return nil, first(err, c.Close())
	}
	l := &local{config: c, store: st, peers: newPeers(st, logger), logger: logger, times: t}
	l.peers.join(c.Dialers())
	if l.engine, err = l.newEngine(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// newEngine makes one of which Run has not been called, since that is possible only once.
func (l *local) newEngine() (*batch.Engine, error) {
	e, err := batch.New(batch.Config{
		Store: l.store, Directory: l.config, Dialers: l.config.Dialers(), Logger: l.logger,
		DrainTimeout: l.times.drain, Lease: l.times.lease,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the engine: %w", err)
	}
	return e, nil
}

// Close implements backend.
func (l *local) Close() error {
	err := errors.Join(l.store.Close(), l.config.Close())
	l.peers.transport.CloseIdleConnections()
	return err
}

// Batch implements backend.
func (l *local) Batch(ctx context.Context, id string) (store.Batch, error) {
	b, err := l.engine.Batch(ctx, l.org, id)
	if err != nil {
		return b, fmt.Errorf("reading batch %s: %w", id, err)
	}
	return b, nil
}

// Batches implements backend.
func (l *local) Batches(ctx context.Context, open bool) iter.Seq2[store.Batch, error] {
	const pageSize = 100
	q := store.BatchQuery{Org: l.org, Open: open, Limit: pageSize}
	return func(yield func(store.Batch, error) bool) {
		for {
			page, err := l.engine.Batches(ctx, q)
			if err != nil {
				yield(store.Batch{}, fmt.Errorf("reading the batches: %w", err))
				return
			}
			for _, b := range page {
				if !yield(b, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			q.After = page[len(page)-1].ID
		}
	}
}

// Whole implements backend.
func (l *local) Whole(ctx context.Context, id string, metadata bool) (store.Batch, []store.Recipient, error) {
	b, err := l.Batch(ctx, id)
	if err != nil {
		return b, nil, err
	}
	recipients, err := l.engine.Recipients(ctx, store.RecipientQuery{Org: l.org, BatchID: id, NoMetadata: !metadata})
	if err != nil {
		return b, nil, fmt.Errorf("reading the recipients of batch %s: %w", id, err)
	}
	return b, recipients, nil
}

// Calls implements backend.
func (l *local) Calls(ctx context.Context, id string) ([]store.Call, error) {
	calls, err := l.engine.Calls(ctx, store.CallQuery{Org: l.org, BatchID: id})
	if err != nil {
		return nil, fmt.Errorf("reading the calls of batch %s: %w", id, err)
	}
	return calls, nil
}

// Recipient implements backend.
func (l *local) Recipient(ctx context.Context, id string) (store.Recipient, batch.Waiting, error) {
	batchID, index, err := store.ParseRecipientID(id)
	if err != nil {
		return store.Recipient{}, batch.Waiting{}, err
	}
	list, err := l.engine.Recipients(ctx, store.RecipientQuery{Org: l.org, BatchID: batchID, From: index, Limit: 1})
	if err != nil {
		return store.Recipient{}, batch.Waiting{}, fmt.Errorf("reading recipient %s: %w", id, err)
	}
	if len(list) == 0 || list[0].Index != index {
		return store.Recipient{}, batch.Waiting{}, fmt.Errorf("recipient %s: %w", id, batch.ErrNotFound)
	}
	w, err := l.engine.Why(ctx, l.org, id)
	if err != nil {
		return list[0], w, fmt.Errorf("finding out why recipient %s waits: %w", id, err)
	}
	return list[0], inWords(w), nil
}

// Waiting implements backend.
func (l *local) Waiting(ctx context.Context, id string) (batch.Waiting, error) {
	w, err := l.engine.WhyBatch(ctx, l.org, id)
	if err != nil {
		return w, fmt.Errorf("finding out why batch %s waits: %w", id, err)
	}
	return inWords(w), nil
}

// inWords puts the reason into those of somebody at a terminal.
func inWords(w batch.Waiting) batch.Waiting {
	if w.Reason == batch.WaitNotRunning {
		w.Detail = "nothing dials from this database at the moment; " + whoDials
	}
	return w
}

// Change implements backend.
func (l *local) Change(ctx context.Context, id string, c store.Change) (store.Batch, error) {
	switch c.Action { //nolint:exhaustive // calls are not ended by any command
	case store.ActionCancel:
		return l.engine.Cancel(ctx, l.org, id)
	case store.ActionPause:
		return l.engine.Pause(ctx, l.org, id)
	case store.ActionResume:
		return l.engine.Resume(ctx, l.org, id)
	case store.ActionRetry:
		return l.engine.Retry(ctx, l.org, id)
	case store.ActionSetTarget:
		return l.engine.SetTarget(ctx, l.org, id, c.Target)
	}
	return store.Batch{}, fmt.Errorf("no command asks for action %d", c.Action)
}

// Create implements backend.
func (l *local) Create(ctx context.Context, r batch.Request) (store.Batch, error) {
	return l.engine.Create(ctx, l.org, r)
}

// Watch implements backend.
func (l *local) Watch(ctx context.Context, id string) iter.Seq2[batch.Change, error] {
	return func(yield func(batch.Change, error) bool) {
		var cursor int64
		for tries := 1; tries <= watchTries && ctx.Err() == nil; tries++ {
			before := cursor
			for c, err := range l.engine.Watch(ctx, l.org, id, cursor) {
				cursor = max(cursor, c.Cursor)
				if !yield(c, err) {
					return
				}
			}
			if cursor > before {
				tries = 1
			}
			wait(ctx, watchAgain)
		}
	}
}
