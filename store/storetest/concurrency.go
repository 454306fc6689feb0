package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func concurrencyRules() []rule {
	return []rule{
		{"ConcurrentStepsKeepTheLimits", concurrentStepsKeepTheLimits},
		{"ConcurrentStepsClaimNobodyTwice", concurrentStepsClaimNobodyTwice},
		{"CancelStopsConcurrentClaims", cancelStopsConcurrentClaims},
		{"ConcurrentRequestsUnderOneKeyMakeOneBatch", concurrentRequestsUnderOneKeyMakeOneBatch},
		{"ConcurrentRetriesUnderOneKeyAreOne", concurrentRetriesUnderOneKeyAreOne},
		{"FeedIsCompleteUnderConcurrentWriters", feedIsCompleteUnderConcurrentWriters},
		{"ConcurrentAdoptersShare", concurrentAdoptersShare},
		{"AdoptMissesNothingBesideWriters", adoptMissesNothingBesideWriters},
		{"ReadersSeeWholeTransactions", readersSeeWholeTransactions},
		{"ContextEndingMidwayLeavesAllOrNothing", contextEndingMidwayLeavesAllOrNothing},
	}
}

// together runs n goroutines until all are done. They report by Errorf, never by Fatalf.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// try is advance for goroutines other than the test's.
func (f *fixture) try(s store.Step) (store.Advanced, bool) {
	got, err := f.Advance(f.ctx, f.step(s))
	if err != nil {
		f.Errorf("advance: %v", err)
	}
	return got, err == nil
}

func (f *fixture) endAll(calls []store.Call) []store.Event {
	events := make([]store.Event, len(calls))
	for i, c := range calls {
		events[i] = f.completed(c)
	}
	return events
}

func concurrentStepsKeepTheLimits(f *fixture) {
	const limit, aim = 5, 3
	node, a, b := f.node(), f.batch(60, target(aim)), f.batch(60, target(aim))
	together(4, func(int) {
		var mine []store.Call
		for range 20 {
			got, ok := f.try(store.Step{
				Owner: node, Limit: limit, Events: f.endAll(mine), Claims: []store.Claim{f.claimOf(a, 2), f.claimOf(b, 2)},
			})
			if !ok {
				return
			}
			mine = callsOf(got)
			if got.InFlight > limit {
				f.Errorf("%d calls in flight under a limit of %d", got.InFlight, limit)
			}
			for _, batch := range got.Batches {
				if batch.Counts.InFlight() > aim {
					f.Errorf("%d calls of a batch in flight under a target of %d", batch.Counts.InFlight(), aim)
				}
			}
		}
	})
}

func concurrentStepsClaimNobodyTwice(f *fixture) {
	node, b := f.node(), f.batch(100)
	var mu sync.Mutex
	var all []int
	together(4, func(int) {
		for range 10 {
			got, _ := f.try(store.Step{Owner: node, Claims: []store.Claim{f.claimOf(b, 3)}})
			mu.Lock()
			all = append(all, indexes(callsOf(got))...)
			mu.Unlock()
		}
	})
	slices.Sort(all)
	f.equal("claimed", len(all), 100)
	f.equal("claimed, each once", len(slices.Compact(all)), 100)
}

func cancelStopsConcurrentClaims(f *fixture) {
	for _, action := range []store.Action{store.ActionCancel, store.ActionPause} {
		f.stopsClaims(action)
	}
}

func (f *fixture) stopsClaims(action store.Action) {
	f.Helper()
	node, b := f.node0(), f.batch(2000)
	begun, stopped := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for late := false; ; {
				select {
				case <-stopped:
					late = true
				default:
				}
				got, ok := f.try(store.Step{Owner: node, Claims: []store.Claim{f.claimOf(b, 1)}})
				once.Do(func() { close(begun) })
				if late && len(got.Claimed) > 0 {
					f.Errorf("claimed recipient %d after Change had returned", got.Claimed[0].Call.Index)
				}
				if late || !ok {
					return
				}
			}
		})
	}
	<-begun
	_, err := f.Change(f.ctx, org, b.ID, store.Change{Action: action, At: f.tick()})
	close(stopped)
	all.Wait()
	f.ok(err)
}

// node0 is the one node of rules that need the same one twice.
func (f *fixture) node0() string {
	f.Helper()
	if f.nodes == 0 {
		return f.node()
	}
	return "node_1"
}

func concurrentRequestsUnderOneKeyMakeOneBatch(f *fixture) {
	var drafts []store.Batch
	for range 6 {
		drafts = append(drafts, f.draft(key("k", time.Time{})))
	}
	ids := make([]string, len(drafts))
	together(len(drafts), func(i int) {
		got, err := f.CreateBatch(f.ctx, drafts[i], people(3))
		if err != nil {
			f.Errorf("create: %v", err)
		}
		ids[i] = got.ID
	})
	slices.Sort(ids)
	f.equal("batches returned", len(slices.Compact(ids)), 1)
	f.equal("batches made", len(f.batches(store.BatchQuery{})), 1)
}

// reader follows the feed of the organisation while others write.
type reader struct {
	*fixture

	rev  int64
	seen map[string]store.Recipient
}

func (r *reader) read() {
	got, err := r.Recipients(r.ctx, store.RecipientQuery{Org: org, ByRev: true, AfterRev: r.rev, Limit: 7})
	if err != nil {
		r.Errorf("recipients: %v", err)
	}
	for _, one := range got {
		if one.Rev <= r.rev {
			r.Errorf("revision %d came after %d", one.Rev, r.rev)
		}
		r.rev = one.Rev
		r.seen[fmt.Sprint(one.BatchID, one.Index)] = one
	}
}

func feedIsCompleteUnderConcurrentWriters(f *fixture) {
	node := f.node()
	batches := []store.Batch{f.batch(40), f.batch(40), f.batch(40)}
	r := &reader{fixture: f, seen: map[string]store.Recipient{}}
	done := make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				r.read()
			}
		}
	})
	together(len(batches), func(i int) {
		var mine []store.Call
		for range 15 {
			got, _ := f.try(store.Step{Owner: node, Events: f.endAll(mine), Claims: []store.Claim{f.claimOf(batches[i], 3)}})
			mine = callsOf(got)
		}
	})
	close(done)
	following.Wait()
	for before := int64(-1); before != r.rev; {
		before = r.rev
		r.read()
	}
	for _, b := range batches {
		for _, want := range f.recipients(b) {
			f.equal("recipient as the feed had it", r.seen[fmt.Sprint(b.ID, want.Index)], want)
		}
	}
}

func concurrentAdoptersShare(f *fixture) {
	const calls = 600
	first, b := f.node(), f.batch(calls)
	f.claim(first, b, calls)
	second := f.successor(first)
	var mu sync.Mutex
	var all []string
	together(4, func(int) {
		for {
			got, err := f.Adopt(f.ctx, second, 70)
			if err != nil {
				f.Errorf("adopt: %v", err)
			}
			if len(got) == 0 {
				return
			}
			mu.Lock()
			for _, c := range got {
				all = append(all, c.Call.ID)
			}
			mu.Unlock()
		}
	})
	slices.Sort(all)
	f.equal("adopted", len(all), calls)
	f.equal("adopted, each once", len(slices.Compact(all)), calls)
}

// adoptMissesNothingBesideWriters: that there are none means that none are left, whoever is writing. Each Adopt is
// called as a write begins, since one that comes between two writes finds nothing out.
func adoptMissesNothingBesideWriters(f *fixture) {
	const calls, limit = 120, 8
	first, b := f.node(), f.batch(calls)
	f.claim(first, b, calls)
	second := f.successor(first)
	var busy []store.Batch
	for range 3 {
		busy = append(busy, f.batch(9))
	}
	adopted, begins, stop := 0, make(chan struct{}, 1), make(chan struct{})
	write := func(b store.Batch) {
		step := f.step(store.Step{Org: b.Org, Owner: second, Claims: []store.Claim{{BatchID: b.ID}}})
		select {
		case begins <- struct{}{}:
		default:
		}
		if _, err := f.Advance(f.ctx, step); err != nil {
			f.Errorf("advance: %v", err)
		}
	}
	together(1+len(busy), func(i int) {
		for i > 0 {
			select {
			case <-stop:
				return
			default:
				write(busy[i-1])
			}
		}
		defer close(stop)
		for {
			<-begins
			got, err := f.Adopt(f.ctx, second, limit)
			if err != nil {
				f.Errorf("adopt: %v", err)
			}
			if adopted += len(got); len(got) == 0 {
				return
			}
		}
	})
	f.equal("adopted until there were none", adopted, calls)
	f.equal("left behind", len(f.calls(store.CallQuery{InFlight: true, Owner: first})), 0)
}

// readersSeeWholeTransactions: a batch read alone is never between two states.
func readersSeeWholeTransactions(f *fixture) {
	node, b := f.node(), f.batch(60)
	done := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			got, err := f.Batch(f.ctx, org, b.ID)
			if n := got.Counts.Scheduled(); err != nil || n != 60 || got.Counts.Dispatched%3 != 0 {
				f.Errorf("read %+v in the middle of a transaction (%v)", got.Counts, err)
				return
			}
		}
	})
	for range 20 {
		calls := f.claim(node, b, 3)
		f.happen(node, f.endAll(calls)...)
	}
	close(done)
	reading.Wait()
}

// contextEndingMidwayLeavesAllOrNothing: of a step that was given up nobody knows whether it
// was written, but never in part, and its replay finds out.
func contextEndingMidwayLeavesAllOrNothing(f *fixture) {
	node, b := f.node(), f.batch(100)
	var last []store.Call
	for range 20 {
		step := f.step(store.Step{Owner: node, Events: f.endAll(last), Claims: []store.Claim{f.claimOf(b, 5)}})
		ctx, cancel := context.WithCancel(f.ctx)
		var ending sync.WaitGroup
		ending.Go(cancel)
		got, err := f.Advance(ctx, step)
		ending.Wait()
		if counts := f.again(b).Counts; counts.Dispatched != 5 && counts.Dispatched+counts.Completed != 0 {
			f.Fatalf("a part of a step was written: %+v", counts)
		}
		if err != nil {
			step.Replay = true
			got = f.advance(step)
		}
		last = callsOf(got)
		f.equal("claimed", len(last), 5)
		f.equal("lost", len(got.Lost), 0)
	}
	f.equal("counts", f.again(b).Counts, fsm.Counts{Dispatched: 5, Completed: 95})
}
