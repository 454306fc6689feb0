package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/outdial/outdial/store"
)

// orphan is a call to be adopted. Its lock is the organisation's, but for its id and the time
// when it began, which never change.
type orphan struct {
	*org

	call *store.Call
}

// Adopt implements [store.Store].
func (s *Store) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: adopt: %w", err)
	}
	if !s.alive(node) {
		return nil, fmt.Errorf("memory: adopt for %s: %w", node, store.ErrNotOwner)
	}
	for {
		oldest := s.oldest(node, max(limit, 0))
		var out []store.Claimed
		for _, o := range oldest {
			if claimed, ok := s.take(o, node); ok {
				out = append(out, claimed)
			}
		}
		if len(out) > 0 {
			s.dialled(node)
		}
		// Else others were faster, and may have left some behind these.
		if len(out) > 0 || len(oldest) == 0 || !s.alive(node) {
			return out, nil
		}
	}
}

func (s *Store) oldest(node string, limit int) (orphans []orphan) {
	elsewhere := s.elsewhere(node)
	for _, o := range s.activeOrgs() {
		orphans = append(orphans, s.orphans(o, elsewhere)...)
	}
	slices.SortFunc(orphans, func(a, b orphan) int { return older(a.call, b.call) })
	return orphans[:min(len(orphans), limit)]
}

// elsewhere has the carriers that live nodes have and this one does not.
func (s *Store) elsewhere(node string) map[string]bool {
	s.lives.Lock()
	defer s.lives.Unlock()
	out, now := map[string]bool{}, s.now()
	for _, n := range s.nodes {
		for _, carrier := range n.Carriers {
			if n.ExpiresAt.After(now) {
				out[carrier] = true
			}
		}
	}
	for _, carrier := range s.nodes[node].Carriers {
		delete(out, carrier)
	}
	return out
}

func (s *Store) orphans(o *org, elsewhere map[string]bool) (out []orphan) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.inFlight {
		if !elsewhere[c.Carrier] && !s.alive(c.Owner) {
			out = append(out, orphan{o, c})
		}
	}
	return out
}

// take makes the node the owner, unless another one was faster.
func (s *Store) take(o orphan, node string) (store.Claimed, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.inFlight[o.call] || s.alive(o.call.Owner) || !s.alive(node) { // it may have waited for the organisation
		return store.Claimed{}, false
	}
	o.call.Owner = node
	return o.claimed(o.call), true
}

func older(a, b *store.Call) int {
	return cmp.Or(a.DispatchedAt.Compare(b.DispatchedAt), cmp.Compare(a.ID, b.ID))
}
