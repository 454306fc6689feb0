package memory

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/store"
)

// org is everything of one organisation.
type org struct {
	name      string
	published atomic.Int64 // rev, for those who do not hold the lock

	mu       sync.Mutex
	rev      int64
	turn     uint64   // counts calls of Advance, see batch.turn
	active   bool     // as Store.active has it
	batches  []*batch // ascending by id
	byID     map[string]*batch
	byKey    map[string]*batch // the latest under each idempotency key
	open     map[*batch]bool   // with recipients queued or calls in flight
	calls    []*store.Call     // ascending by id
	callByID map[string]*store.Call
	inFlight map[*store.Call]bool
	feed     []change
}

// batch is a batch and everything of it.
type batch struct {
	store.Batch

	recipients []*store.Recipient
	queue      queue
	calls      []*store.Call // ascending by id
	changed    bool          // since it was sealed
	turn       uint64        // the latest Advance that named it, which finds it named twice without a set
}

// change is an entry of the feed: a recipient that had this revision, and still has
// it unless a later entry says otherwise.
type change struct {
	*store.Recipient

	rev int64
}

func (c change) stale() bool { return c.rev != c.Rev }

func newOrg(name string) *org {
	return &org{
		name: name, byID: map[string]*batch{}, byKey: map[string]*batch{}, open: map[*batch]bool{},
		callByID: map[string]*store.Call{}, inFlight: map[*store.Call]bool{},
	}
}

// changed gives a recipient that was changed its next revision.
func (o *org) changed(b *batch, r *store.Recipient, now time.Time) {
	o.rev++
	b.changed = true
	r.Rev, r.UpdatedAt = o.rev, now
	if len(o.feed) == cap(o.feed) {
		// Half must be free afterwards, else the next append would sweep again.
		o.feed = slices.DeleteFunc(o.feed, change.stale)
		o.feed = slices.Grow(o.feed, len(o.feed)+1)
	}
	o.feed = append(o.feed, change{rev: o.rev, Recipient: r})
}

// seal ends what a transaction does to a batch: its revision comes after those of its recipients.
func (o *org) seal(b *batch, now time.Time) {
	if !b.changed {
		return
	}
	o.rev++
	b.changed = false
	b.Rev, b.UpdatedAt = o.rev, now
	if b.Counts.Over() {
		delete(o.open, b)
	} else {
		o.open[b] = true
	}
}

func (o *org) addCall(b *batch, c *store.Call) {
	o.callByID[c.ID], o.inFlight[c] = c, true
	o.calls, b.calls = insert(o.calls, c), insert(b.calls, c)
}

// insert looks from the end: ids ascend but for those of one millisecond.
func insert(list []*store.Call, c *store.Call) []*store.Call {
	at := len(list)
	for at > 0 && list[at-1].ID > c.ID {
		at--
	}
	return slices.Insert(list, at, c)
}
