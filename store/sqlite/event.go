package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/reasons"
)

// callState is what the row of a call says that events are checked against.
type callState struct {
	batch    int64
	index    int
	owner    int64
	status   fsm.RecipientStatus
	unwanted bool // somebody asked for its end
}

// call is a call inside a write: what its row says, and what events add to it.
type call struct {
	callState

	id      string
	b       *batch
	touched bool // by an event
	changed bool // its status, and with it the recipient's row

	fields    store.Event // what the events write, merged
	packed    pack
	unplaced  bool
	recipient recipientRow
}

// recipientRow is what becomes of the recipient of a call.
type recipientRow struct {
	status   fsm.RecipientStatus
	leave    bool // it has no call any more
	reason   int16
	complain string // why no call could be placed
}

func (t *turn) applyEvents(ctx context.Context) error {
	if err := t.loadCalls(ctx); err != nil {
		return err
	}
	for i := range t.step.Events {
		e := &t.step.Events[i]
		b, err := t.batch(ctx, e.BatchID)
		if err != nil {
			return err
		}
		applied, err := t.apply(b, t.calls[e.CallID], e, t.packs[i])
		if err != nil {
			return fmt.Errorf("call %s: %w", e.CallID, err)
		}
		if !applied {
			t.out.Lost = append(t.out.Lost, e.CallID)
		}
	}
	return nil
}

// callChunk is how many calls are looked up by one statement, fewCalls how many where there are few.
const (
	callChunk = 50
	fewCalls  = 10
)

const selectCalls = "SELECT id, batch, idx, owner, status, hang_up_at IS NOT NULL FROM calls WHERE org = ? AND id IN "

func (t *turn) loadCalls(ctx context.Context) error {
	var ids []string // of calls that are not known
	for i := range t.step.Events {
		id := t.step.Events[i].CallID
		state, known := t.org.calls[id]
		if known && state.owner == t.owner {
			t.calls[id] = &call{id: id, callState: state}
		} else {
			ids = append(ids, id)
		}
	}
	for chunk := range slices.Chunk(ids, callChunk) {
		list, args := idList(t.org.key, chunk)
		rows, err := t.c.query(ctx, selectCalls+list, args...)
		calls, err := collect(rows, err, scanCall)
		if err != nil {
			return fmt.Errorf("look up calls: %w", err)
		}
		for _, c := range calls {
			t.calls[c.id] = c
		}
	}
	return nil
}

// idList returns parameters for at most callChunk ids behind an organisation's key. There
// are one, fewCalls or callChunk of them, so that three statements serve for every number: those
// that are left over are NULL, which equals nothing.
func idList(org int64, ids []string) (text string, args []any) {
	size := callChunk
	switch {
	case len(ids) == 1:
		size = 1
	case len(ids) <= fewCalls:
		size = fewCalls
	}
	args = make([]any, size+1)
	args[0] = org
	for i, id := range ids {
		args[i+1] = id
	}
	return "(?" + strings.Repeat(", ?", size-1) + ")", args
}

func scanCall(scan func(...any) error) (*call, error) {
	c := &call{}
	var status int64
	err := scan(&c.id, &c.batch, &c.index, &c.owner, &status, &c.unwanted)
	c.status = fsm.RecipientStatus(status) //nolint:gosec // a status, below 6
	return c, err
}

// apply adds an event to its call in memory and says whether it could.
func (t *turn) apply(b *batch, c *call, e *store.Event, p pack) (bool, error) {
	if b == nil || c == nil || c.batch != b.key || c.index != e.Index || c.owner != t.owner {
		return false, nil
	}
	if t.step.Replay && passed(c.status, e.Status) {
		return true, nil
	}
	if !legal(c.status, e.Status) {
		return false, nil
	}
	if !c.touched {
		c.b, c.touched = b, true
		t.moved = append(t.moved, c)
	}
	c.merge(e, p)
	if c.status == e.Status {
		return true, nil
	}
	return true, t.move(c, e)
}

// passed says whether a call in a status may have got there by an event to another. Only
// its owner ends a call, so what is over was ended by the step that is being replayed.
func passed(status, event fsm.RecipientStatus) bool {
	return !status.InFlight() || (status == fsm.Started && event == fsm.Dispatched)
}

// legal says whether the lifecycle lets a call in flight become what an event says.
func legal(from, to fsm.RecipientStatus) bool {
	return from.InFlight() && (from == to || from.Reaches(to))
}

// merge keeps what the event says, over what earlier events of the step said.
func (c *call) merge(e *store.Event, p pack) {
	if e.Carrier != "" { // what earlier events said of the call was another carrier's
		c.fields.Carrier, c.fields.Ref, c.fields.RangAt = e.Carrier, "", time.Time{}
	}
	set(&c.fields.Ref, e.Ref)
	set(&c.fields.RangAt, e.RangAt)
	set(&c.fields.StartedAt, e.StartedAt)
	set(&c.fields.EndedAt, e.EndedAt)
	set(&c.fields.EndReason, e.EndReason)
	set(&c.fields.Error, e.Error)
	if p.details != nil {
		c.packed.details = p.details
	}
	if p.tries != nil {
		c.packed.tries = p.tries
	}
}

func set[T comparable](field *T, value T) {
	var zero T
	if value != zero {
		*field = value
	}
}

// move takes a call and its recipient to another status.
func (t *turn) move(c *call, e *store.Event) error {
	if e.Status == fsm.Queued && c.unwanted {
		failed := *e
		failed.Status, failed.Unplaced, failed.Error = fsm.Failed, true, store.CancelledBefore
		c.fields.Error = store.CancelledBefore
		e = &failed
	}
	from := c.status
	c.changed, c.status, c.recipient.status = true, e.Status, e.Status
	switch {
	case e.Status == fsm.Queued:
		c.status, c.unplaced, c.recipient.leave = fsm.Failed, true, true
		if !c.b.CancelledAt.IsZero() {
			next, err := e.Status.Next(fsm.Cancel)
			if err != nil {
				return fmt.Errorf("recipient: %w", err)
			}
			c.recipient.status = next
		}
	case e.Status == fsm.Failed && e.Unplaced:
		c.unplaced, c.recipient.leave, c.recipient.complain = true, true, e.Error
		c.b.Counts.Unplaced++
	case e.Status.Terminal():
		reason, err := reasons.Number(e.EndReason)
		if err != nil {
			return err
		}
		c.recipient.reason = reason
	}
	t.org.move(c.b, from, c.recipient.status, 1)
	return nil
}
