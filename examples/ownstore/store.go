package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// Store is a store.Store that keeps a journal: what was written, in its order, each as a
// line of JSON. Everything is answered from memory, which the journal is replayed
// into when it is opened.
//
// It is good for one process that makes some thousands of calls a day and wants a file that
// a person can read. It is not good for more: every write waits for the disk on its own,
// the journal grows for ever, and opening it takes as long as it is.
type Store struct {
	// mu is held for writing until the disk has what was written, so that nobody reads
	// what a crash could take back.
	mu      sync.RWMutex
	memory  *memory.Store
	journal *os.File
	failed  error // why nothing can be written any more
	closed  bool
}

var _ store.Store = (*Store)(nil)

// Open opens the journal at path, or begins one. It returns store.ErrOwned where another
// process has it open. Close the store when no engine uses it.
func Open(ctx context.Context, path string) (*Store, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // it has phone numbers in it
	if err != nil {
		return nil, fmt.Errorf("ownstore: %w", err)
	}
	s := &Store{memory: memory.New(), journal: f}
	if err := s.open(ctx); err != nil {
		f.Close()
		return nil, fmt.Errorf("ownstore: opening %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	if err := lock(s.journal); err != nil {
		return err
	}
	if err := s.replay(ctx); err != nil {
		return err
	}
	return syncFolder(s.journal.Name())
}

// Close closes the journal. Every later call returns store.ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := s.journal.Close(); err != nil { // which unlocks it too
		return fmt.Errorf("ownstore: %w", err)
	}
	return nil
}

// write does something to the memory and returns when the journal has it. An error of the
// disk comes after the change: the caller is told that it may have been made, and
// nothing is written or read until the journal is opened again and says what is true.
func write[T any](s *Store, do func() (T, record, error)) (result T, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var none T
	if err := s.usable(); err != nil {
		return none, err
	}
	result, r, err := do()
	if err != nil {
		return none, err
	}
	if err := s.append(r); err != nil {
		s.failed = fmt.Errorf("ownstore: the journal cannot be written: %w", err)
		return none, s.failed
	}
	return result, nil
}

func read[T any](s *Store, do func() (T, error)) (result T, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(); err != nil {
		return result, err
	}
	return do()
}

func (s *Store) usable() error {
	if s.closed {
		return fmt.Errorf("ownstore: %w", store.ErrClosed)
	}
	return s.failed
}

// CreateBatch implements store.Store.
func (s *Store) CreateBatch(ctx context.Context, b store.Batch, rs []store.NewRecipient) (store.Batch, error) {
	return write(s, func() (store.Batch, record, error) {
		made, err := s.memory.CreateBatch(ctx, b, rs)
		return made, record{Create: &creation{Batch: b, Recipients: recipientsOf(rs)}}, err
	})
}

// Change implements store.Store.
func (s *Store) Change(ctx context.Context, org, id string, c store.Change) (store.Batch, error) {
	return write(s, func() (store.Batch, record, error) {
		b, err := s.memory.Change(ctx, org, id, c)
		return b, record{Change: &change{Org: org, ID: id, Change: c}}, err
	})
}

// Advance implements store.Store.
func (s *Store) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	return write(s, func() (store.Advanced, record, error) {
		out, err := s.memory.Advance(ctx, step)
		return out, record{Step: &step}, err
	})
}

// Adopt implements store.Store.
func (s *Store) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	return write(s, func() ([]store.Claimed, record, error) {
		out, err := s.memory.Adopt(ctx, node, limit)
		return out, record{Adopt: adoptionOf(node, out)}, err
	})
}

// Heartbeat implements store.Store. It is not in the journal: a lease ends with the process,
// since nobody else can have the file open.
func (s *Store) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	_, err := read(s, func() (struct{}, error) { return struct{}{}, s.memory.Heartbeat(ctx, n, lease) })
	return err
}

// Batch implements store.Store.
func (s *Store) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	return read(s, func() (store.Batch, error) { return s.memory.Batch(ctx, org, id) })
}

// Batches implements store.Store.
func (s *Store) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	return read(s, func() ([]store.Batch, error) { return s.memory.Batches(ctx, q) })
}

// Recipients implements store.Store.
func (s *Store) Recipients(ctx context.Context, q store.RecipientQuery) ([]store.Recipient, error) {
	return read(s, func() ([]store.Recipient, error) { return s.memory.Recipients(ctx, q) })
}

// Calls implements store.Store.
func (s *Store) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	return read(s, func() ([]store.Call, error) { return s.memory.Calls(ctx, q) })
}

// Call implements store.Store.
func (s *Store) Call(ctx context.Context, org, id string) (store.Call, error) {
	return read(s, func() (store.Call, error) { return s.memory.Call(ctx, org, id) })
}

// Active implements store.Store.
func (s *Store) Active(ctx context.Context) ([]store.ActiveOrg, error) {
	return read(s, func() ([]store.ActiveOrg, error) { return s.memory.Active(ctx) })
}

// Nodes implements store.Store.
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	return read(s, func() ([]store.Node, error) { return s.memory.Nodes(ctx) })
}
