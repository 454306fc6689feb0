// Package memory keeps batches in the memory of one process: for tests, for trying
// outdial out, and as the shortest example of a [store.Store]. Nothing survives the process.
//
// Several engines of the process may share a Store. Leases run by [time.Now], so the store
// can be used inside a testing/synctest bubble.
package memory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// Store is a [store.Store] in memory. It is made by [New] and safe for concurrent use.
type Store struct {
	now func() time.Time // what leases are measured by

	// mu guards the maps, not what the organisations hold: each has a lock of its own, so
	// that none waits for another. Where both are held, the organisation's was taken first.
	mu     sync.RWMutex
	orgs   map[string]*org
	active map[string]*org // those with open batches

	// lives guards the nodes. It is held for moments only and never while another lock is waited for: however many
	// organisations write, a lease is renewed in time.
	lives  sync.Mutex
	nodes  map[string]node // those whose lease ran out too: their ids stay refused
	listed int             // nodes that were listed last
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return NewAt(time.Now) }

// NewAt returns an empty store with a clock of its own, by which leases run out. now is safe for
// concurrent use and never goes back.
func NewAt(now func() time.Time) *Store {
	return &Store{
		now: now, orgs: map[string]*org{}, active: map[string]*org{}, nodes: map[string]node{},
	}
}

// CreateBatch implements [store.Store].
func (s *Store) CreateBatch(ctx context.Context, b store.Batch, rs []store.NewRecipient) (store.Batch, error) {
	s.keep(b.Org)
	made := newBatch(b, rs) // before the lock, which 5,000 recipients would hold for long
	o, err := s.lock(ctx, b.Org)
	if err != nil {
		return store.Batch{}, err
	}
	defer o.mu.Unlock()
	if old := o.sameRequest(b); old != nil {
		return old.Batch, nil
	}
	o.add(made)
	s.commit(o)
	return made.Batch, nil
}

func newBatch(b store.Batch, rs []store.NewRecipient) *batch {
	made := &batch{Batch: b, queue: queue{size: len(rs)}, recipients: make([]*store.Recipient, len(rs))}
	made.Counts, made.Rev = fsm.Counts{Queued: len(rs)}, 0
	rows := make([]store.Recipient, len(rs)) // in one piece, which is half the work of creating
	for i, r := range rs {
		rows[i] = store.Recipient{
			Org: b.Org, BatchID: b.ID, Index: i, To: r.To, Metadata: r.Metadata, CreatedAt: b.CreatedAt,
		}
		made.recipients[i] = &rows[i]
	}
	return made
}

// sameRequest returns the batch that CreateBatch returns instead of making b.
func (o *org) sameRequest(b store.Batch) *batch {
	if old := o.byID[b.ID]; old != nil {
		return old
	}
	old := o.byKey[b.Key]
	if old == nil || !old.KeyUntil.IsZero() && !old.KeyUntil.After(b.CreatedAt) {
		return nil
	}
	return old
}

func (o *org) add(b *batch) {
	at, _ := slices.BinarySearchFunc(o.batches, b.ID, func(b *batch, id string) int { return strings.Compare(b.ID, id) })
	o.batches = slices.Insert(o.batches, at, b)
	o.byID[b.ID] = b
	if b.Key != "" {
		o.byKey[b.Key] = b
	}
	for _, r := range b.recipients {
		o.changed(b, r, b.UpdatedAt)
	}
	o.seal(b, b.UpdatedAt)
}

// keep makes an organisation where there is none of that name.
func (s *Store) keep(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.orgs[name] == nil {
		s.orgs[name] = newOrg(name)
	}
}

// lock returns the organisation, locked. One that was never given a batch is empty.
func (s *Store) lock(ctx context.Context, name string) (*org, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	s.mu.RLock()
	o := s.orgs[name]
	s.mu.RUnlock()
	if o == nil {
		o = newOrg(name) // nobody can write to it, for it has no batch
	}
	o.mu.Lock()
	return o, nil
}

// commit publishes what a writer, who holds the organisation's lock, has done to it.
func (s *Store) commit(o *org) {
	o.published.Store(o.rev)
	active := len(o.open) > 0
	if active == o.active {
		return
	}
	o.active = active
	s.mu.Lock()
	defer s.mu.Unlock()
	if active {
		s.active[o.name] = o
	} else {
		delete(s.active, o.name)
	}
}
