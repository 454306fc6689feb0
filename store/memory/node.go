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
	gone    bool // its lease has run out and no call is its own, nor ever will be
}

// Heartbeat implements [store.Store]. It never returns ErrOwned.
func (s *Store) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: heartbeat: %w", err)
	}
	n.Lapsed = false
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
	now := s.now() // first: whoever's lease is over by then claims nothing after the look at the calls
	owners := s.owners(now)
	s.lives.Lock()
	defer s.lives.Unlock()
	out := make([]store.Node, 0, s.listed)
	for id, n := range s.nodes {
		lapsed := !n.ExpiresAt.After(now)
		if n.gone || lapsed && !owners[id] {
			if !n.gone && owners != nil {
				n.gone = true
				s.nodes[id] = n
			}
			continue
		}
		told := cloneNode(n.Node)
		told.ExpiresAt, told.Lapsed = told.ExpiresAt.UTC().Truncate(time.Microsecond), lapsed
		out = append(out, told)
	}
	s.listed = len(out)
	return out, nil
}

// lapses says whether the lease of a node has run out which may have left calls behind.
func (s *Store) lapses(now time.Time) bool {
	s.lives.Lock()
	defer s.lives.Unlock()
	for _, n := range s.nodes {
		if !n.gone && !n.ExpiresAt.After(now) {
			return true
		}
	}
	return false
}

// owners has the nodes that calls in flight belong to. Nil: nobody needs to know.
func (s *Store) owners(now time.Time) map[string]bool {
	if !s.lapses(now) {
		return nil
	}
	out := map[string]bool{}
	for _, o := range s.activeOrgs() {
		o.mu.Lock()
		for c := range o.inFlight {
			out[c.Owner] = true
		}
		o.mu.Unlock()
	}
	return out
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
