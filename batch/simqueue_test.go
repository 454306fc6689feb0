package batch

import (
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// simQueue is what is true of the recipients of a batch: who waits, and in which order they are to be claimed.
type simQueue struct {
	all     []simRecipient
	waiting int
}

type simRecipient struct {
	waits    bool
	failed   bool
	spared   bool // somebody has cancelled its call: nobody may call it until a retry is asked for
	attempts int
}

func newSimQueue(size int) simQueue {
	q := simQueue{all: make([]simRecipient, size), waiting: size}
	for i := range q.all {
		q.all[i].waits = true
	}
	return q
}

func (q *simQueue) put(index int) {
	q.all[index].waits, q.all[index].failed = true, false
	q.waiting++
}

// emptied tells that the batch was cancelled.
func (q *simQueue) emptied() {
	for i := range q.all {
		q.all[i].waits = false
	}
	q.waiting = 0
}

// retried tells that whoever has failed is queued again.
func (q *simQueue) retried() {
	for i := range q.all {
		if q.all[i].failed {
			q.put(i)
			q.all[i].spared = false
		}
	}
}

// dequeued judges that a recipient is claimed: of those that wait it has had the fewest attempts, and of those the
// lowest index. So one that is refused again and again holds up nobody.
func (l *simLedger) dequeued(k *simBatch, c *store.Call) {
	q := &k.queue
	r := &q.all[c.Index]
	switch {
	case r.spared:
		l.fail("recipient %d of %s is claimed as %s; its call before was cancelled, and nobody has asked for another one", c.Index, k.id, c.ID)
	case !r.waits:
		l.fail("recipient %d of %s is claimed as %s, and does not wait", c.Index, k.id, c.ID)
	case c.Attempt != r.attempts+1:
		l.fail("recipient %d of %s is claimed for attempt %d, after %d", c.Index, k.id, c.Attempt, r.attempts)
	}
	overtook := false
	for i := range q.all {
		switch o := &q.all[i]; {
		case !o.waits || i == c.Index:
		case o.attempts < r.attempts || o.attempts == r.attempts && i < c.Index:
			l.fail("recipient %d of %s is claimed after %d attempts, while %d waits after %d", c.Index, k.id, r.attempts, i, o.attempts)
		case i < c.Index:
			overtook = true
		}
	}
	if overtook {
		l.w.seen.branch(overtookRefused)
	}
	r.waits = false
	r.attempts++
	q.waiting--
}

// requeued tells what an attempt's end makes of its recipient.
func (c *simCall) requeued(status fsm.RecipientStatus) {
	q := &c.batch.queue
	switch {
	case status == fsm.Queued && c.hangUp, status == fsm.Failed:
		q.all[c.index].failed = true
		q.all[c.index].spared = c.hangUp
	case status == fsm.Queued && !c.batch.cancelled:
		q.put(c.index)
	}
}
