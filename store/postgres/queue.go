package postgres

import (
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"
)

// queue is the first of those who are queued in a batch, in the order in which they are claimed.
type queue struct {
	list []candidate
	more bool // there may be others behind them
}

// reading is who was asked for on the way to queues.
type reading struct {
	counts map[string]int // by id of the batch
	found  map[int32][]candidate
}

// How many are read of a batch at once, and how many must be left beyond what a step wanted, or the next are read. So a
// small step asks once in a while, and a large one for as many as a few of the next will want.
const (
	leastAhead = 64
	mostAhead  = 2048
	stepsAhead = 4
	spareAhead = 8
)

func ahead(wanted int) int { return max(leastAhead, min(stepsAhead*wanted, mostAhead), wanted) }

// askQueued asks for as many of each batch as the claims want. Whether they may be had is seen when the events have
// been applied. Who is known already is read again only where the organisation is not at the revision of which that is
// true.
func (t *turn) askQueued(trip *trip) (unknown, again *reading) {
	unknown, again = newReading(), newReading()
	for id, n := range t.wanted {
		if !t.step.Replay && t.known.serves(id, n) {
			again.counts[id] = n
		} else {
			unknown.counts[id] = n
		}
	}
	t.askReading(trip, unknown, pgtype.Int8{})
	t.askReading(trip, again, pgtype.Int8{Int64: t.known.org.rev, Valid: true})
	return unknown, again
}

// readAhead asks for those who are next behind what the step has written, where too few of them are known and it may
// well save the next step a trip.
func (t *turn) readAhead(trip *trip) *reading {
	r, k := newReading(), t.known
	if k.room && k.trust.wait == 0 && (k.complete || t.flying != nil) {
		for id, n := range t.wanted {
			b := t.named[id]
			if b == nil {
				continue
			}
			if q := t.queues[b.key]; q.more && len(q.list) < n+spareAhead {
				r.counts[id] = ahead(n)
			}
		}
	}
	t.askReading(trip, r, pgtype.Int8{})
	return r
}

func newReading() *reading { return &reading{map[string]int{}, map[int32][]candidate{}} }

// askReading sends it, where the organisation is not at the revision unless.
func (t *turn) askReading(trip *trip, r *reading, unless pgtype.Int8) {
	if len(r.counts) == 0 {
		return
	}
	ids := slices.Sorted(maps.Keys(r.counts))
	trip.each(func(scan func(...any) error) error {
		var key int32
		var c candidate
		err := scan(&key, &c.idx, &c.attempts, (*text)(&c.told.phone), &c.told.metadata)
		c.again = c.attempts > 0
		c.untold = c.told.metadata != nil && len(c.told.metadata) == 0
		r.found[key] = append(r.found[key], c)
		return err
	}, selectQueued, t.org.key, raws(ids), column(ids, func(id string) int64 { return int64(r.counts[id]) }),
		unless, moment(t.known.org.server))
}

// queue makes queues of those who were asked for.
func (t *turn) queue(r *reading) {
	for id, n := range r.counts {
		if b := t.named[id]; b != nil {
			list := r.found[b.key]
			t.queues[b.key] = &queue{list: list, more: len(list) == n}
		}
	}
}

// requeued lets claims find whom an event has queued again, those of this step and of the ones after it.
func (t *turn) requeued(r *fate) {
	q := t.queues[r.batch]
	if q == nil {
		return
	}
	c := candidate{idx: r.idx, attempts: r.attempts, untold: true}
	at, _ := slices.BinarySearchFunc(q.list, c, candidate.before)
	if at == len(q.list) && q.more {
		return // who goes before is not known
	}
	q.list = slices.Insert(q.list, at, c)
}

// claim takes the first n of those who are queued away.
func (q *queue) claim(n int) { q.list = slices.Delete(q.list, 0, n) }

// remembered is what is known of a queue once the step is written: whom it has queued again has a row that says so.
// What was claimed takes up no more than half of the memory.
func (q *queue) remembered() *queue {
	for i := range q.list {
		q.list[i].again = q.list[i].attempts > 0
	}
	if cap(q.list) > 2*len(q.list)+leastAhead { //nolint:mnd // a half
		q.list = slices.Clone(q.list)
	}
	return q
}
