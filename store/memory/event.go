package memory

import (
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// apply writes an event and says whether it could.
func (t *turn) apply(e *store.Event) bool {
	b, c := t.batch(e.BatchID), t.callByID[e.CallID]
	if b == nil || c == nil || c.BatchID != e.BatchID || c.Index != e.Index || c.Owner != t.step.Owner {
		return false
	}
	if t.step.Replay && passed(c.Status, e.Status) {
		return true
	}
	if !legal(c.Status, e.Status) {
		return false
	}
	write(c, e)
	b.changed = true
	if c.Status != e.Status {
		t.move(b, c, e)
	}
	return true
}

// passed says whether a call in a status may have got there by an event to another. Only
// its owner ends a call, so what is over was ended by the step that is being replayed.
func passed(status, event fsm.RecipientStatus) bool {
	return !status.InFlight() || status == fsm.Started && event == fsm.Dispatched
}

func legal(from, to fsm.RecipientStatus) bool {
	return from.InFlight() && (from == to || from.Reaches(to))
}

// move takes a call and its recipient to another status.
func (t *turn) move(b *batch, c *store.Call, e *store.Event) {
	r := b.recipients[c.Index]
	if e.Status == fsm.Queued && !c.HangUpAt.IsZero() { // somebody asked for its end
		failed := *e
		failed.Status, failed.Unplaced, failed.Error = fsm.Failed, true, store.CancelledBefore
		c.Error = store.CancelledBefore
		e = &failed
	}
	from := r.Status
	r.Status, c.Status = e.Status, e.Status
	switch {
	case e.Status == fsm.Queued:
		c.Status, c.Unplaced, r.CallID = fsm.Failed, true, ""
		if b.CancelledAt.IsZero() {
			b.queue.put(r.Attempts, r.Index)
		} else {
			r.Status = fsm.Cancelled
		}
	case e.Status == fsm.Failed && e.Unplaced:
		c.Unplaced, r.CallID, r.Error = true, "", e.Error
		b.Counts.Unplaced++
	case e.Status.Terminal():
		r.EndReason = e.EndReason
	}
	if !c.Status.InFlight() {
		delete(t.inFlight, c)
	}
	b.Counts.Move(from, r.Status)
	t.changed(b, r, t.step.Now)
}

func write(c *store.Call, e *store.Event) {
	if e.Carrier != "" { // what another carrier said of the call is no longer true
		c.Carrier, c.Ref, c.RangAt = e.Carrier, "", time.Time{}
	}
	if len(e.Tries) > 0 {
		c.Tries = slices.Clone(e.Tries)
	}
	set(&c.Ref, e.Ref)
	set(&c.RangAt, e.RangAt)
	set(&c.StartedAt, e.StartedAt)
	set(&c.EndedAt, e.EndedAt)
	set(&c.EndReason, e.EndReason)
	set(&c.Error, e.Error)
	if len(e.Details) > 0 {
		c.Details = maps.Clone(e.Details)
	}
}

func set[T comparable](field *T, value T) {
	var zero T
	if value != zero {
		*field = value
	}
}

// clone copies a call for a caller, who may write to what it gets.
func clone(c *store.Call) store.Call {
	out := *c
	out.Tries = slices.Clone(c.Tries)
	out.Details = maps.Clone(c.Details)
	return out
}
