package storetest

import (
	"time"

	"github.com/outdial/outdial/store"
)

func idempotencyRules() []rule {
	return []rule{
		{"SameKeyReturnsTheFirstBatch", sameKeyReturnsTheFirstBatch},
		{"SameKeyReturnsTheBatchAsItIsNow", sameKeyReturnsTheBatchAsItIsNow},
		{"EmptyKeyIsNoKey", emptyKeyIsNoKey},
		{"KeyHoldsUntilKeyUntil", keyHoldsUntilKeyUntil},
		{"ReusedKeyIsTheLatestBatchs", reusedKeyIsTheLatestBatchs},
		{"AnotherKeyIsAnotherBatch", anotherKeyIsAnotherBatch},
		{"KeyFindsItsLatestBatch", keyFindsItsLatestBatch},
	}
}

func key(name string, until time.Time) func(*store.Batch) {
	return func(b *store.Batch) { b.Key, b.KeyUntil = name, until }
}

func sameKeyReturnsTheFirstBatch(f *fixture) {
	first := f.batch(2, key("k", time.Time{}))
	f.equal("second batch under the key", f.batch(3, key("k", time.Time{})), first)
	f.equal("batches", batchIDs(f.batches(store.BatchQuery{})), []string{first.ID})
}

func sameKeyReturnsTheBatchAsItIsNow(f *fixture) {
	first := f.batch(2, key("k", time.Time{}))
	f.claim(f.node(), first, 1)
	f.equal("second batch under the key", f.batch(2, key("k", time.Time{})), f.again(first))
}

func emptyKeyIsNoKey(f *fixture) {
	first, second := f.batch(1), f.batch(1)
	f.equal("batches", batchIDs(f.batches(store.BatchQuery{})), []string{second.ID, first.ID})
}

func keyHoldsUntilKeyUntil(f *fixture) {
	until := f.tick().Add(time.Hour)
	first := f.batch(1, key("k", until))
	last := f.batch(1, key("k", until), func(b *store.Batch) { b.CreatedAt = until.Add(-time.Microsecond) })
	f.equal("a request just before KeyUntil", last.ID, first.ID)
	next := f.batch(1, key("k", until.Add(time.Hour)), func(b *store.Batch) { b.CreatedAt = until })
	if next.ID == first.ID {
		f.Fatalf("a request at KeyUntil returned the batch of the key that had ended")
	}
}

func reusedKeyIsTheLatestBatchs(f *fixture) {
	until := f.tick().Add(time.Hour)
	f.batch(1, key("k", until))
	second := f.batch(1, key("k", time.Time{}), func(b *store.Batch) { b.CreatedAt = until })
	third := f.batch(1, key("k", time.Time{}), func(b *store.Batch) { b.CreatedAt = until.Add(time.Hour) })
	f.equal("batch under the key", third.ID, second.ID)
}

func anotherKeyIsAnotherBatch(f *fixture) {
	first := f.batch(1, key("k", time.Time{}))
	for _, name := range []string{"K", "k ", "k\x00", "ḱ"} {
		if got := f.batch(1, key(name, time.Time{})); got.ID == first.ID {
			f.Fatalf("the key %q returned the batch of the key %q", name, "k")
		}
	}
}

func keyFindsItsLatestBatch(f *fixture) {
	until := f.tick().Add(time.Hour)
	f.batch(1, key("k", until))
	f.batch(1)
	second := f.batch(1, key("k", time.Time{}), func(b *store.Batch) { b.CreatedAt = until })
	f.batch(1, key("K", time.Time{}))
	f.equal("batches under the key", batchIDs(f.batches(store.BatchQuery{Key: "k"})), []string{second.ID})
	f.equal("batches under an unknown key", batchIDs(f.batches(store.BatchQuery{Key: "x"})), batchIDs(nil))
	f.equal("and of an agent", batchIDs(f.batches(store.BatchQuery{Key: "k", AgentID: "nobody"})), batchIDs(nil))
}
