package storetest_test

import (
	"context"
	"slices"
	"sync"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// lapsedMutants break what is promised of nodes whose lease is over while calls are still theirs.
func lapsedMutants() map[string]mutant {
	return map[string]mutant{
		"ForgetsTheLapsed":  {"Leases/ExpiredNodeIsListedWithItsCalls", "which left calls behind", newOblivious},
		"ForgetsWhoLeft":    {"Leases/NodeThatLeftIsListedWithItsCalls", "which left calls behind", newOblivious},
		"LapsedIsAlive":     {"Leases/NodeThatLeftIsListedWithItsCalls", "lapsed", nodesRead(func(n *store.Node) { n.Lapsed = false })},
		"BelievesHeartbeat": {"Leases/ExpiredNodeIsListedWithItsCalls", "while its lease runs", nodesRead(func(n *store.Node) { n.Lapsed = true })},
		"LapsedTellNothing": {"Leases/ExpiredNodeIsListedWithItsCalls", "its shares", nodesRead(forgetOfLapsed)},
		"LapsedForEver":     {"Leases/ExpiredNodeIsListedUntilTheLastIsAdopted", "whose last call was taken over", newMourning(0)},
		"LapsedOnce":        {"Leases/ExpiredNodeIsListedUntilTheLastIsAdopted", "which left calls behind", newMourning(1)},
	}
}

func forgetOfLapsed(n *store.Node) {
	if n.Lapsed {
		n.Shares = nil
	}
}

// oblivious lists nobody whose lease is over.
type oblivious struct{ store.Store }

func newOblivious() store.Store { return oblivious{memory.New()} }

func (s oblivious) Nodes(ctx context.Context) ([]store.Node, error) {
	got, err := s.Store.Nodes(ctx)
	return slices.DeleteFunc(got, func(n store.Node) bool { return n.Lapsed }), err
}

// mourning lists those that are lapsed for ever, or until some calls were taken over.
type mourning struct {
	store.Store

	most int // adoptions, after which they are not listed; 0: they always are

	mu        sync.Mutex
	lapsed    []store.Node
	adoptions int
}

func newMourning(most int) func() store.Store {
	return func() store.Store { return &mourning{Store: memory.New(), most: most} }
}

func (s *mourning) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	got, err := s.Store.Adopt(ctx, node, limit)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adoptions++
	return got, err
}

func (s *mourning) Nodes(ctx context.Context) ([]store.Node, error) {
	got, err := s.Store.Nodes(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range got {
		if n.Lapsed && !slices.ContainsFunc(s.lapsed, func(l store.Node) bool { return l.ID == n.ID }) {
			s.lapsed = append(s.lapsed, n)
		}
	}
	got = slices.DeleteFunc(got, func(n store.Node) bool { return n.Lapsed })
	if s.most > 0 && s.adoptions >= s.most {
		return got, err
	}
	return append(got, s.lapsed...), err
}
