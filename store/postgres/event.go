package postgres

import (
	"cmp"
	"fmt"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/reasons"
)

// call is a call inside a write: what its row says, and what events make of it.
type call struct {
	id         string
	batch, idx int32
	attempt    int32
	owner      int32
	dispatched time.Time
	unwanted   bool // somebody asked for its end
	over       bool // before the step, which must be a replay to ask for it

	now, was fields
	rev      int64 // of the recipient, where it got a new one
}

// fields are what events write to a call's row.
type fields struct {
	status               fsm.RecipientStatus
	unplaced             bool
	reason               int16
	rang, started, ended time.Time
	carrier, ref, error  string
	tries, details       string // packed
}

// The columns of fields.
const (
	callFields = "c.status, c.unplaced, " + callTexts
	callTexts  = "c.end_reason, c.rang_at, c.started_at, c.ended_at, c.carrier, c.ref, c.error, c.tries, c.details"
)

func (f *fields) columns() []any {
	return []any{
		(*uint8)(&f.status), &f.unplaced, &f.reason, (*instant)(&f.rang), (*instant)(&f.started), (*instant)(&f.ended),
		(*text)(&f.carrier), (*text)(&f.ref), (*text)(&f.error), (*text)(&f.tries), (*text)(&f.details),
	}
}

const (
	eventColumns = "c.id, c.batch, c.idx, c.attempt, c.owner, c.dispatched_at, " +
		"c.hang_up_at IS NOT NULL, c.status, false, " + callTexts

	selectEventCalls = "SELECT " + eventColumns + " FROM " + callsFlying

	// Those that are known are read again where the organisation is not at the revision of which that is true. They are
	// looked up as in flightAt.
	selectKnownCalls = "SELECT " + eventColumns + `
	FROM (SELECT unnest($2::integer[]) AS batch, unnest($3::integer[]) AS idx) v
	CROSS JOIN LATERAL (SELECT ` + callOwn + ` FROM outdial.flights c
		WHERE c.org = $1 AND c.batch = v.batch AND c.idx = v.idx OFFSET 0) c
	WHERE (SELECT o.rev FROM outdial.organisations o WHERE o.org = $1) <> $4 OR pg_postmaster_start_time() <> $5`

	selectEndedCalls = "SELECT c.id, c.batch, c.idx, c.attempt, c.owner, c.dispatched_at, " +
		"c.hang_up_at IS NOT NULL, " + callFields + " FROM " + callsOver
)

// askCalls asks for the calls that the events are about. One that is over takes no event, but a replay must know it: it
// relies on nothing that was known before.
func (t *turn) askCalls(trip *trip) {
	var ids [][]byte
	var batches, indexes []int32
	for i := range t.step.Events {
		id := t.step.Events[i].CallID
		if c := t.known.calls[id]; c != nil && !t.step.Replay {
			batches, indexes = append(batches, c.batch), append(indexes, c.idx)
		} else {
			ids = append(ids, raw(id))
		}
	}
	if len(indexes) > 0 {
		trip.each(keepCall(t.calls), selectKnownCalls, t.org.key, batches, indexes, t.known.org.rev,
			moment(t.known.org.server))
	}
	if len(ids) == 0 {
		return
	}
	trip.each(keepCall(t.calls), selectEventCalls, t.org.key, ids)
	if t.step.Replay {
		trip.each(keepCall(t.calls), selectEndedCalls, t.org.key, ids)
	}
}

// keepCall reads rows of eventColumns.
func keepCall(in map[string]*call) func(scan func(...any) error) error {
	return func(scan func(...any) error) error {
		c := &call{}
		err := scan(append([]any{(*text)(&c.id), &c.batch, &c.idx, &c.attempt, &c.owner, (*instant)(&c.dispatched),
			&c.unwanted}, c.now.columns()...)...)
		c.was, c.over = c.now, !c.now.status.InFlight()
		in[c.id] = c
		return err
	}
}

// apply adds an event to its call in memory and says whether it could.
func (t *turn) apply(e *store.Event) (bool, error) {
	b, c := t.named[e.BatchID], t.calls[e.CallID]
	if b == nil || c == nil || c.batch != b.key || int(c.idx) != e.Index || c.owner != t.owner.key {
		return false, nil
	}
	if t.step.Replay && passed(c.now.status, e.Status) {
		return true, nil
	}
	if !legal(c.now.status, e.Status) {
		return false, nil
	}
	before := c.now
	if err := c.now.merge(e); err != nil {
		return false, err
	}
	// Writing what is there already is no change, which the batch's revision must not tell.
	b.changed = b.changed || c.now != before
	if c.now.status == e.Status {
		return true, nil
	}
	b.changed = true
	return true, t.move(b, c, e)
}

// passed says whether a call in a status may have got there by an event to another. Only its
// owner ends a call, so what is over was ended by the step that is being replayed.
func passed(status, event fsm.RecipientStatus) bool {
	return !status.InFlight() || (status == fsm.Started && event == fsm.Dispatched)
}

// legal says whether the lifecycle lets a call in flight become what an event says.
func legal(from, to fsm.RecipientStatus) bool {
	return from.InFlight() && (from == to || from.Reaches(to))
}

// merge writes the fields of an event that are not zero.
func (f *fields) merge(e *store.Event) error {
	reason, err := reasons.Number(e.EndReason)
	if err != nil {
		return err
	}
	if e.Carrier != "" { // what was known of the call at the one before
		f.carrier, f.ref, f.rang = e.Carrier, "", time.Time{}
	}
	set(&f.tries, packTries(e.Tries))
	set(&f.ref, e.Ref)
	set(&f.rang, whole(e.RangAt))
	set(&f.started, whole(e.StartedAt))
	set(&f.ended, whole(e.EndedAt))
	set(&f.reason, reason)
	set(&f.error, e.Error)
	set(&f.details, packDetails(e.Details))
	return nil
}

func set[T comparable](field *T, value T) {
	var zero T
	if value != zero {
		*field = value
	}
}

// move takes a call and its recipient to another status.
func (t *turn) move(b *batch, c *call, e *store.Event) error {
	status, unplaced, complaint := e.Status, e.Unplaced, e.Error
	if status == fsm.Queued && c.unwanted { // who cancels a call does not want another one
		status, unplaced, complaint = fsm.Failed, true, store.CancelledBefore
		c.now.error = complaint
	}
	from := c.now.status
	r := &fate{place: place{c.batch, c.idx}, status: status, attempts: c.attempt, call: c.id}
	c.now.status = status
	switch {
	case status == fsm.Queued:
		c.now.status, c.now.unplaced, r.call = fsm.Failed, true, ""
		if !b.CancelledAt.IsZero() {
			next, err := status.Next(fsm.Cancel)
			if err != nil {
				return fmt.Errorf("recipient: %w", err)
			}
			r.status = next
		}
	case status == fsm.Failed && unplaced:
		c.now.unplaced, r.call, r.error = true, "", complaint
		b.Counts.Unplaced++
	case status.Terminal():
		r.reason, _ = reasons.Number(e.EndReason) // merge knew it
	}
	t.decide(b, r, from)
	c.rev = r.rev
	return nil
}

// place is where a recipient's row lies in its organisation.
type place struct{ batch, idx int32 }

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.batch, o.batch), cmp.Compare(p.idx, o.idx))
}

// fate is what becomes of a recipient.
type fate struct {
	place

	status   fsm.RecipientStatus
	attempts int32
	call     string // empty: none any more
	reason   int16
	error    string // why no call could be placed
	rev      int64
}

// decide notes what becomes of a recipient that had a status. The last of several decisions of a
// step is written.
func (t *turn) decide(b *batch, r *fate, from fsm.RecipientStatus) {
	r.rev = t.org.next()
	t.fates[r.place] = r
	t.org.move(b, from, r.status, 1)
	b.changed = true
	if r.status == fsm.Queued {
		t.requeued(r)
	}
}
