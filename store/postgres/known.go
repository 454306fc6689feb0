package postgres

// known is what this process knows of an organisation: how its last step left the calls of a node in flight that the
// step was about, their batches and who is next in those, and what was known before of the others.
//
// It is true of the revision at which that step left the organisation: whoever changes any of it moves that, but for
// the key of a retry that had nothing to do, which no step writes, and Adopt, which changes owners alone. Adopt takes
// nothing from a node whose lease runs. Should it have done so all the same, because the clock of the database went
// back, then the statements that write do not find all of the calls, and undo the transaction: see flightArrays. A
// revision can come again at another server that lacks the latest commits of the one before, or with a backup that was
// restored: so it is that of a server, too.
type known struct {
	owner string
	node  node // the owner, as the database has it
	org   org  // as that step left it
	calls map[string]*call
	trust trust

	// These serve a step that asks for nothing, see foresee.
	complete bool // calls are all of the node's that are in flight
	whole    bool // latest is known
	latest   string
	batches  map[string]*batch // those of the latest steps that are not over
	queues   map[int32]*queue  // of some of them

	used        int64 // when it was put
	room        bool  // what is read ahead for it will be kept
	kept, ahead spot
}

func newKnown(owner string) *known {
	return &known{
		owner: owner, org: org{rev: -1}, calls: map[string]*call{}, batches: map[string]*batch{}, queues: map[int32]*queue{},
	}
}

// forgotten is what is left where all else may be wrong.
func (n *known) forgotten() *known {
	f := newKnown(n.owner)
	f.trust, f.used, f.room = n.trust, n.used, n.room
	return f
}

// serves says that who is queued in a batch is known as far as a claim of n needs it.
func (n *known) serves(batch string, claim int) bool {
	b := n.batches[batch]
	if b == nil {
		return false
	}
	q := n.queues[b.key]
	return q != nil && (!q.more || len(q.list) >= claim)
}

// holds says whether what is known is true of the organisation that was read.
func (t *turn) holds() bool {
	k := t.known
	return !t.step.Replay && k.org.rev == t.org.rev && k.org.server.Equal(t.org.server)
}

// forget leaves what was read, or will be.
func (t *turn) forget() { t.known = t.known.forgotten() }

// recall takes up what is known of the calls that the events are about, and of the queues that were not read.
func (t *turn) recall() {
	for i := range t.step.Events {
		if c := t.known.calls[t.step.Events[i].CallID]; c != nil {
			t.calls[c.id] = c
		}
	}
	for _, b := range t.order {
		if q := t.known.queues[b.key]; q != nil && t.queues[b.key] == nil {
			t.queues[b.key] = q
		}
	}
}

const selectLatest = "SELECT c.id FROM outdial.calls c WHERE c.org = $1 ORDER BY c.id DESC LIMIT 1"

// askLatest asks for the greatest id of a call that is over, where it is not known.
func (t *turn) askLatest(trip *trip) {
	if !t.known.whole && t.known.trust.wait == 0 {
		t.known.whole = true
		trip.find(nil, selectLatest, []any{t.org.key}, []any{(*text)(&t.known.latest)})
	}
}

// mostFlying is how many calls are read at most to make knowledge of them complete again: more would cost more than
// the trips that it saves.
const mostFlying = 512

const selectFlying = "SELECT " + eventColumns + " FROM outdial.flights c WHERE c.org = $1 AND c.owner = $2"

// askFlying asks for all of the node's calls in flight, where not all are known: each that is not known would cost the
// step that ends it a trip.
func (t *turn) askFlying(trip *trip) {
	if t.known.complete || t.known.trust.wait > 0 || t.org.inFlight > mostFlying {
		return
	}
	t.flying = map[string]*call{}
	trip.each(keepCall(t.flying), selectFlying, t.org.key, t.owner.key)
}

// learn is what is known once the step is written.
func (t *turn) learn() *known {
	n := t.known
	n.node, n.org = t.owner, *t.org
	n.node.dialled = n.node.dialled || len(t.answers) > 0
	n.org.was = n.org.counts()
	t.learnBatches(n)
	t.learnCalls(n)
	if t.flying != nil {
		n.calls, n.complete = t.flying, true
	}
	n.complete = n.complete || len(n.calls) == n.org.inFlight
	return n
}

func (t *turn) learnCalls(n *known) {
	for id, c := range t.calls {
		if c.over || !c.now.status.InFlight() || c.owner != t.owner.key {
			delete(n.calls, id)
			n.latest = max(n.latest, id)
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
}

// learnBatches forgets those that are over. Times are as they would be read.
func (t *turn) learnBatches(n *known) {
	for _, b := range t.order {
		if b.Counts.Over() {
			delete(n.batches, b.ID)
			delete(n.queues, b.key)
			continue
		}
		b.changed, b.was = false, b.head()
		b.UpdatedAt, b.AdmittedAt = whole(b.UpdatedAt), whole(b.AdmittedAt)
		n.batches[b.ID] = b
		if q := t.queues[b.key]; q != nil {
			n.queues[b.key] = q.remembered()
		} else {
			delete(n.queues, b.key)
		}
	}
}
