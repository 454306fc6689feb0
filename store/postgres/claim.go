package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// candidate is a recipient that is queued.
type candidate struct {
	idx, attempts int32

	told   told
	again  bool // it has a row of its own that says so
	untold bool // what is told is not known: an event has queued it again, or it is long
}

// before is the order in which they are claimed: the fewest attempts first.
func (c candidate) before(d candidate) int {
	return cmp.Or(cmp.Compare(c.attempts, d.attempts), cmp.Compare(c.idx, d.idx))
}

// told is what the claim of a recipient tells its caller besides.
type told struct {
	phone    dialer.Phone
	metadata []byte
}

const (
	metadataOf = " FROM outdial.metadata m WHERE m.org = $1 AND m.batch = q.batch AND m.idx = q.idx)"

	// Whoever is queued may have a megabyte of it, which is not remembered until it is claimed. None is empty.
	shortMetadata = "(SELECT CASE WHEN octet_length(m.data) <= 1024 THEN m.data ELSE '' END" + metadataOf

	// It costs what is claimed, however large the batch is and however many are queued again: those that were never
	// claimed stand behind all others, which have a table in their order.
	selectQueued = "SELECT q.batch, q.idx, q.attempts, q.phone, " + shortMetadata + `
	FROM unnest($2::bytea[], $3::bigint[]) AS v (id, n)
	JOIN outdial.batches b ON b.org = $1 AND b.id = v.id AND b.paused_at IS NULL AND b.cancelled_at IS NULL
	JOIN outdial.tallies t ON t.org = $1 AND t.batch = b.batch
	CROSS JOIN LATERAL (
		(SELECT r.batch, r.idx, 0 AS attempts, r.phone FROM outdial.recipients r
			WHERE r.org = $1 AND r.batch = t.batch AND r.idx >= t.fresh AND r.rest = 0
			ORDER BY r.idx LIMIT v.n)
		UNION ALL
		(SELECT r.batch, r.idx, a.attempts, r.phone FROM
			(SELECT a.idx, a.attempts FROM outdial.again a
				WHERE a.org = $1 AND a.batch = t.batch ORDER BY a.attempts, a.idx LIMIT v.n) a
			JOIN outdial.recipients r ON r.org = $1 AND r.batch = t.batch AND r.idx = a.idx)
		ORDER BY attempts, idx LIMIT v.n) q
	WHERE $4::bigint IS NULL OR (SELECT o.rev FROM outdial.organisations o WHERE o.org = $1) <> $4
		OR pg_postmaster_start_time() <> $5`

	selectUntold = "SELECT q.batch, q.idx, q.phone, (SELECT m.data" + metadataOf + ` FROM unnest($2::integer[],
		$3::integer[]) AS v (batch, idx)
	JOIN outdial.recipients q ON q.org = $1 AND q.batch = v.batch AND q.idx = v.idx`
)

// checkNew keeps the id of a call that the step's events are about from naming another one: it may be over by now.
func (t *turn) checkNew() error {
	if t.step.Replay {
		return nil
	}
	for i := range t.step.Claims {
		for _, id := range t.step.Claims[i].CallIDs {
			if t.calls[id] != nil {
				return fmt.Errorf("claim %s: %w", id, errCallExists)
			}
		}
	}
	return nil
}

func (t *turn) serve(claim *store.Claim) {
	b := t.named[claim.BatchID]
	if b == nil || len(claim.CallIDs) == 0 || t.step.Replay && t.served(claim) || !b.Claimable(t.step.Now) {
		return
	}
	q := t.queues[b.key]
	n := max(0, min(len(claim.CallIDs), b.Target-b.Counts.InFlight(), t.step.Limit-t.org.inFlight, len(q.list)))
	t.answers = slices.Grow(t.answers, n)
	for i := range n {
		t.dispatch(b, q.list[i], claim.CallIDs[i], claim)
	}
	q.claim(n)
}

func (t *turn) dispatch(b *batch, c candidate, id string, claim *store.Claim) {
	r := &fate{place: place{b.key, c.idx}, status: fsm.Dispatched, attempts: c.attempts + 1, call: id}
	t.decide(b, r, fsm.Queued)
	b.fresh = max(b.fresh, int(c.idx)+1)
	if b.AdmittedAt.IsZero() {
		b.AdmittedAt = t.step.Now
	}
	if c.again {
		t.taken = append(t.taken, waiting{r.place, c.attempts})
	}
	t.answers = append(t.answers, answer{fate: r, candidate: c, Call: store.Call{
		Org: b.Org, ID: id, BatchID: b.ID, Index: int(c.idx), Attempt: int(r.attempts), Status: fsm.Dispatched,
		Owner: t.step.Owner, Carrier: claim.Carrier, From: claim.From, AgentID: b.AgentID, DispatchedAt: t.step.Now,
	}})
}

// answer is a call that the step returns as claimed: one that it makes, or one that an earlier try made.
type answer struct {
	store.Call
	candidate

	fate *fate // nil for that of an earlier try
}

// askUntold asks for what is to be told of those that are claimed and of whom it is not known.
func (t *turn) askUntold(trip *trip) map[place]told {
	var list []place
	for _, a := range t.answers {
		if a.untold {
			list = append(list, a.fate.place)
		}
	}
	out := map[place]told{}
	if len(list) > 0 {
		trip.each(func(scan func(...any) error) error {
			var at place
			var what told
			err := scan(&at.batch, &at.idx, (*text)(&what.phone), &what.metadata)
			out[at] = what
			return err
		}, selectUntold, t.org.key, column(list, func(p place) int32 { return p.batch }),
			column(list, func(p place) int32 { return p.idx }))
	}
	return out
}

// answer puts together what the caller is told, in the order of the claims.
func (t *turn) answer(untold map[place]told, again map[string]store.Claimed) {
	t.out.Claimed = slices.Grow(t.out.Claimed, len(t.answers))
	for i := range t.answers {
		a := &t.answers[i]
		if a.fate == nil {
			t.out.Claimed = append(t.out.Claimed, again[a.ID])
			continue
		}
		if a.untold {
			a.told = untold[a.fate.place]
		}
		a.To = a.told.phone
		t.out.Claimed = append(t.out.Claimed, store.Claimed{Call: a.Call, Metadata: a.told.metadata})
	}
}

var errCallExists = errors.New("the call exists already, and the step is no replay")

const (
	// Those in flight need no looking: an index keeps a second one from being written. Each is looked for as the first
	// from that id on, as batchAt does: otherwise a plan takes the index of a batch's calls, which has the ids as well.
	// Hardly any has to be looked for: ids ascend with time, so those of a step are above all that are over, unless clocks
	// disagree.
	selectUsed = `SELECT c.id FROM (SELECT unnest($2::bytea[]) AS id) v CROSS JOIN LATERAL
	(SELECT c.id FROM outdial.calls c WHERE c.org = $1 AND c.id >= v.id ORDER BY c.id LIMIT 1) c WHERE c.id = v.id
		AND v.id <= (SELECT c.id FROM outdial.calls c WHERE c.org = $1 ORDER BY c.id DESC LIMIT 1)`

	// Calls by their ids $2. Those that are over are looked for as in selectUsed, and for the same reason; one that is
	// asked for twice comes twice. Of those in flight a plan reads all of the organisation's at worst, and once.
	callsFlying = "outdial.flights c WHERE c.org = $1 AND c.id = ANY($2)"
	callsOver   = "(SELECT unnest($2::bytea[]) AS id) v CROSS JOIN LATERAL (SELECT " + callOver + ` FROM outdial.calls c
		WHERE c.org = $1 AND c.id >= v.id ORDER BY c.id LIMIT 1) c WHERE c.id = v.id`

	selectExisting = "SELECT c.id, c.owner FROM " + callsFlying + " UNION ALL SELECT c.id, c.owner FROM " + callsOver

	selectAgain = "SELECT " + callColumns + claimedColumns + " FROM (SELECT " + callOwn + " FROM " + callsFlying +
		" UNION ALL SELECT " + callOver + " FROM " + callsOver + ") c" + callParents + claimedParents
)

// askExisting asks which of the claims an earlier try has written. Where there was none, no id may be that of a call
// that is over: the new one could never end.
func (t *turn) askExisting(trip *trip) {
	var ids [][]byte
	for i := range t.step.Claims {
		ids = append(ids, raws(t.step.Claims[i].CallIDs)...)
	}
	if len(ids) == 0 {
		return
	}
	if !t.step.Replay {
		trip.each(func(scan func(...any) error) error {
			var id text
			if err := scan(&id); err != nil {
				return err
			}
			return fmt.Errorf("claim %s: %w", id, errCallExists)
		}, selectUsed, t.org.key, ids)
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
		if a.fate == nil {
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
