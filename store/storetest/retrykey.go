package storetest

import (
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func retryKeyRules() []rule {
	return []rule{
		{"RetryUnderItsKeyIsDoneOnce", retryUnderItsKeyIsDoneOnce},
		{"RetryUnderAnotherKeyIsAnother", retryUnderAnotherKeyIsAnother},
		{"RetryWithoutAKeyIsAnother", retryWithoutAKeyIsAnother},
		{"OnlyTheLatestRetryKeyIsKept", onlyTheLatestRetryKeyIsKept},
		{"RetryWithoutAKeyLeavesTheLatest", retryWithoutAKeyLeavesTheLatest},
		{"KeyOfARetryOfNobodyIsKept", keyOfARetryOfNobodyIsKept},
		{"RetryKeyAloneIsNoChange", retryKeyAloneIsNoChange},
		{"RetryKeyHoldsInACancelledBatch", retryKeyHoldsInACancelledBatch},
		{"RefusedRetryKeepsNoKey", refusedRetryKeepsNoKey},
		{"RetryKeyIsOfItsBatch", retryKeyIsOfItsBatch},
		{"RetryKeyIsNoKeyOfARequest", retryKeyIsNoKeyOfARequest},
		{"RetryKeysAreComparedByteForByte", retryKeysAreComparedByteForByte},
		{"OtherActionsIgnoreTheKey", otherActionsIgnoreTheKey},
	}
}

func retryUnder(key string) store.Change { return store.Change{Action: store.ActionRetry, Key: key} }

// failed returns a batch of two of which one recipient has failed, and the other is in flight.
func (f *fixture) failed(node string, with ...func(*store.Batch)) store.Batch {
	f.Helper()
	b := f.batch(2, with...)
	f.happen(node, f.busy(f.claim(node, b, 2)[0]))
	return f.again(b)
}

// failAgain has the recipient that was retried fail once more.
func (f *fixture) failAgain(node string, b store.Batch) {
	f.Helper()
	f.happen(node, f.busy(f.claim(node, b, 1)[0]))
	f.equal("failed", f.again(b).Counts.Failed, 1)
}

func retryUnderItsKeyIsDoneOnce(f *fixture) {
	node := f.node()
	b := f.failed(node)
	at := f.tick()
	got := f.change(b, store.Change{Action: store.ActionRetry, Key: "k", At: at})
	want := b
	want.RetryKey, want.RetryCount, want.UpdatedAt, want.Rev = "k", 1, at, got.Rev
	want.Counts = fsm.Counts{Queued: 1, Dispatched: 1}
	f.equal("batch as returned", got, want)
	f.equal("batch", f.again(b), want)
	f.unchanged(b, retryUnder("k"))
	f.failAgain(node, b)
	f.unchanged(b, retryUnder("k"))
}

func retryUnderAnotherKeyIsAnother(f *fixture) {
	node := f.node()
	b := f.failed(node)
	f.change(b, retryUnder("k1"))
	f.failAgain(node, b)
	got := f.change(b, retryUnder("k2"))
	f.equal("retries", got.RetryCount, 2)
	f.equal("RetryKey", f.again(b).RetryKey, "k2")
}

func retryWithoutAKeyIsAnother(f *fixture) {
	node := f.node()
	b := f.failed(node)
	f.equal("retries", f.do(b, store.ActionRetry).RetryCount, 1)
	f.failAgain(node, b)
	f.equal("retries", f.do(b, store.ActionRetry).RetryCount, 2)
	f.equal("RetryKey", f.again(b).RetryKey, "")
}

func onlyTheLatestRetryKeyIsKept(f *fixture) {
	node := f.node()
	b := f.failed(node)
	for i, key := range []string{"k1", "k2", "k1"} {
		f.equal("retries", f.change(b, retryUnder(key)).RetryCount, i+1)
		f.failAgain(node, b)
		f.unchanged(b, retryUnder(key))
	}
}

func retryWithoutAKeyLeavesTheLatest(f *fixture) {
	node := f.node()
	b := f.failed(node)
	f.change(b, retryUnder("k"))
	f.failAgain(node, b)
	f.equal("RetryKey", f.do(b, store.ActionRetry).RetryKey, "k")
	f.failAgain(node, b)
	f.unchanged(b, retryUnder("k"))
}

func keyOfARetryOfNobodyIsKept(f *fixture) {
	node, b := f.node(), f.batch(1)
	f.equal("RetryKey", f.change(b, retryUnder("k")).RetryKey, "k")
	f.failAgain(node, b)
	f.unchanged(b, retryUnder("k")) // it meant those who had failed then
	f.equal("retries", f.change(b, retryUnder("k2")).RetryCount, 1)
}

func retryKeyAloneIsNoChange(f *fixture) {
	b := f.batch(1)
	want := b
	want.RetryKey = "k"
	f.equal("batch as returned", f.change(b, retryUnder("k")), want)
	f.equal("batch", f.again(b), want)
	f.equal("changed since", len(f.since(b.Rev)), 0)
	f.equal("batches changed since", len(f.batches(store.BatchQuery{ByRev: true, AfterRev: b.Rev})), 0)
}

func retryKeyHoldsInACancelledBatch(f *fixture) {
	node := f.node()
	b := f.failed(node)
	f.change(b, retryUnder("k"))
	f.equal("status", f.do(b, store.ActionCancel).Status(), fsm.BatchCancelled)
	f.unchanged(b, retryUnder("k"))
	_, err := f.Change(f.ctx, org, b.ID, store.Change{Action: store.ActionRetry, Key: "k2", At: f.tick()})
	f.is(err, store.ErrBatchCancelled)
	f.unchanged(b, retryUnder("k"))
}

func refusedRetryKeepsNoKey(f *fixture) {
	b := f.batch(2)
	cancelled := f.do(b, store.ActionCancel)
	for range 2 {
		_, err := f.Change(f.ctx, org, b.ID, store.Change{Action: store.ActionRetry, Key: "k", At: f.tick()})
		f.is(err, store.ErrBatchCancelled)
	}
	f.equal("batch", f.again(b), cancelled)
}

func retryKeyIsOfItsBatch(f *fixture) {
	node := f.node()
	a, b := f.failed(node), f.failed(node)
	f.change(a, retryUnder("k"))
	f.equal("RetryKey of the other", f.again(b).RetryKey, "")
	f.equal("retries of the other", f.change(b, retryUnder("k")).RetryCount, 1)
}

func retryKeyIsNoKeyOfARequest(f *fixture) {
	node := f.node()
	b := f.failed(node, func(b *store.Batch) { b.Key = "k" })
	f.equal("retries under the key of the request", f.change(b, retryUnder("k")).RetryCount, 1)
	c := f.failed(node)
	f.change(c, retryUnder("r"))
	f.equal("batches under the key of the retry", batchIDs(f.batches(store.BatchQuery{Key: "r"})), batchIDs(nil))
	if got := f.batch(1, func(b *store.Batch) { b.Key = "r" }); got.ID == c.ID {
		f.Fatalf("a request under the key of a retry got the batch that was retried")
	}
}

func retryKeysAreComparedByteForByte(f *fixture) {
	node := f.node()
	b := f.failed(node)
	for i, key := range []string{"k", "K", "k ", "k\x00", "ḱ"} {
		f.equal("retries", f.change(b, retryUnder(key)).RetryCount, i+1)
		f.failAgain(node, b)
	}
}

func otherActionsIgnoreTheKey(f *fixture) {
	node, b := f.node(), f.batch(2)
	call := f.claim(node, b, 1)[0]
	for a := store.ActionCancel; a <= store.ActionHangUp; a++ {
		if a != store.ActionRetry {
			got := f.change(b, store.Change{Action: a, Key: "k", Target: 3, CallID: call.ID})
			f.equal("RetryKey", got.RetryKey, "")
		}
	}
	f.equal("RetryKey", f.again(b).RetryKey, "")
}

// Each that is over claims whoever it finds queued and has the call fail, for the next one to find.
func concurrentRetriesUnderOneKeyAreOne(f *fixture) {
	node, b := f.node(), f.batch(1)
	f.happen(node, f.busy(f.claim(node, b, 1)[0]))
	together(8, func(int) {
		if _, err := f.Change(f.ctx, org, b.ID, store.Change{Action: store.ActionRetry, Key: "k", At: f.tick()}); err != nil {
			f.Errorf("retry: %v", err)
			return
		}
		got, ok := f.try(store.Step{Owner: node, Claims: []store.Claim{f.claimOf(b, 1)}})
		if ok && len(got.Claimed) > 0 {
			f.try(store.Step{Owner: node, Events: []store.Event{f.busy(got.Claimed[0].Call)}})
		}
	})
	f.equal("retries", f.again(b).RetryCount, 1)
	f.equal("attempts", f.recipient(b, 0).Attempts, 2)
}
