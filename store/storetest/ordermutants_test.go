package storetest_test

import (
	"cmp"
	"context"
	"slices"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

// orderMutants break what is promised of the order in which recipients are claimed.
func orderMutants() map[string]mutant {
	return map[string]mutant{
		"AnswersByIndex":      {"Order/FewestAttemptsComeFirst", "claimed", answered(byIndex)},
		"ModelAnswersByIndex": {"Model/RandomOperationsMatchTheModel_1", "claimed", answered(byIndex)},
		"ReplaysByIndex":      {"Order/ReplayKeepsTheOrder", "claimed again", newForgetfulReplay},
		"LooksBeforeEvents":   {"Order/RecipientPutBackByTheStepTakesItsTurn", "one put back", newHasty},
		"ServesClaimsAsOne":   {"Order/ClaimsOfOneStepTakeTurns", "claimed", answered(byIndex)},
		"PutsSomeBackUnseen":  {"Order/ManyPutBackKeepTheirOrder", "claimed", stepped(putBackFewer)},
	}
}

// byIndex has each batch's recipients come back in the order in which they were created.
func byIndex(a *store.Advanced) {
	slices.SortFunc(a.Claimed, func(a, b store.Claimed) int {
		return cmp.Or(cmp.Compare(a.Call.BatchID, b.Call.BatchID), cmp.Compare(a.Call.Index, b.Call.Index))
	})
}

// putBackFewer loses what a long step says of its last calls.
func putBackFewer(s *store.Step) { s.Events = s.Events[:min(len(s.Events), 40)] }

// forgetfulReplay reads what was claimed before from the recipients, not from the calls.
type forgetfulReplay struct{ store.Store }

func newForgetfulReplay() store.Store { return forgetfulReplay{memory.New()} }

func (s forgetfulReplay) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	got, err := s.Store.Advance(ctx, step)
	if step.Replay {
		byIndex(&got)
	}
	return got, err
}
