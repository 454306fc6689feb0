package batch

import "github.com/outdial/outdial/store"

// simPool is what one play leaves to the next, and what is used again within a play, so that it makes little garbage. Only one
// goroutine may use it, for one play at a time.
type simPool struct {
	coroutines

	events   simAgenda
	tasks    pile[simTask]
	timeouts pile[simTimeout]
	ended    []*simTimeout // the latest, which nobody may have any more before they are used again
	requests simRequests
}

// simRequests are the requests to the store, by kind.
type simRequests struct {
	create     pile[storeCall[newBatchArgs, store.Batch]]
	batch      pile[storeCall[named, store.Batch]]
	batches    pile[storeCall[store.BatchQuery, []store.Batch]]
	recipients pile[storeCall[store.RecipientQuery, []store.Recipient]]
	calls      pile[storeCall[store.CallQuery, []store.Call]]
	call       pile[storeCall[named, store.Call]]
	change     pile[storeCall[changeArgs, store.Batch]]
	active     pile[storeCall[none, []store.ActiveOrg]]
	advance    pile[storeCall[store.Step, store.Advanced]]
	heartbeat  pile[storeCall[beatArgs, none]]
	adopt      pile[storeCall[adoptArgs, []store.Claimed]]
	nodes      pile[storeCall[*int64, []store.Node]]
}

// pile is values that nobody has.
type pile[T any] []*T

// take returns a value that is as its former owner has left it.
func (p *pile[T]) take() *T {
	n := len(*p) - 1
	if n < 0 {
		return new(T)
	}
	one := (*p)[n]
	*p = (*p)[:n]
	return one
}

func (p *pile[T]) put(one *T) { *p = append(*p, one) }
