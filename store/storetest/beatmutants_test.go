package storetest_test

import (
	"context"
	"sync"
	"time"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// beatMutants break what is promised of heartbeats that were overtaken.
func beatMutants() map[string]mutant {
	return map[string]mutant{
		"IgnoresBeats":     {"Beats/LateGoodbyeIsNotHeard", "run out", beaten(ignoreBeats)},
		"LateIsAnError":    {"Beats/LateHeartbeatIsNoError", "unexpected error", beaten(refuseLate)},
		"LateRenews":       {"Beats/LateHeartbeatChangesNothing", "after a late heartbeat", beaten(renewLate)},
		"SameIsLate":       {"Beats/LateHeartbeatChangesNothing", "in time", beaten(dropSame)},
		"HearsLateGoodbye": {"Beats/LateGoodbyeIsNotHeard", "run out", beaten(hearGoodbyes)},
		"OneBeatForAll":    {"Beats/BeatsOfNodesAreApart", "carriers", beaten(beatOfAnybody)},
		"LateIsAlwaysWell": {"Beats/LateHeartbeatDoesNotReviveANode", "error <nil>", beaten(lateIsWell)},
	}
}

// pulse knows the heartbeats that came, and may do something else with one than the store underneath.
type pulse struct {
	store.Store

	instead func(s *pulse, n *store.Node, lease *time.Duration) (drop bool, err error)

	mu     sync.Mutex
	latest map[string]store.Node
	most   int64
}

func beaten(instead func(*pulse, *store.Node, *time.Duration) (bool, error)) func() store.Store {
	return func() store.Store {
		return &pulse{Store: memory.New(), instead: instead, latest: map[string]store.Node{}}
	}
}

func (s *pulse) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	drop, err := s.instead(s, &n, &lease)
	if drop || err != nil {
		return err
	}
	if n.Beat >= s.latest[n.ID].Beat {
		s.latest[n.ID] = n
	}
	s.most = max(s.most, n.Beat)
	return s.Store.Heartbeat(ctx, n, lease)
}

func (s *pulse) late(n *store.Node) bool { return n.Beat < s.latest[n.ID].Beat }

func ignoreBeats(_ *pulse, n *store.Node, _ *time.Duration) (bool, error) {
	n.Beat = 0
	return false, nil
}

func refuseLate(s *pulse, n *store.Node, _ *time.Duration) (bool, error) {
	if s.late(n) {
		return true, store.ErrNotOwner
	}
	return false, nil
}

// renewLate keeps what is known of the node, and renews its lease.
func renewLate(s *pulse, n *store.Node, _ *time.Duration) (bool, error) {
	if s.late(n) {
		*n = s.latest[n.ID]
	}
	return false, nil
}

func dropSame(s *pulse, n *store.Node, _ *time.Duration) (bool, error) {
	return n.Beat > 0 && n.Beat == s.latest[n.ID].Beat, nil
}

func hearGoodbyes(s *pulse, n *store.Node, lease *time.Duration) (bool, error) {
	if *lease == 0 && s.late(n) {
		*n = s.latest[n.ID]
	}
	return false, nil
}

func beatOfAnybody(s *pulse, n *store.Node, _ *time.Duration) (bool, error) {
	return n.Beat < s.most && s.latest[n.ID].ID != "", nil
}

func lateIsWell(s *pulse, n *store.Node, _ *time.Duration) (bool, error) { return s.late(n), nil }
