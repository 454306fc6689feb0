package storetest_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
)

const many = 1 << 20

// mutant is a store that breaks one promise, and the rule that must find it out.
type mutant struct {
	rule  string // topic/rule
	says  string // part of what the rule complains of
	store func() store.Store
}

func mutants() map[string]mutant {
	all := map[string]mutant{
		"IgnoresTarget":         {"Limits/TargetIsKept", "claimed", created(func(b *store.Batch) { b.Target = many })},
		"IgnoresLimit":          {"Limits/OrganisationLimitIsKept", "claimed", stepped(func(s *store.Step) { s.Limit = many })},
		"ClaimsBackwards":       {"Claim/ClaimsAreInIndexOrder", "ascend", answered(reverse)},
		"DialsEarly":            {"Claim/ScheduledBatchIsNotClaimedBefore", "early", stepped(early)},
		"IgnoresPause":          {"Claim/PausedBatchIsNeverClaimed", "while paused", asked(store.ActionPause, store.ActionResume)},
		"CancelOnlyPauses":      {"Change/CancelCancelsEveryQueuedRecipient", "batch", asked(store.ActionCancel, store.ActionPause)},
		"IgnoresHangUp":         {"Change/HangUpMarksTheCall", "call", asked(store.ActionHangUp, store.ActionResume)},
		"CancelsLate":           {"Concurrency/CancelStopsConcurrentClaims", "after Change had returned", newLazy},
		"CancelsAfterOneMore":   {"Claim/CancelledBatchIsNeverClaimed", "claimed", newLazy},
		"AdmitsAgain":           {"Claim/AdmittedAtIsTheFirstClaims", "AdmittedAt", batchRead(admitAgain)},
		"CountsDrift":           {"Events/StartedCallStartsItsRecipient", "counts", batchRead(drift)},
		"ReplayClaimsTwice":     {"Replay/ReplayOfWrittenClaimReturnsTheSameCalls", "claimed again", stepped(freshIDs)},
		"ReplayLosesEvents":     {"Replay/ReplayOfWrittenEventIsNotLost", "lost again", stepped(forgetReplay)},
		"TakesForeignEvents":    {"Events/EventOfForeignOwnerIsLost", "lost", newThief},
		"ClaimsBeforeEvents":    {"Events/EventsComeBeforeClaims", "became free", newHasty},
		"IgnoresRetryKeys":      {"RetryKey/RetryUnderItsKeyIsDoneOnce", "batch as returned", keyed(func(c *store.Change) { c.Key = "" })},
		"RetriesForEachCaller":  {"Concurrency/ConcurrentRetriesUnderOneKeyAreOne", "retries", newChecker},
		"NotesNoKeyOfANoOp":     {"RetryKey/KeyOfARetryOfNobodyIsKept", "batch as returned", newForgetful},
		"RefusesBeforeTheKey":   {"RetryKey/RetryKeyHoldsInACancelledBatch", "cancelled", newHaughty},
		"ForgetsRetryKeys":      {"RetryKey/RetryWithoutAKeyLeavesTheLatest", "RetryKey", newAmnesiac},
		"TellsTheKeyAsNews":     {"RetryKey/RetryKeyAloneIsNoChange", "batch as returned", newGossip},
		"MovesFirstTarget":      {"Change/FirstTargetNeverChanges", "FirstTarget", batchRead(func(b *store.Batch) { b.FirstTarget = b.Target })},
		"RetriesCompleted":      {"Retry/RetryLeavesTheOthers", "recipient", newRetrier},
		"LosesARevision":        {"Revisions/FeedHasWhatChangedAndNothingElse", "changed since", found(loseOne)},
		"FeedOutOfOrder":        {"Revisions/FeedPagesMissNothing", "all pages", found(shuffle)},
		"IgnoresKeys":           {"Idempotency/SameKeyReturnsTheFirstBatch", "second batch", created(func(b *store.Batch) { b.Key = "" })},
		"KeysNeverEnd":          {"Idempotency/KeyHoldsUntilKeyUntil", "at KeyUntil", created(func(b *store.Batch) { b.KeyUntil = time.Time{} })},
		"CutsTimes":             {"Sizes/TimesAreKeptToTheMicrosecond", "CreatedAt", created(milliseconds)},
		"StripsNUL":             {"Sizes/OddTextIsKept", "texts", created(stripNUL)},
		"CompactsMetadata":      {"Sizes/MetadataIsKeptByteForByte", "metadata", newCompactor},
		"ShowsOtherTenants":     {"Isolation/OtherOrganisationSeesNothing", "not found", newLeak},
		"GrantsLeases":          {"Leases/NodeWithoutALeaseCannotAdvance", "lease", newGenerous},
		"RevivesNodes":          {"Leases/ExpiredNodeCannotComeBack", "lease", newReviver},
		"AdoptsFromTheLiving":   {"Adopt/AdoptLeavesCallsOfLiveNodes", "adopted", newGreedy},
		"PassesOverTheBusy":     {"Concurrency/AdoptMissesNothingBesideWriters", "until there were none", newHurried},
		"AdoptsWithoutLimit":    {"Adopt/AdoptTakesNoMoreThanItsLimit", "adopted", newBulimic},
		"PagesBackFromTheStart": {"Pages/BatchPagesGoBack", "before the last", newBackwards},
		"ListsOneStatus":        {"Pages/BatchPagesTakeStatuses", "batches of statuses", listed(oneStatus, nil)},
		"ForgetsTimesBehind":    {"Pages/BatchPagesTakeTimes", "page by page", listed(timelessBehind, nil)},
		"TrustsIds":             {"Pages/BatchTimesNeedNotFollowIds", "batches of a time", listed(nil, stopAtTheFirstBefore)},
		"ForgetsFlyingOrgs":     {"Read/ActiveOrganisationsHaveSomethingToDo", "in flight", newIdle},
		"SharesItsMaps":         {"Read/WhatIsReturnedIsTheCallers", "details", newSharing},
		"IgnoresContext":        {"Lifetime/EndedContextGivesUp", "did not notice", newDeaf},
		"ChecksThenActs":        {"Concurrency/ConcurrentStepsKeepTheLimits", "in flight under a limit", newRacy},
		"MissesAChange":         {"Model/RandomOperationsMatchTheModel_0", "rows changed", found(loseOne)},
	}
	maps.Copy(all, moveMutants())
	maps.Copy(all, tryMutants())
	maps.Copy(all, carrierMutants())
	maps.Copy(all, beatMutants())
	maps.Copy(all, lapsedMutants())
	maps.Copy(all, orderMutants())
	maps.Copy(all, callMutants())
	return all
}

// tampered is a correct store with some of its methods spoilt.
type tampered struct {
	store.Store

	create  func(*store.Batch)
	step    func(*store.Step)
	answer  func(*store.Advanced)
	read    func(*store.Batch)
	found   func(store.RecipientQuery, []store.Recipient) []store.Recipient
	actions map[store.Action]store.Action
}

func created(spoil func(*store.Batch)) func() store.Store {
	return func() store.Store { return &tampered{Store: memory.New(), create: spoil} }
}

func stepped(spoil func(*store.Step)) func() store.Store {
	return func() store.Store { return &tampered{Store: memory.New(), step: spoil} }
}

func answered(spoil func(*store.Advanced)) func() store.Store {
	return func() store.Store { return &tampered{Store: memory.New(), answer: spoil} }
}

func batchRead(spoil func(*store.Batch)) func() store.Store {
	return func() store.Store { return &tampered{Store: memory.New(), read: spoil} }
}

func found(spoil func(store.RecipientQuery, []store.Recipient) []store.Recipient) func() store.Store {
	return func() store.Store { return &tampered{Store: memory.New(), found: spoil} }
}

func asked(for_, instead store.Action) func() store.Store {
	return func() store.Store {
		return &tampered{Store: memory.New(), actions: map[store.Action]store.Action{for_: instead}}
	}
}

func (s *tampered) CreateBatch(ctx context.Context, b store.Batch, rs []store.NewRecipient) (store.Batch, error) {
	if s.create != nil {
		s.create(&b)
	}
	return s.Store.CreateBatch(ctx, b, rs)
}

func (s *tampered) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	if s.step != nil {
		s.step(&step)
	}
	got, err := s.Store.Advance(ctx, step)
	if s.answer != nil {
		s.answer(&got)
	}
	return got, err
}

func (s *tampered) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	b, err := s.Store.Batch(ctx, org, id)
	if s.read != nil && err == nil {
		s.read(&b)
	}
	return b, err
}

func (s *tampered) Recipients(ctx context.Context, q store.RecipientQuery) ([]store.Recipient, error) {
	got, err := s.Store.Recipients(ctx, q)
	if s.found != nil {
		got = s.found(q, got)
	}
	return got, err
}

func (s *tampered) Change(ctx context.Context, org, id string, c store.Change) (store.Batch, error) {
	if instead, ok := s.actions[c.Action]; ok {
		c.Action = instead
	}
	return s.Store.Change(ctx, org, id, c)
}

func reverse(a *store.Advanced) { slices.Reverse(a.Claimed) }
func early(s *store.Step)       { s.Now = s.Now.Add(time.Minute) }

func admitAgain(b *store.Batch) {
	if !b.AdmittedAt.IsZero() {
		b.AdmittedAt = b.UpdatedAt
	}
}

func drift(b *store.Batch) { b.Counts.Started, b.Counts.Queued = b.Counts.Started-1, b.Counts.Queued+1 }

func freshIDs(s *store.Step) {
	if !s.Replay {
		return
	}
	s.Claims = slices.Clone(s.Claims)
	for i := range s.Claims {
		s.Claims[i].CallIDs = slices.Clone(s.Claims[i].CallIDs)
		for j := range s.Claims[i].CallIDs {
			s.Claims[i].CallIDs[j] += "x"
		}
	}
}

func forgetReplay(s *store.Step) { s.Replay = s.Replay && len(s.Claims) > 0 }

func loseOne(q store.RecipientQuery, list []store.Recipient) []store.Recipient {
	if q.ByRev && q.AfterRev > 0 && len(list) > 1 {
		return list[:len(list)-1]
	}
	return list
}

func shuffle(q store.RecipientQuery, list []store.Recipient) []store.Recipient {
	if q.ByRev {
		slices.SortFunc(list, func(a, b store.Recipient) int { return cmp.Compare(a.Index, b.Index) })
	}
	return list
}

func milliseconds(b *store.Batch) { b.CreatedAt = b.CreatedAt.Truncate(time.Millisecond) }
func stripNUL(b *store.Batch)     { b.Name = strings.ReplaceAll(b.Name, "\x00", "") }

// lazy cancels a batch when the next step is over, though it has said that it is cancelled.
type lazy struct {
	store.Store

	mu      sync.Mutex
	pending []func()
}

func newLazy() store.Store { return &lazy{Store: memory.New()} }

func (s *lazy) Change(ctx context.Context, org, id string, c store.Change) (store.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, func() { _, _ = s.Store.Change(context.WithoutCancel(ctx), org, id, c) })
	return s.Batch(ctx, org, id)
}

func (s *lazy) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	got, err := s.Store.Advance(ctx, step)
	// Enough steps more that one of them begins after the change has returned, however long whoever
	// asked for it is kept from running.
	const more = 1000
	if n := len(s.pending); n > 0 && n < more {
		s.pending = append(s.pending, func() {})
	} else if n > 0 {
		s.pending[0]()
		s.pending = nil
	}
	return got, err
}

// thief writes events of whoever sends them.
type thief struct{ store.Store }

func newThief() store.Store { return thief{memory.New()} }

func (s thief) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	if _, err := s.Adopt(ctx, step.Owner, many); err != nil {
		return store.Advanced{}, err
	}
	return s.Store.Advance(ctx, step)
}

type hasty struct{ store.Store }

func newHasty() store.Store { return hasty{memory.New()} }

func (s hasty) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	events := step.Events
	step.Events = nil
	claimed, err := s.Store.Advance(ctx, step)
	if err != nil {
		return claimed, err
	}
	step.Events, step.Claims = events, nil
	got, err := s.Store.Advance(ctx, step)
	got.Claimed = claimed.Claimed
	return got, err
}

// retrier shows completed recipients of a retried batch as queued.
type retrier struct {
	store.Store

	retried bool
}

func newRetrier() store.Store { return &retrier{Store: memory.New()} }

func (s *retrier) Change(ctx context.Context, org, id string, c store.Change) (store.Batch, error) {
	s.retried = s.retried || c.Action == store.ActionRetry
	return s.Store.Change(ctx, org, id, c)
}

func (s *retrier) Recipients(ctx context.Context, q store.RecipientQuery) ([]store.Recipient, error) {
	got, err := s.Store.Recipients(ctx, q)
	for i := range got {
		if s.retried && got[i].Status == fsm.Completed {
			got[i].Status, got[i].CallID, got[i].EndReason = fsm.Queued, "", ""
		}
	}
	return got, err
}

type compactor struct{ store.Store }

func newCompactor() store.Store { return compactor{memory.New()} }

func (s compactor) CreateBatch(ctx context.Context, b store.Batch, rs []store.NewRecipient) (store.Batch, error) {
	rs = slices.Clone(rs)
	for i := range rs {
		var small bytes.Buffer
		if json.Compact(&small, rs[i].Metadata) == nil {
			rs[i].Metadata = small.Bytes()
		}
	}
	return s.Store.CreateBatch(ctx, b, rs)
}

type leak struct{ store.Store }

func newLeak() store.Store { return leak{memory.New()} }

func (s leak) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	got, err := s.Store.Batch(ctx, org, id)
	if errors.Is(err, store.ErrNotFound) {
		return s.Store.Batch(ctx, "org_1", id)
	}
	return got, err
}

type generous struct{ store.Store }

func newGenerous() store.Store { return generous{memory.New()} }

func (s generous) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	if err := s.Heartbeat(ctx, store.Node{ID: step.Owner}, time.Hour); err != nil {
		return store.Advanced{}, err
	}
	return s.Store.Advance(ctx, step)
}

// reviver says yes to a node whose lease has run out.
type reviver struct{ store.Store }

func newReviver() store.Store { return reviver{memory.New()} }

func (s reviver) Heartbeat(ctx context.Context, n store.Node, lease time.Duration) error {
	err := s.Store.Heartbeat(ctx, n, lease)
	if errors.Is(err, store.ErrNotOwner) {
		return nil
	}
	return err
}

type greedy struct{ store.Store }

func newGreedy() store.Store { return greedy{memory.New()} }

func (s greedy) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	got, err := s.Store.Adopt(ctx, node, limit)
	calls, _ := s.Calls(ctx, store.CallQuery{Org: "org_1", InFlight: true})
	for _, c := range calls {
		got = append(got, store.Claimed{Call: c})
	}
	return got, err
}

// hurried says that there are none where it does not look because somebody is writing.
type hurried struct {
	store.Store

	writing atomic.Int64
}

func newHurried() store.Store { return &hurried{Store: memory.New()} }

func (s *hurried) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	s.writing.Add(1)
	defer s.writing.Add(-1)
	runtime.Gosched()
	return s.Store.Advance(ctx, step)
}

func (s *hurried) Adopt(ctx context.Context, node string, limit int) ([]store.Claimed, error) {
	if s.writing.Load() > 0 {
		return nil, nil
	}
	return s.Store.Adopt(ctx, node, limit)
}

type bulimic struct{ store.Store }

func newBulimic() store.Store { return bulimic{memory.New()} }

func (s bulimic) Adopt(ctx context.Context, node string, _ int) ([]store.Claimed, error) {
	return s.Store.Adopt(ctx, node, many)
}

// backwards pages back from the wrong end.
type backwards struct{ store.Store }

func newBackwards() store.Store { return backwards{memory.New()} }

func (s backwards) Batches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	limit := q.Limit
	if q.Before != "" {
		q.Limit = 0
	}
	got, err := s.Store.Batches(ctx, q)
	if limit > 0 && len(got) > limit {
		got = got[:limit]
	}
	return got, err
}

// idle leaves out organisations with nobody queued.
type idle struct{ store.Store }

func newIdle() store.Store { return idle{memory.New()} }

func (s idle) Active(ctx context.Context) ([]store.ActiveOrg, error) {
	all, err := s.Store.Active(ctx)
	return slices.DeleteFunc(all, func(a store.ActiveOrg) bool {
		open, _ := s.Batches(ctx, store.BatchQuery{Org: a.Org, Open: true})
		return !slices.ContainsFunc(open, func(b store.Batch) bool { return b.Counts.Queued > 0 })
	}), err
}

// sharing returns the same map to all who read a call.
type sharing struct {
	store.Store

	mu      sync.Mutex
	details map[string]map[string]string
}

func newSharing() store.Store {
	return &sharing{Store: memory.New(), details: map[string]map[string]string{}}
}

func (s *sharing) Call(ctx context.Context, org, id string) (store.Call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.Store.Call(ctx, org, id)
	if kept := s.details[id]; kept != nil {
		c.Details = kept
	}
	s.details[id] = c.Details
	return c, err
}

type deaf struct{ store.Store }

func newDeaf() store.Store { return deaf{memory.New()} }

func (s deaf) Batch(ctx context.Context, org, id string) (store.Batch, error) {
	return s.Store.Batch(context.WithoutCancel(ctx), org, id)
}

// racy reads what is in flight in one transaction and claims in another. Between the two
// it waits for another step to have read the same, as a busy database would.
type racy struct {
	store.Store

	meet chan struct{}
}

func newRacy() store.Store { return racy{memory.New(), make(chan struct{})} }

func (s racy) Advance(ctx context.Context, step store.Step) (store.Advanced, error) {
	inFlight, err := s.Calls(ctx, store.CallQuery{Org: step.Org, InFlight: true})
	if err != nil {
		return store.Advanced{}, err
	}
	wait := time.NewTimer(20 * time.Millisecond)
	defer wait.Stop()
	select {
	case s.meet <- struct{}{}:
	case <-s.meet:
	case <-wait.C:
	}
	room := max(step.Limit-len(inFlight)+len(step.Events), 0)
	step.Claims = slices.Clone(step.Claims)
	for i := range step.Claims {
		n := min(room, len(step.Claims[i].CallIDs))
		step.Claims[i].CallIDs = step.Claims[i].CallIDs[:n]
		room -= n
	}
	step.Limit = many
	return s.Store.Advance(ctx, step)
}
