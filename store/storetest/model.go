package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// model is what a store does to one organisation, written down as plainly as can be: rows
// in lists, everything found by looking at all of them, nothing kept that can be counted.
// It has no revisions; it notes which rows an operation changes instead.
type model struct {
	batches []*modelBatch
	calls   []*store.Call
	changed map[string]bool // rows since the caller last emptied it
}

// modelBatch keeps the counts of its batch zero.
type modelBatch struct {
	store.Batch

	recipients []*store.Recipient
}

func newModel() *model { return &model{changed: map[string]bool{}} }

func (b *modelBatch) row(index int) string { return fmt.Sprintf("%s/%d", b.ID, index) }

func (b *modelBatch) counts() (c fsm.Counts) {
	for _, r := range b.recipients {
		c.Add(r.Status, 1)
		if r.Status == fsm.Failed && r.CallID == "" {
			c.Unplaced++
		}
	}
	return c
}

// now is the batch as a store returns it, but for the revision.
func (b *modelBatch) now() store.Batch {
	out := b.Batch
	out.Counts, out.Rev = b.counts(), 0
	return out
}

func (m *model) batch(id string) *modelBatch {
	for _, b := range m.batches {
		if b.ID == id {
			return b
		}
	}
	return nil
}

func (m *model) call(id string) *store.Call {
	for _, c := range m.calls {
		if c.ID == id {
			return c
		}
	}
	return nil
}

func (m *model) inFlight() (n int) {
	for _, c := range m.calls {
		if c.Status.InFlight() {
			n++
		}
	}
	return n
}

func (m *model) touch(b *modelBatch, at time.Time) {
	m.changed[b.ID] = true
	b.UpdatedAt = at
}

func (m *model) touchRecipient(b *modelBatch, r *store.Recipient, at time.Time) {
	m.changed[b.row(r.Index)] = true
	r.UpdatedAt = at
	m.touch(b, at)
}

func (m *model) create(b store.Batch, given []store.NewRecipient) {
	added := &modelBatch{Batch: b}
	for i, g := range given {
		r := &store.Recipient{
			Org: b.Org, BatchID: b.ID, Index: i, To: g.To, Metadata: g.Metadata, CreatedAt: b.CreatedAt,
		}
		added.recipients = append(added.recipients, r)
		m.touchRecipient(added, r, b.UpdatedAt)
	}
	m.batches = append(m.batches, added)
}

func (m *model) change(b *modelBatch, c store.Change) error {
	before := b.Batch
	switch c.Action {
	case store.ActionCancel:
		m.cancel(b, c.At)
	case store.ActionPause:
		if b.CancelledAt.IsZero() && b.PausedAt.IsZero() {
			b.PausedAt = c.At
		}
	case store.ActionResume:
		if b.CancelledAt.IsZero() {
			b.PausedAt = time.Time{}
		}
	case store.ActionRetry:
		return m.retry(b, c)
	case store.ActionSetTarget:
		b.Target = c.Target
	case store.ActionHangUp:
		return m.hangUp(b, c)
	}
	if b.Batch != before {
		m.touch(b, c.At)
	}
	return nil
}

func (m *model) cancel(b *modelBatch, at time.Time) {
	if b.counts().Over() || !b.CancelledAt.IsZero() {
		return
	}
	b.CancelledAt = at
	for _, r := range b.recipients {
		if r.Status == fsm.Queued {
			r.Status = fsm.Cancelled
			m.touchRecipient(b, r, at)
		}
	}
}

func (m *model) retry(b *modelBatch, c store.Change) error {
	if c.Key != "" && c.Key == b.RetryKey {
		return nil
	}
	if b.now().Status() == fsm.BatchCancelled {
		return store.ErrBatchCancelled
	}
	if c.Key != "" {
		b.RetryKey = c.Key
	}
	found := false
	for _, r := range b.recipients {
		if r.Status == fsm.Failed {
			r.Status, r.CallID, r.EndReason, r.Error = fsm.Queued, "", "", ""
			m.touchRecipient(b, r, c.At)
			found = true
		}
	}
	if found {
		b.RetryCount++
		b.CancelledAt = time.Time{}
	}
	return nil
}

func (m *model) hangUp(b *modelBatch, c store.Change) error {
	call := m.call(c.CallID)
	if call == nil || call.BatchID != b.ID {
		return store.ErrNotFound
	}
	if call.Status.InFlight() && call.HangUpAt.IsZero() {
		call.HangUpAt = c.At
		m.touch(b, c.At)
	}
	return nil
}

func (m *model) advance(s store.Step) (out store.Advanced) {
	for _, e := range s.Events {
		if !m.apply(s, e) {
			out.Lost = append(out.Lost, e.CallID)
		}
	}
	for _, c := range s.Claims {
		out.Claimed = append(out.Claimed, m.claim(s, c)...)
	}
	out.InFlight = m.inFlight()
	return out
}

func (m *model) apply(s store.Step, e store.Event) bool {
	b, c := m.batch(e.BatchID), m.call(e.CallID)
	switch {
	case c == nil || c.Owner != s.Owner:
		return false
	case s.Replay && (!c.Status.InFlight() || c.Status == fsm.Started && e.Status == fsm.Dispatched):
		return true // written, and gone past, by the step that this one repeats
	case !modelLegal(c.Status, e.Status):
		return false
	}
	moved := c.Status != e.Status
	writeFields(c, e)
	m.touch(b, s.Now)
	if moved {
		m.end(s, e, b, c)
	}
	return true
}

func modelLegal(from, to fsm.RecipientStatus) bool {
	switch from {
	case fsm.Dispatched:
		return to != fsm.Cancelled
	case fsm.Started:
		return to == fsm.Started || to == fsm.Completed || to == fsm.Failed
	case fsm.Queued, fsm.Completed, fsm.Failed, fsm.Cancelled:
	}
	return false
}

func writeFields(c *store.Call, e store.Event) {
	if e.Carrier != "" {
		c.Carrier, c.Ref, c.RangAt = e.Carrier, "", time.Time{}
	}
	if len(e.Tries) > 0 {
		c.Tries = e.Tries // of a list that nobody writes to again
	}
	if !e.RangAt.IsZero() {
		c.RangAt = e.RangAt
	}
	if e.Ref != "" {
		c.Ref = e.Ref
	}
	if !e.StartedAt.IsZero() {
		c.StartedAt = e.StartedAt
	}
	if !e.EndedAt.IsZero() {
		c.EndedAt = e.EndedAt
	}
	if e.EndReason != "" {
		c.EndReason = e.EndReason
	}
	if e.Error != "" {
		c.Error = e.Error
	}
}

func (m *model) end(s store.Step, e store.Event, b *modelBatch, c *store.Call) {
	r := b.recipients[c.Index]
	if e.Status == fsm.Queued && !c.HangUpAt.IsZero() {
		e.Status, e.Unplaced, e.Error, c.Error = fsm.Failed, true, store.CancelledBefore, store.CancelledBefore
	}
	c.Status, r.Status = e.Status, e.Status
	switch {
	case e.Status == fsm.Queued:
		c.Status, c.Unplaced, r.CallID = fsm.Failed, true, ""
		if !b.CancelledAt.IsZero() {
			r.Status = fsm.Cancelled
		}
	case e.Status == fsm.Failed && e.Unplaced:
		c.Unplaced, r.CallID, r.Error = true, "", e.Error
	case e.Status != fsm.Started:
		r.EndReason = e.EndReason
	}
	m.touchRecipient(b, r, s.Now)
}

func (m *model) claim(s store.Step, c store.Claim) (out []store.Claimed) {
	b := m.batch(c.BatchID)
	if s.Replay && slices.ContainsFunc(c.CallIDs, func(id string) bool { return m.call(id) != nil }) {
		for _, id := range c.CallIDs {
			if call := m.call(id); call != nil && call.Owner == s.Owner {
				out = append(out, store.Claimed{Call: *call, Metadata: b.recipients[call.Index].Metadata})
			}
		}
		return out
	}
	for _, id := range c.CallIDs {
		if now := b.now(); !now.Claimable(s.Now) || now.Counts.InFlight() >= b.Target || m.inFlight() >= s.Limit {
			break
		}
		out = append(out, m.dispatch(s, c, b, b.next(), id))
	}
	return out
}

// next is the first of those who are queued with the fewest attempts.
func (b *modelBatch) next() (next *store.Recipient) {
	for _, r := range b.recipients {
		if r.Status == fsm.Queued && (next == nil || r.Attempts < next.Attempts) {
			next = r
		}
	}
	return next
}

func (m *model) dispatch(s store.Step, c store.Claim, b *modelBatch, r *store.Recipient, id string) store.Claimed {
	r.Status, r.CallID = fsm.Dispatched, id
	r.Attempts++
	if b.AdmittedAt.IsZero() {
		b.AdmittedAt = s.Now
	}
	call := &store.Call{
		Org: b.Org, ID: id, BatchID: b.ID, Index: r.Index, Attempt: r.Attempts, Status: fsm.Dispatched, Owner: s.Owner,
		Carrier: c.Carrier, From: c.From, To: r.To, AgentID: b.AgentID, DispatchedAt: s.Now,
	}
	m.calls = append(m.calls, call)
	m.touchRecipient(b, r, s.Now)
	return store.Claimed{Call: *call, Metadata: r.Metadata}
}

// adopt gives every call in flight of another owner to node: those have left.
func (m *model) adopt(node string) (ids []string) {
	for _, c := range m.calls {
		if c.Status.InFlight() && c.Owner != node {
			c.Owner = node
			ids = append(ids, c.ID)
		}
	}
	return ids
}
