package sqlite

import (
	"context"
	"fmt"
)

// known is what the connection that writes remembers of rows, as they are in the file: organisations, and of each the
// open batches and the calls in flight that its latest writes were about. So a step of calls that this process began
// reads nothing but who is queued.
//
// It is true as long as no other connection writes, which SQLite tells at the begin of each transaction (recall). A
// write takes what it needs of an organisation and brings it back when it has succeeded (learn): one that failed was
// undone, and what it knew goes. After a transaction that was lost the connection goes with all that it knows.
type known struct {
	version int64           // of the data; 0 before the first transaction
	orgs    map[string]*org // by id
	taken   []*org          // by the job that runs
	size    int             // batches and calls of orgs

	dialled int64 // key of a node whose row says that it owns calls; 0 for none
	marked  int64 // the same, of the job that runs
}

// knownSize is how many batches and calls are remembered at most, at some hundred bytes each.
const knownSize = 1 << 15

// recall forgets everything if another connection has written since the last transaction.
func (c *connection) recall(ctx context.Context) error {
	var version int64
	if _, err := c.find(ctx, "PRAGMA data_version", nil, []any{&version}); err != nil {
		return fmt.Errorf("ask whether another process has written: %w", err)
	}
	if version != c.known.version {
		c.known = known{version: version}
	}
	return nil
}

// forgetOrgs is for what writes rows of many organisations.
func (c *connection) forgetOrgs() { c.known = known{version: c.known.version} }

// take returns what is known of an organisation, nil for nothing.
func (k *known) take(id string) *org {
	o := k.orgs[id]
	if o != nil {
		delete(k.orgs, id)
		k.size -= o.size()
		k.taken = append(k.taken, o)
	}
	return o
}

// learn keeps what a job knows that has succeeded, and forgets what one knew that has not.
func (k *known) learn(succeeded bool) {
	if succeeded {
		for _, o := range k.taken {
			k.put(o)
		}
		if k.marked != 0 {
			k.dialled = k.marked
		}
	}
	clear(k.taken)
	k.taken, k.marked = k.taken[:0], 0
}

// put makes room by forgetting any others: they are read again.
func (k *known) put(o *org) {
	if k.orgs == nil {
		k.orgs = map[string]*org{}
	}
	for id, other := range k.orgs {
		if k.size+o.size() <= knownSize {
			break
		}
		delete(k.orgs, id)
		k.size -= other.size()
	}
	if o.size() > knownSize {
		return
	}
	k.orgs[o.id] = o
	k.size += o.size()
}

// size is how much of knownSize an organisation takes.
func (o *org) size() int { return 1 + len(o.batches) + len(o.calls) }

// keep remembers a batch as long as it is open.
func (o *org) keep(b *batch) {
	if b.Counts.Over() {
		delete(o.batches, b.ID)
		return
	}
	if o.batches == nil {
		o.batches = map[string]*batch{}
	}
	o.batches[b.ID] = b
}

// keepCall remembers a call of the node that dials as long as it is in flight. Others may be adopted.
func (o *org) keepCall(id string, row callState) {
	if !row.status.InFlight() {
		delete(o.calls, id)
		return
	}
	if o.calls == nil {
		o.calls = map[string]callState{}
	}
	o.calls[id] = row
}
