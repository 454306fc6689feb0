package storetest_test

import (
	"context"
	"slices"
	"time"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

func callMutants() map[string]mutant {
	return map[string]mutant{
		"CutsFrom":        {"Read/CallsOfATimeAreExact", "from a nanosecond later", asksCalls(cutFrom)},
		"ModelCutsFrom":   {"Model/RandomOperationsMatchTheModel_0", "calls of", asksCalls(cutFrom)},
		"TakesToForUntil": {"Read/CallsOfATimeAreExact", "to the time of one", asksCalls(untilTo)},
		"WrapsOldTimes":   {"Read/CallsOfAnyTimeAreFound", "from long ago", asksCalls(wrapFrom)},
		"WrapsLateTimes":  {"Read/CallsOfAnyTimeAreFound", "from long ago on", asksCalls(wrapTo)},
		"TrustsCallIDs":   {"Read/CallTimesNeedNotFollowIDs", "calls of a time", newTrusting},
		"UsesIDsTwice":    {"Claim/IDOfACallThatIsOverIsNeverUsedAgain", "under the id of another", newReuser},
		"UsesEndedIDs":    {"Claim/IDOfACallThatEndsIsNeverUsedAgain", "under the id of another", newReuser},
	}
}

// caller is a correct store but for its lists of calls.
type caller struct {
	store.Store

	ask func(*store.CallQuery)
}

func asksCalls(ask func(*store.CallQuery)) func() store.Store {
	return func() store.Store { return caller{memory.New(), ask} }
}

func (s caller) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	s.ask(&q)
	return s.Store.Calls(ctx, q)
}

func cutFrom(q *store.CallQuery) { q.DispatchedFrom = q.DispatchedFrom.Truncate(time.Microsecond) }

func untilTo(q *store.CallQuery) {
	if !q.DispatchedTo.IsZero() {
		q.DispatchedTo = q.DispatchedTo.Add(-1)
	}
}

// wrap is what 48 bits of milliseconds make of a time.
func wrap(t time.Time) time.Time {
	const bits = 48
	if t.IsZero() || t.UnixMilli()>>bits == 0 {
		return t
	}
	return time.UnixMilli(t.UnixMilli() & (1<<bits - 1))
}

func wrapFrom(q *store.CallQuery) {
	if at := wrap(q.DispatchedFrom); at.After(q.DispatchedFrom) {
		q.DispatchedFrom = at
	}
}

func wrapTo(q *store.CallQuery) {
	if at := wrap(q.DispatchedTo); at.Before(q.DispatchedTo) {
		q.DispatchedTo = at
	}
}

// trusting takes the list to be in the order of the times.
type trusting struct{ store.Store }

func newTrusting() store.Store { return trusting{memory.New()} }

func (s trusting) Calls(ctx context.Context, q store.CallQuery) ([]store.Call, error) {
	from := q.DispatchedFrom
	q.DispatchedFrom = time.Time{}
	got, err := s.Store.Calls(ctx, q)
	if i := slices.IndexFunc(got, func(c store.Call) bool { return c.DispatchedAt.Before(from) }); i >= 0 {
		got = got[:i]
	}
	return got, err
}

// reuser makes another call under the id of one that is there.
type reuser struct{ store.Store }

func newReuser() store.Store { return reuser{memory.New()} }

func (s reuser) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	given := map[string]string{} // by the ids in their place
	for i := range step.Claims {
		ids := slices.Clone(step.Claims[i].CallIDs)
		for j, id := range ids {
			if _, err := s.Call(ctx, step.Org, id); err == nil && !step.Replay {
				ids[j] = id + "_again"
				given[ids[j]] = id
			}
		}
		step.Claims[i].CallIDs = ids
	}
	got, err := s.Store.Advance(ctx, step)
	for i := range got.Claimed {
		if id, replaced := given[got.Claimed[i].Call.ID]; replaced {
			got.Claimed[i].Call.ID = id
		}
	}
	return got, err
}
