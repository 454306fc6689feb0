package memory

import (
	"errors"
	"fmt"
	"slices"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

var errCallExists = errors.New("the call exists already, and the step is no replay")

// checkNew keeps a call id from naming two attempts.
func (t *turn) checkNew() error {
	for _, c := range t.step.Claims {
		for _, id := range c.CallIDs {
			if !t.step.Replay && t.callByID[id] != nil {
				return fmt.Errorf("memory: claim %s: %w", id, errCallExists)
			}
		}
	}
	return nil
}

func (t *turn) claim(c *store.Claim) {
	b := t.batch(c.BatchID)
	if b == nil || t.step.Replay && t.claimedBefore(c) || !b.Claimable(t.step.Now) {
		return
	}
	n := min(len(c.CallIDs), b.Target-b.Counts.InFlight(), t.step.Limit-len(t.inFlight))
	n = min(max(n, 0), b.queue.len())
	t.out.Claimed = slices.Grow(t.out.Claimed, n)
	for _, id := range c.CallIDs[:n] {
		index, ok := b.queue.pop()
		if !ok {
			return
		}
		t.dispatch(b, index, id, c)
	}
}

// claimedBefore answers a claim that was written by an earlier try, and says whether it was.
func (t *turn) claimedBefore(c *store.Claim) (written bool) {
	for _, id := range c.CallIDs {
		call := t.callByID[id]
		written = written || call != nil
		if call != nil && call.Owner == t.step.Owner {
			t.out.Claimed = append(t.out.Claimed, t.claimed(call))
		}
	}
	return written
}

func (t *turn) dispatch(b *batch, index int, id string, c *store.Claim) {
	r := b.recipients[index]
	r.Status, r.CallID = fsm.Dispatched, id
	r.Attempts++
	call := &store.Call{
		Org: b.Org, ID: id, BatchID: b.ID, Index: index, Attempt: r.Attempts, Status: fsm.Dispatched,
		Owner: t.step.Owner, Carrier: c.Carrier, From: c.From, To: r.To, AgentID: b.AgentID, DispatchedAt: t.step.Now,
	}
	t.addCall(b, call)
	b.Counts.Move(fsm.Queued, fsm.Dispatched)
	if b.AdmittedAt.IsZero() {
		b.AdmittedAt = t.step.Now
	}
	t.changed(b, r, t.step.Now)
	t.out.Claimed = append(t.out.Claimed, t.claimed(call))
}
