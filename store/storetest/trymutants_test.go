package storetest_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// tryMutants break what is promised of tries.
func tryMutants() map[string]mutant {
	return map[string]mutant{
		"AddsTries":           {"Tries/LaterTriesReplaceThoseBefore", "tries", happened(addTries)},
		"ForgetsTries":        {"Tries/EventWithoutTriesLeavesThem", "tries", newTryForgetter},
		"SortsTries":          {"Tries/TriesAreReturnedInTheirOrder", "tries from", callsRead(sortTries)},
		"ListsNoTries":        {"Tries/TriesAreReturnedInTheirOrder", "tries from Calls", newTerse},
		"AdoptsNoTries":       {"Tries/TriesAreReturnedInTheirOrder", "tries from Adopt", newTerseAdopter},
		"MakesNoTriesEmpty":   {"Tries/TriesAreReturnedInTheirOrder", "want nil", callsRead(emptyTries)},
		"SharesTries":         {"Tries/TriesAreTheStoresOwn", "written over", newTrySharing},
		"MixesTriesUp":        {"Tries/TriesOfOneCallLeaveAnotherAlone", "tries", newMixing},
		"StripsNULOfTries":    {"Tries/OddTriesAreKept", "tries with odd texts", callsRead(stripTries)},
		"DatesEveryTry":       {"Tries/OddTriesAreKept", "tries", callsRead(dateTries)},
		"CutsLongTries":       {"Tries/LongTriesAreKept", "tries", callsRead(cutTries)},
		"StripsNULOfCarriers": {"Tries/OddCarriersAreKept", "carrier of a", callsRead(stripCarrier)},
		"ModelAddsTries":      {"Model/RandomOperationsMatchTheModel_0", "calls of", happened(addTries)},
	}
}

func addTries(before store.Call, e *store.Event) {
	if len(e.Tries) > 0 {
		e.Tries = slices.Concat(before.Tries, e.Tries)
	}
}

// reader spoils calls as they are read.
type reader struct {
	store.Store

	call, list, adopted func(*store.Call)
}

func callsRead(spoil func(*store.Call)) func() store.Store {
	return func() store.Store { return reader{memory.New(), spoil, spoil, spoil} }
}

func newTerse() store.Store        { return reader{Store: memory.New(), list: dropTries} }
func newTerseAdopter() store.Store { return reader{Store: memory.New(), adopted: dropTries} }

func (s reader) Call(ctx context.Context, org, id string) (store.Call, error) {
	c, err := s.Store.Call(ctx, org, id)
	if s.call != nil {
		s.call(&c)
	}
	return c, err
}

func (s reader) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	calls, err := s.Store.Calls(ctx, q)
	for i := range calls {
		if s.list != nil {
			s.list(&calls[i])
		}
	}
	return calls, err
}

func (s reader) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	got, err := s.Store.Adopt(ctx, node, limit)
	for i := range got {
		if s.adopted != nil {
			s.adopted(&got[i].Call)
		}
	}
	return got, err
}

func dropTries(c *store.Call)    { c.Tries = nil }
func emptyTries(c *store.Call)   { c.Tries = append([]store.Try{}, c.Tries...) }
func countTries(c *store.Call)   { c.Attempt += len(c.Tries) }
func stripCarrier(c *store.Call) { c.Carrier = strings.ReplaceAll(c.Carrier, "\x00", "") }

func disown(c *store.Call) {
	if len(c.Tries) > 0 {
		c.Owner = ""
	}
}

func sortTries(c *store.Call) {
	slices.SortStableFunc(c.Tries, func(a, b store.Try) int { return a.At.Compare(b.At) })
}

func stripTries(c *store.Call) {
	for i := range c.Tries {
		c.Tries[i].Error = strings.ReplaceAll(c.Tries[i].Error, "\x00", "")
	}
}

func dateTries(c *store.Call) {
	for i := range c.Tries {
		if c.Tries[i].At.IsZero() {
			c.Tries[i].At = c.DispatchedAt
		}
	}
}

func cutTries(c *store.Call) {
	for i := range c.Tries {
		c.Tries[i].Error = c.Tries[i].Error[:min(len(c.Tries[i].Error), 255)]
	}
}

// rewriter keeps the tries of calls beside the store, and does so badly.
type rewriter struct {
	store.Store

	mu    sync.Mutex
	tries map[string][]store.Try
	note  func(tries map[string][]store.Try, e *store.Event)
}

func newRewriter(note func(map[string][]store.Try, *store.Event)) *rewriter {
	return &rewriter{Store: memory.New(), tries: map[string][]store.Try{}, note: note}
}

// newTryForgetter writes the tries of each event, and none where it has none.
func newTryForgetter() store.Store {
	return newRewriter(func(tries map[string][]store.Try, e *store.Event) { tries[e.CallID] = slices.Clone(e.Tries) })
}

// newTrySharing keeps the list that it was given.
func newTrySharing() store.Store {
	return newRewriter(func(tries map[string][]store.Try, e *store.Event) { tries[e.CallID] = e.Tries })
}

// newMixing writes to all calls what happened to one.
func newMixing() store.Store {
	return newRewriter(func(tries map[string][]store.Try, e *store.Event) {
		tries[e.CallID] = slices.Clone(e.Tries)
		for id := range maps.Keys(tries) {
			tries[id] = tries[e.CallID]
		}
	})
}

func (s *rewriter) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range step.Events {
		s.note(s.tries, &step.Events[i])
	}
	return s.Store.Advance(ctx, step)
}

func (s *rewriter) Call(ctx context.Context, org, id string) (store.Call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.Store.Call(ctx, org, id)
	c.Tries = s.tries[id]
	return c, err
}

func (s *rewriter) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls, err := s.Store.Calls(ctx, q)
	for i := range calls {
		calls[i].Tries = s.tries[calls[i].ID]
	}
	return calls, err
}
