package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/store"
)

// node is one that is known.
type node struct {
	store.Node

	dialled bool // it owns calls, or did
}

// Heartbeat implements [store.Store]. It never returns ErrOwned.
func (s *Store) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: heartbeat: %w", err)
	}
	s.lives.Lock()
	defer s.lives.Unlock()
	now := s.now()
	old, known := s.nodes[n.ID]
	switch {
	case known && !old.ExpiresAt.After(now):
		return fmt.Errorf("memory: heartbeat of %s: %w", n.ID, store.ErrNotOwner)
	case n.Beat < old.Beat:
		return nil // it was overtaken
	case !known:
		s.forget(now)
	}
	n = cloneNode(n)
	n.ExpiresAt = now.Add(lease) // with its monotonic part, so that setting the clock ends no lease
	s.nodes[n.ID] = node{Node: n, dialled: old.dialled}
	return nil
}

// forget drops those of no use whose lease ran out long ago. The caller holds s.lives.
func (s *Store) forget(now time.Time) {
	maps.DeleteFunc(s.nodes, func(_ string, n node) bool {
		return !n.dialled && n.ExpiresAt.Before(now.Add(-store.NodeRetention))
	})
}

// dialled notes that a node owns calls, which is news once.
func (s *Store) dialled(id string) {
	s.lives.Lock()
	n := s.nodes[id]
	s.lives.Unlock()
	if n.dialled {
		return
	}
	s.lives.Lock()
	defer s.lives.Unlock()
	n = s.nodes[id]
	n.dialled = true
	s.nodes[id] = n
}

func (s *Store) alive(node string) bool {
	s.lives.Lock()
	defer s.lives.Unlock()
	return s.nodes[node].ExpiresAt.After(s.now())
}

// Nodes implements [store.Store].
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: nodes: %w", err)
	}
	s.lives.Lock()
	defer s.lives.Unlock()
	now := s.now()
	var out []store.Node
	for _, n := range s.nodes {
		if n.ExpiresAt.After(now) {
			told := cloneNode(n.Node)
			told.ExpiresAt = told.ExpiresAt.UTC().Truncate(time.Microsecond)
			out = append(out, told)
		}
	}
	return out, nil
}

func cloneNode(n store.Node) store.Node {
	n.Regions, n.Carriers, n.Shares = slices.Clone(n.Regions), slices.Clone(n.Carriers), slices.Clone(n.Shares)
	return n
}

// Active implements [store.Store].
func (s *Store) Active(ctx context.Context) ([]store.ActiveOrg, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: active organisations: %w", err)
	}
	var out []store.ActiveOrg
	for _, o := range s.activeOrgs() {
		out = append(out, store.ActiveOrg{Org: o.name, Rev: o.published.Load()})
	}
	return out, nil
}

func (s *Store) activeOrgs() []*org {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.active))
}
