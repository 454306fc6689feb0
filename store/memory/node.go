package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/store"
)

// Heartbeat implements [store.Store]. It never returns ErrOwned.
func (s *Store) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: heartbeat: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if old, known := s.nodes[n.ID]; known && !old.ExpiresAt.After(now) {
		return fmt.Errorf("memory: heartbeat of %s: %w", n.ID, store.ErrNotOwner)
	}
	n.Regions = slices.Clone(n.Regions)
	n.ExpiresAt = now.Add(lease) // with its monotonic part, so that setting the clock ends no lease
	s.nodes[n.ID] = n
	return nil
}

func (s *Store) alive(node string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.nodes[node].ExpiresAt.After(time.Now())
}

// Nodes implements [store.Store].
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: nodes: %w", err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := time.Now()
	var out []store.Node
	for _, n := range s.nodes {
		if n.ExpiresAt.After(now) {
			n.Regions = slices.Clone(n.Regions)
			n.ExpiresAt = n.ExpiresAt.UTC().Truncate(time.Microsecond)
			out = append(out, n)
		}
	}
	return out, nil
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

// Adopt implements [store.Store].
func (s *Store) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: adopt: %w", err)
	}
	if !s.alive(node) {
		return nil, fmt.Errorf("memory: adopt for %s: %w", node, store.ErrNotOwner)
	}
	var out []store.Claimed
	for _, o := range s.activeOrgs() {
		out = append(out, s.adopt(o, node, limit-len(out))...)
	}
	slices.SortFunc(out, func(a, b store.Claimed) int { return older(&a.Call, &b.Call) })
	return out, nil
}

func (s *Store) adopt(o *org, node string, limit int) (out []store.Claimed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	orphans := slices.SortedFunc(maps.Keys(o.inFlight), older)
	orphans = slices.DeleteFunc(orphans, func(c *store.Call) bool { return s.alive(c.Owner) })
	for _, c := range orphans[:min(len(orphans), max(limit, 0))] {
		c.Owner = node
		out = append(out, o.claimed(c))
	}
	return out
}

func older(a, b *store.Call) int {
	return cmp.Or(a.DispatchedAt.Compare(b.DispatchedAt), cmp.Compare(a.ID, b.ID))
}
