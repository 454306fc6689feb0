package storetest_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// carrierMutants break what is promised of the carriers of nodes.
func carrierMutants() map[string]mutant {
	return map[string]mutant{
		"ForgetsNodeCarriers":     {"Leases/NodesAreThoseWithALease", "node", nodesRead(func(n *store.Node) { n.Carriers = nil })},
		"SortsNodeCarriers":       {"Leases/NodesAreThoseWithALease", "node", nodesRead(func(n *store.Node) { slices.Sort(n.Carriers) })},
		"SharesNodeCarriers":      {"Leases/NodesAreThoseWithALease", "the carriers are the store's own", newNodeSharing},
		"KeepsTheFirstCarriers":   {"Carriers/CarriersAreThoseOfTheLatestHeartbeat", "carriers", newStubborn},
		"AdoptsByFirstCarriers":   {"Carriers/AdoptGoesByTheLatestHeartbeat", "adopted", newStubborn},
		"AdoptsEverything":        {"Carriers/AdoptLeavesCallsToWhoHasTheirCarrier", "adopted", believed(nil, dropCarriers)},
		"AdoptsNothingButItsOwn":  {"Carriers/AdoptLeavesCallsToWhoHasTheirCarrier", "adopted", believed(nil, nil, "a", "b", "c")},
		"OnlyNodeWaits":           {"Carriers/OnlyNodeAdoptsWhateverItsCarriers", "adopted", believed(nil, nil, "a", "b")},
		"LeavesCallsToTheDead":    {"Carriers/AdoptTakesFromNodesThatHadTheCarrier", "adopted", believed(remember, nil)},
		"TakesNoneForAll":         {"Carriers/NodeWithoutCarriersHasNone", "adopted", believed(nil, noneIsAll)},
		"SeesOneCarrierOfANode":   {"Carriers/FirstOfThoseWithTheCarrierAdopts", "adopted", believed(nil, firstCarrier)},
		"CutsBeforeItLeaves":      {"Carriers/CallsThatAreLeftDoNotCount", "adopted", newCutting},
		"GoesByTheFirstCarrier":   {"Carriers/MovedCallIsLeftByItsNewCarrier", "adopted", newNostalgic},
		"FoldsCarriers":           {"Carriers/AdoptTellsCarriersApart", "adopted", believed(nil, foldCarriers)},
		"TrimsCarriers":           {"Carriers/AdoptTellsCarriersApart", "adopted", believed(nil, trimCarriers)},
		"LeavesInOneOrganisation": {"Carriers/AdoptLeavesCallsOfEveryOrganisation", "adopted", newParochial},
		"AdoptsAtRandom":          {"Carriers/RandomAdoptionsMatchTheRule", "adopted", newCutting},
		"LeavesAtRandom":          {"Carriers/RandomAdoptionsMatchTheRule", "adopted", believed(remember, nil)},
	}
}

// herald spoils nodes as they are read.
type herald struct {
	store.Store

	spoil func(*store.Node)
}

func nodesRead(spoil func(*store.Node)) func() store.Store {
	return func() store.Store { return herald{memory.New(), spoil} }
}

func (s herald) Nodes(ctx context.Context) ([]store.Node, error) {
	got, err := s.Store.Nodes(ctx)
	for i := range got {
		s.spoil(&got[i])
	}
	return got, err
}

// nodeSharing keeps the list of carriers that it was given.
type nodeSharing struct {
	store.Store

	mu       sync.Mutex
	carriers map[string][]string
}

func newNodeSharing() store.Store {
	return &nodeSharing{Store: memory.New(), carriers: map[string][]string{}}
}

func (s *nodeSharing) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carriers[n.ID] = n.Carriers
	return s.Store.Heartbeat(ctx, n, lease)
}

func (s *nodeSharing) Nodes(ctx context.Context) ([]store.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	got, err := s.Store.Nodes(ctx)
	for i := range got {
		got[i].Carriers = s.carriers[got[i].ID]
	}
	return got, err
}

// stubborn keeps the carriers with which a node was registered.
type stubborn struct {
	store.Store

	mu       sync.Mutex
	carriers map[string][]string
}

func newStubborn() store.Store {
	return &stubborn{Store: memory.New(), carriers: map[string][]string{}}
}

func (s *stubborn) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, known := s.carriers[n.ID]; known {
		n.Carriers = first
	}
	s.carriers[n.ID] = slices.Clone(n.Carriers)
	return s.Store.Heartbeat(ctx, n, lease)
}

// ghost is a node that nobody registered, and believes to be alive.
const ghost = "ghost"

// believer has a false idea of who has which carrier. What it says of nodes is right.
type believer struct {
	store.Store

	mu       sync.Mutex
	carriers map[string][]string // as the nodes said
	ghost    []string            // the carriers of a node that there is not
	learn    func(*believer, *store.Node)
	take     func(*store.Node)
}

func believed(learn func(*believer, *store.Node), take func(*store.Node), ghosts ...string) func() store.Store {
	return func() store.Store {
		return &believer{Store: memory.New(), carriers: map[string][]string{}, ghost: ghosts, learn: learn, take: take}
	}
}

func remember(s *believer, n *store.Node) { s.ghost = append(s.ghost, n.Carriers...) }
func dropCarriers(n *store.Node)          { n.Carriers = nil }

func firstCarrier(n *store.Node) { n.Carriers = n.Carriers[:min(len(n.Carriers), 1)] }

func noneIsAll(n *store.Node) {
	if len(n.Carriers) == 0 {
		n.Carriers = []string{"a", "b"}
	}
}

func foldCarriers(n *store.Node) {
	for _, c := range n.Carriers {
		n.Carriers = append(n.Carriers, strings.ToLower(c), strings.ToUpper(c))
	}
}

func trimCarriers(n *store.Node) {
	for _, c := range n.Carriers {
		n.Carriers = append(n.Carriers, strings.TrimRight(c, "\x00 ")) // "a\x00" is "a", too
	}
}

func (s *believer) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carriers[n.ID] = slices.Clone(n.Carriers)
	n.Carriers = slices.Clone(n.Carriers)
	if s.learn != nil {
		s.learn(s, &n)
	}
	if s.take != nil {
		s.take(&n)
	}
	if len(s.ghost) > 0 {
		if err := s.Store.Heartbeat(ctx, store.Node{ID: ghost, Carriers: s.ghost}, time.Hour); err != nil {
			return err
		}
	}
	return s.Store.Heartbeat(ctx, n, lease)
}

func (s *believer) Nodes(ctx context.Context) ([]store.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	got, err := s.Store.Nodes(ctx)
	got = slices.DeleteFunc(got, func(n store.Node) bool { return n.ID == ghost })
	for i := range got {
		got[i].Carriers = slices.Clone(s.carriers[got[i].ID])
	}
	return got, err
}

// cutting looks at the oldest calls without an owner only, and then leaves some of them.
type cutting struct{ store.Store }

func newCutting() store.Store { return cutting{memory.New()} }

func (s cutting) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	nodes, err := s.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	nodes = slices.DeleteFunc(nodes, func(n store.Node) bool { return n.Lapsed })
	live := map[string]store.Node{}
	for _, n := range nodes {
		live[n.ID] = n
	}
	calls, err := s.Calls(ctx, store.CallQuery{Org: "org_1", InFlight: true})
	if err != nil {
		return nil, err
	}
	looked, left := 0, 0
	for _, c := range slices.Backward(calls) {
		if _, ok := live[c.Owner]; ok || looked == limit {
			continue
		}
		looked++
		if hasElsewhere(nodes, node, c.Carrier) {
			left++
		}
	}
	return s.Store.Adopt(ctx, node, limit-left)
}

func hasElsewhere(nodes []store.Node, node, carrier string) bool {
	elsewhere := false
	for _, n := range nodes {
		has := slices.Contains(n.Carriers, carrier)
		if has && n.ID == node {
			return false
		}
		elsewhere = elsewhere || has
	}
	return elsewhere
}

// nostalgic leaves calls to those who have the carrier that had them first.
type nostalgic struct {
	store.Store

	mu    sync.Mutex
	moved map[string]string
}

func newNostalgic() store.Store { return &nostalgic{Store: memory.New(), moved: map[string]string{}} }

func (s *nostalgic) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	step.Events = slices.Clone(step.Events)
	for i := range step.Events {
		s.moved[step.Events[i].CallID] = step.Events[i].Carrier
		step.Events[i].Carrier = ""
	}
	return s.Store.Advance(ctx, step)
}

func (s *nostalgic) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	got, err := s.Store.Adopt(ctx, node, limit)
	for i := range got {
		if carrier := s.moved[got[i].Call.ID]; carrier != "" {
			got[i].Call.Carrier = carrier
		}
	}
	return got, err
}

// parochial leaves calls of the first organisation only: it adopts those of the others once more
// without any carriers.
type parochial struct{ store.Store }

func newParochial() store.Store { return parochial{memory.New()} }

func (s parochial) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	got, err := s.Store.Adopt(ctx, node, limit)
	if err != nil {
		return got, err
	}
	calls, err := s.Calls(ctx, store.CallQuery{Org: "org_2", InFlight: true})
	for _, c := range calls {
		if c.Owner != node {
			got = append(got, store.Claimed{Call: c})
		}
	}
	return got, err
}
