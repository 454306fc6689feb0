package postgres

import (
	"cmp"
	"slices"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// candidate is a recipient that is queued.
type candidate struct{ idx, attempts int32 }

func (c candidate) before(d candidate) int { return cmp.Compare(c.idx, d.idx) }

// selectQueued finds the next recipients of each batch in its order, at a cost that does not grow with
// the batch: all that were claimed before stand in front of the others, and an index has those of
// them that are queued again.
const selectQueued = `SELECT b.batch, q.idx, q.attempts FROM unnest($2::bytea[], $3::bigint[]) AS v (id, n)
	JOIN outdial.batches b ON b.org = $1 AND b.id = v.id AND b.paused_at IS NULL AND b.cancelled_at IS NULL
	JOIN outdial.tallies t ON t.org = $1 AND t.batch = b.batch
	CROSS JOIN LATERAL (
		(SELECT r.idx, r.attempts FROM outdial.recipients r
			WHERE r.org = $1 AND r.batch = b.batch AND r.idx < t.fresh AND r.status = 0 AND r.attempts > 0
			ORDER BY r.idx LIMIT v.n)
		UNION ALL
		(SELECT r.idx, r.attempts FROM outdial.recipients r
			WHERE r.org = $1 AND r.batch = b.batch AND r.idx >= t.fresh AND r.status = 0
			ORDER BY r.idx LIMIT v.n)
		ORDER BY idx LIMIT v.n) q
	ORDER BY b.batch, q.idx`

// askQueued asks for as many of each batch as the claims want. Whether they may be had is seen when
// the events have been applied.
func (t *turn) askQueued(trip *trip) {
	var ids [][]byte
	var counts []int64
	wanted := map[string]int{} // place in the lists
	for i := range t.step.Claims {
		c := &t.step.Claims[i]
		if len(c.CallIDs) == 0 {
			continue
		}
		at, known := wanted[c.BatchID]
		if !known {
			at = len(ids)
			wanted[c.BatchID] = at
			ids, counts = append(ids, raw(c.BatchID)), append(counts, 0)
		}
		counts[at] += int64(len(c.CallIDs))
	}
	if len(ids) == 0 {
		return
	}
	trip.each(func(scan func(...any) error) error {
		var key int32
		var c candidate
		err := scan(&key, &c.idx, &c.attempts)
		t.queues[key] = append(t.queues[key], c)
		return err
	}, selectQueued, t.org.key, ids, counts)
}

// putBack lets the claims of the step find whom one of its events has queued again.
func (t *turn) putBack(r *fate) {
	c := candidate{r.idx, r.attempts}
	queue := t.queues[r.batch]
	at, _ := slices.BinarySearchFunc(queue, c, candidate.before)
	t.queues[r.batch] = slices.Insert(queue, at, c)
}

func (t *turn) serve(claim *store.Claim) {
	b := t.named[claim.BatchID]
	if b == nil || t.step.Replay && t.served(claim) || !b.Claimable(t.step.Now) {
		return
	}
	queue := t.queues[b.key]
	n := min(len(claim.CallIDs), b.Target-b.Counts.InFlight(), t.step.Limit-t.org.inFlight, len(queue))
	for i := range max(n, 0) {
		t.dispatch(b, queue[i], claim.CallIDs[i], claim)
	}
	t.queues[b.key] = queue[max(n, 0):]
}

func (t *turn) dispatch(b *batch, c candidate, id string, claim *store.Claim) {
	r := &fate{place: place{b.key, c.idx}, status: fsm.Dispatched, attempts: c.attempts + 1, call: id}
	t.decide(b, r, fsm.Queued)
	b.fresh = max(b.fresh, int(c.idx)+1)
	if b.AdmittedAt.IsZero() {
		b.AdmittedAt = t.step.Now
	}
	t.answers = append(t.answers, answer{place: r.place, attempt: r.attempts, made: true, Call: store.Call{
		Org: b.Org, ID: id, BatchID: b.ID, Index: int(c.idx), Attempt: int(r.attempts), Status: fsm.Dispatched,
		Owner: t.step.Owner, Carrier: claim.Carrier, From: claim.From, AgentID: b.AgentID, DispatchedAt: t.step.Now,
	}})
}

// answer is a call that the step returns as claimed: one that it makes, or one that an earlier try made.
type answer struct {
	store.Call
	place

	attempt int32
	made    bool
}

// told is what only the recipient's row knows of one who is claimed.
type told struct {
	phone    dialer.Phone
	metadata []byte
}

// answer puts together what the caller is told, in the order of the claims.
func (t *turn) answer(of map[place]told, again map[string]store.Claimed) {
	for _, a := range t.answers {
		if !a.made {
			t.out.Claimed = append(t.out.Claimed, again[a.ID])
			continue
		}
		a.To = of[a.place].phone
		t.out.Claimed = append(t.out.Claimed, store.Claimed{Call: a.Call, Metadata: of[a.place].metadata})
	}
}

const (
	selectExisting = "SELECT c.id, c.owner FROM outdial.calls c WHERE c.org = $1 AND c.id = ANY($2)"
	selectAgain    = selectClaimed + " WHERE c.org = $1 AND c.id = ANY($2)"
)

// askExisting asks which of the claims an earlier try has written.
func (t *turn) askExisting(trip *trip) {
	var ids [][]byte
	for i := range t.step.Claims {
		ids = append(ids, raws(t.step.Claims[i].CallIDs)...)
	}
	if !t.step.Replay || len(ids) == 0 {
		return
	}
	trip.each(func(scan func(...any) error) error {
		var id text
		var owner int32
		err := scan(&id, &owner)
		t.existing[string(id)] = owner
		return err
	}, selectExisting, t.org.key, ids)
}

// served answers a claim that was written by an earlier try, and says whether it was.
func (t *turn) served(claim *store.Claim) (written bool) {
	for _, id := range claim.CallIDs {
		owner, there := t.existing[id]
		written = written || there
		if there && owner == t.owner.key {
			t.answers = append(t.answers, answer{Call: store.Call{ID: id}})
		}
	}
	return written
}

// askAgain asks for the calls of an earlier try as they are now, behind what the step's events did to them.
func (t *turn) askAgain(trip *trip) map[string]store.Claimed {
	var ids [][]byte
	for _, a := range t.answers {
		if !a.made {
			ids = append(ids, raw(a.ID))
		}
	}
	again := map[string]store.Claimed{}
	if len(ids) > 0 {
		trip.each(func(scan func(...any) error) error {
			c, err := scanClaimed(scan)
			again[c.Call.ID] = c
			return err
		}, selectAgain, t.org.key, ids)
	}
	return again
}
