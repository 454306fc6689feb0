// Package storetest is the conformance suite of package store: what every [store.Store]
// must do, a host's own included. Each sentence of that package's documentation is a
// rule here, and each rule a subtest, so a failure names the promise that was broken.
//
//	func TestStore(t *testing.T) {
//		storetest.Test(t, func(t *testing.T) store.Store { return mystore.New() })
//	}
//
// After every rule the whole store is read and audited: counts are derived again from
// recipients and calls, revisions are compared, the filters are checked against each other.
//
// [Faults] wraps a store so that it fails at chosen points, [Benchmark] measures one.
// The package needs nothing but the standard library, and sleeps nowhere.
package storetest

import (
	"testing"
	"time"

	"github.com/outdial/outdial/store"
)

// Test runs the suite over a store that several nodes may use at once. open returns an
// empty one each time; it is called from parallel subtests and cleans up by t.Cleanup.
func Test(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	Harness{Open: open}.Test(t)
}

// Harness says how to test a store, and what it can do.
type Harness struct {
	// Open returns an empty store. Required. It is called from parallel subtests and
	// cleans up by t.Cleanup.
	Open func(t *testing.T) store.Store

	// OneNode says that the store admits one dialling node at a time and refuses another
	// with ErrOwned.
	OneNode bool

	// Reopen closes the store and returns another one over the same data. Nil: the data
	// does not outlive the store.
	Reopen func(t *testing.T, s store.Store) store.Store

	// Later lets some time pass for leases, of s alone, without waiting: its clock goes forward, or the moments at
	// which leases run out go back. Nil: nobody can, and what a store forgets in time is not tested.
	Later func(t *testing.T, s store.Store, by time.Duration)
}

// rule is one promise: its name is that of the subtest.
type rule struct {
	name  string
	check func(f *fixture)
}

// Test runs the suite.
func (h Harness) Test(t *testing.T) {
	t.Helper()
	for _, topic := range h.topics() {
		t.Run(topic.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range topic.rules {
				t.Run(r.name, func(t *testing.T) {
					t.Parallel()
					f := newFixture(t, h.Open(t))
					r.check(f)
					f.audit()
				})
			}
		})
	}
}

type topic struct {
	name  string
	rules []rule
}

func (h Harness) topics() []topic {
	return []topic{
		{"Create", createRules()},
		{"Idempotency", idempotencyRules()},
		{"Read", readRules()},
		{"Pages", pageRules()},
		{"Claim", claimRules()},
		{"Order", orderRules()},
		{"Replay", replayRules()},
		{"Events", eventRules()},
		{"Moves", moveRules()},
		{"Tries", tryRules()},
		{"Limits", limitRules()},
		{"Change", changeRules()},
		{"Retry", retryRules()},
		{"RetryKey", retryKeyRules()},
		{"Revisions", revisionRules()},
		{"Leases", h.leaseRules()},
		{"Beats", beatRules()},
		{"Forget", h.forgetRules()},
		{"Adopt", adoptRules()},
		{"Carriers", h.carrierRules()},
		{"Isolation", isolationRules()},
		{"Sizes", sizeRules()},
		{"Concurrency", concurrencyRules()},
		{"Lifetime", h.lifetimeRules()},
		{"Model", modelRules()},
	}
}
