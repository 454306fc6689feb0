package storetest_test

import (
	"context"
	"slices"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// moveMutants break what is promised of moves.
func moveMutants() map[string]mutant {
	return map[string]mutant{
		"IgnoresMoves":           {"Moves/MovedCallGoesOnOverItsCarrier", "the moved call", happened(keepCarrier)},
		"IgnoresMovesAtTheEnd":   {"Moves/MoveWritesWhatItsEventSays", "call that ended", happened(keepCarrierAtTheEnd)},
		"KeepsTheRef":            {"Moves/MovedCallGoesOnOverItsCarrier", "the moved call", happened(keepRef)},
		"KeepsRangAt":            {"Moves/MovedCallGoesOnOverItsCarrier", "the moved call", happened(keepRangAt)},
		"ForgetsTheNewRef":       {"Moves/MoveWritesWhatItsEventSays", "call with a ref", happened(forgetRef)},
		"SeesNoMoveWithoutOne":   {"Moves/MoveToTheSameCarrierBeginsAnew", "call", happened(keepSameCarrier)},
		"MovesWithTriesOnly":     {"Moves/MoveNeedsNothingButACarrier", "call", happened(keepWithoutTries)},
		"MovesBack":              {"Moves/EventWithoutACarrierMovesNothing", "carrier", happened(moveBack)},
		"MergesMovesLastRefWins": {"Moves/MovesApplyInTheirOrder", "carriers and refs", newMerging},
		"MoveIsAnAttempt":        {"Moves/MovedCallGoesOnOverItsCarrier", "the moved call", callsRead(countTries)},
		"MoveGivesTheCallUp":     {"Moves/MovedCallGoesOnOverItsCarrier", "the moved call", callsRead(disown)},
		"MoveCountsNoCall":       {"Moves/MovedCallTakesItsPlaceBesideClaims", "claimed beside", newForgetting},
		"MoveTouchesRecipients":  {"Moves/MoveLeavesTheRecipient", "recipients", newTouching},
		"NextAttemptInherits":    {"Moves/MovedCallMayBeRequeued", "carrier of the next attempt", newInheriting},
		"MovesTheDead":           {"Moves/MoveOfEndedCallIsLost", "lost", newNecromancer},
		"MovesForeignCalls":      {"Moves/MoveOfForeignCallIsLost", "lost", newThief},
		"ReplayLosesMoves":       {"Moves/ReplayOfMoveAndEndChangesNothing", "lost", stepped(forgetReplay)},
		"ReplayMovesAgain":       {"Moves/ReplayOfWrittenMoveChangesNothing", "calls", stepped(moveOnReplay)},
		"ReplaySkipsMoves":       {"Moves/ReplayOfUnwrittenMoveApplies", "carriers and refs", stepped(skipOnReplay)},
		"TellsNobodyOfAMove":     {"Moves/MoveLeavesTheRecipient", "batch", batchRead(func(b *store.Batch) { b.UpdatedAt = b.CreatedAt })},
		"ModelKeepsTheRef":       {"Model/RandomOperationsMatchTheModel_4", "calls of", happened(keepRef)},
	}
}

// eventful spoils each event beside what its call is like before the step.
type eventful struct {
	store.Store

	spoil func(before store.Call, e *store.Event)
}

func happened(spoil func(before store.Call, e *store.Event)) func() store.Store {
	return func() store.Store { return eventful{memory.New(), spoil} }
}

func (s eventful) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	step.Events = slices.Clone(step.Events)
	for i := range step.Events {
		if before, err := s.Call(ctx, step.Org, step.Events[i].CallID); err == nil {
			s.spoil(before, &step.Events[i])
		}
	}
	return s.Store.Advance(ctx, step)
}

func keepCarrier(_ store.Call, e *store.Event) { e.Carrier = "" }

func keepCarrierAtTheEnd(_ store.Call, e *store.Event) {
	if e.Status.Terminal() {
		e.Carrier = ""
	}
}

func keepRef(before store.Call, e *store.Event) {
	if e.Carrier != "" && e.Ref == "" {
		e.Ref = before.Ref
	}
}

func keepRangAt(before store.Call, e *store.Event) {
	if e.Carrier != "" && e.RangAt.IsZero() {
		e.RangAt = before.RangAt
	}
}

func forgetRef(_ store.Call, e *store.Event) {
	if e.Carrier != "" {
		e.Ref = ""
	}
}

func keepSameCarrier(before store.Call, e *store.Event) {
	if e.Carrier == before.Carrier {
		e.Carrier = ""
	}
}

func keepWithoutTries(_ store.Call, e *store.Event) {
	if len(e.Tries) == 0 {
		e.Carrier = ""
	}
}

func moveBack(before store.Call, e *store.Event) {
	if e.Carrier == "" && len(before.Tries) > 0 {
		e.Carrier, e.Ref, e.RangAt = before.Tries[0].Carrier, before.Ref, before.RangAt
	}
}

// newMerging writes the last ref that the events of a step name, whatever moved in between.
func newMerging() store.Store {
	return &tampered{Store: memory.New(), step: func(s *store.Step) {
		s.Events = slices.Clone(s.Events)
		refs := map[string]string{}
		for i := range s.Events {
			e := &s.Events[i]
			if e.Ref != "" {
				refs[e.CallID] = e.Ref
			}
			e.Ref = refs[e.CallID]
		}
	}}
}

func moveOnReplay(s *store.Step) {
	s.Events = slices.Clone(s.Events)
	for i := range s.Events {
		if s.Replay && s.Events[i].Carrier != "" {
			s.Events[i].Carrier += "_again"
		}
	}
}

func skipOnReplay(s *store.Step) {
	s.Events = slices.Clone(s.Events)
	for i := range s.Events {
		if s.Replay {
			s.Events[i].Carrier = ""
		}
	}
}

// newForgetting takes a call that moves for one that is over, and claims in its place.
func newForgetting() store.Store {
	return &tampered{Store: memory.New(), step: func(s *store.Step) {
		for _, e := range s.Events {
			if e.Carrier != "" {
				s.Limit++
			}
		}
	}}
}

// newTouching takes a move for a change of the recipient.
func newTouching() store.Store {
	var at time.Time
	return &tampered{
		Store: memory.New(),
		step: func(s *store.Step) {
			if slices.ContainsFunc(s.Events, func(e store.Event) bool { return e.Carrier != "" }) {
				at = s.Now
			}
		},
		found: func(_ store.RecipientQuery, list []store.Recipient) []store.Recipient {
			for i := range list {
				if list[i].Status == fsm.Dispatched && !at.IsZero() {
					list[i].UpdatedAt = at
				}
			}
			return list
		},
	}
}

// newInheriting claims a recipient over the carrier where its latest attempt ended.
func newInheriting() store.Store {
	last := ""
	return &tampered{Store: memory.New(), step: func(s *store.Step) {
		for _, e := range s.Events {
			if e.Carrier != "" {
				last = e.Carrier
			}
		}
		s.Claims = slices.Clone(s.Claims)
		for i := range s.Claims {
			if last != "" {
				s.Claims[i].Carrier = last
			}
		}
	}}
}

// necromancer says that it has moved calls that are over.
type necromancer struct{ store.Store }

func newNecromancer() store.Store { return necromancer{memory.New()} }

func (s necromancer) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	got, err := s.Store.Advance(ctx, step)
	moved := map[string]bool{}
	for _, e := range step.Events {
		moved[e.CallID] = e.Carrier != ""
	}
	got.Lost = slices.DeleteFunc(got.Lost, func(id string) bool { return moved[id] })
	return got, err
}
