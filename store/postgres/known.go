package postgres

import (
	"maps"
	"sync"
	"time"
)

// known is what this process knows of the calls that a node has in flight of an organisation: what its last step left
// of those that the step was about, and what was known before of the others.
//
// It is true of the revision at which that step left the organisation: whoever changes a flight moves it, but for
// Adopt, which changes owners alone. That takes nothing from a node whose lease runs. Should it have done so all the
// same, because the clock of the database went back, then the statements that write do not find all of the calls, and
// undo the transaction: see flightArrays. A revision can come again at another server that lacks the latest commits of
// the one before, or with a backup that was restored: so it is that of a server, too.
type known struct {
	owner  string
	rev    int64
	server time.Time        // when the server started
	calls  map[string]*call // by id
}

// knowledge is what a Store knows of all organisations. A step takes what is known of its own and brings back what it
// knows once it is written: so nothing is known after an error, and after a commit of which nobody knows the outcome.
// Safe for concurrent use.
type knowledge struct {
	mu   sync.Mutex
	orgs map[int64]*known
	size int // calls of all organisations
}

// knowledgeSize is how many calls are remembered at most, at half a kilobyte each: more than a node has in flight.
const knowledgeSize = 1 << 16

func newKnowledge() *knowledge { return &knowledge{orgs: map[int64]*known{}} }

// take returns what is known of an organisation's calls of a node, never nil, and forgets it.
func (k *knowledge) take(org int64, owner string) *known {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.orgs[org]
	if n != nil {
		delete(k.orgs, org)
		k.size -= len(n.calls)
	}
	if n == nil || n.owner != owner {
		return newKnown(owner)
	}
	return n
}

// put keeps what is known of an organisation that was taken, as long as it has calls in flight and if there is room.
// Where there is none, what other nodes knew goes: a session that has lost its lease takes no step any more.
func (k *knowledge) put(org int64, n *known) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.size+len(n.calls) > knowledgeSize {
		maps.DeleteFunc(k.orgs, func(_ int64, o *known) bool {
			if o.owner != n.owner {
				k.size -= len(o.calls)
			}
			return o.owner != n.owner
		})
	}
	if len(n.calls) == 0 || k.size+len(n.calls) > knowledgeSize {
		return
	}
	k.orgs[org] = n
	k.size += len(n.calls)
}

func newKnown(owner string) *known { return &known{owner: owner, rev: -1, calls: map[string]*call{}} }

// recall takes up what is known of the calls that the events are about, if it is true.
func (t *turn) recall() {
	if t.step.Replay || t.known.rev != t.org.rev || !t.known.server.Equal(t.org.server) {
		t.known = newKnown(t.step.Owner) // what was read just now is all
		return
	}
	for i := range t.step.Events {
		if c := t.known.calls[t.step.Events[i].CallID]; c != nil {
			t.calls[c.id] = c
		}
	}
}

// learn is what is known once the step is written.
func (t *turn) learn() *known {
	n := t.known
	n.rev, n.server = t.org.rev, t.org.server
	for id, c := range t.calls {
		if c.over || !c.now.status.InFlight() || c.owner != t.owner.key {
			delete(n.calls, id)
			continue
		}
		c.was, c.rev = c.now, 0
		n.calls[id] = c
	}
	for i := range t.answers {
		a := &t.answers[i]
		if a.fate == nil { // of an earlier try, whose call may have come further
			continue
		}
		now := fields{status: a.Status, carrier: a.Carrier}
		n.calls[a.ID] = &call{
			id: a.ID, batch: a.fate.batch, idx: a.fate.idx, attempt: a.fate.attempts, owner: t.owner.key,
			dispatched: whole(a.DispatchedAt), now: now, was: now,
		}
	}
	return n
}
