package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func (t *turn) serveClaims(ctx context.Context) error {
	for i := range t.step.Claims {
		if err := t.serve(ctx, &t.step.Claims[i]); err != nil {
			return fmt.Errorf("claim from batch %s: %w", t.step.Claims[i].BatchID, err)
		}
	}
	return nil
}

func (t *turn) serve(ctx context.Context, claim *store.Claim) error {
	b, err := t.batch(ctx, claim.BatchID)
	if err != nil || b == nil {
		return err
	}
	if t.step.Replay {
		if served, err := t.served(ctx, claim); served || err != nil {
			return err
		}
	}
	n := min(len(claim.CallIDs), b.Target-b.Counts.InFlight(), t.step.Limit-t.org.inFlight)
	if n <= 0 || !b.Claimable(t.step.Now) {
		return nil
	}
	found, err := t.queued(ctx, b, n)
	if err != nil {
		return err
	}
	return t.dispatch(ctx, b, claim, found)
}

// queued is a recipient that is to be claimed.
type queued struct {
	id       int64
	phone    string
	attempts int
	metadata json.RawMessage
}

func scanQueued(scan func(...any) error) (q queued, err error) {
	err = scan(&q.id, &q.phone, &q.attempts, (*[]byte)(&q.metadata))
	return q, err
}

const (
	selectQueued = "SELECT r.id, r.phone, r.attempts, m.data FROM recipients r "
	withMetadata = " LEFT JOIN metadata m ON m.id = r.id "

	// SQLite plans for the number that a limit is bound to, and anew for another one: for a sum it does not.
	selectFresh = selectQueued + withMetadata +
		"WHERE r.status = 0 AND r.id >= ? AND r.id < ? ORDER BY r.id LIMIT ? + 0"
	selectAgain = selectQueued + "INDEXED BY recipients_again" + withMetadata +
		"WHERE r.status = 0 AND r.attempts > 0 AND r.id >> 16 = ? ORDER BY r.attempts, r.id LIMIT ? + 0"
)

// queued returns the next n recipients in the order of the batch, those with the fewest attempts first, at a cost
// that does not grow with the batch: all that were never claimed stand behind the others, and an index has
// those of the others that are queued again, in the order of their turns.
func (t *turn) queued(ctx context.Context, b *batch, n int) ([]queued, error) {
	rows, err := t.c.query(ctx, selectFresh, b.recipientID(b.fresh), b.recipientID(1<<indexBits), n)
	found, err := collect(rows, err, scanQueued)
	if err != nil {
		return nil, err
	}
	if len(found) > 0 {
		b.fresh = b.index(found[len(found)-1].id) + 1
	}
	if len(found) == n {
		return found, nil
	}
	rows, err = t.c.query(ctx, selectAgain, b.key, n-len(found))
	again, err := collect(rows, err, scanQueued)
	if err != nil {
		return nil, err
	}
	return append(found, again...), nil
}

// index is the reverse of recipientID.
func (b *batch) index(recipient int64) int { return int(recipient - b.key<<indexBits) }

// dispatch makes the calls in memory, and has them written.
func (t *turn) dispatch(ctx context.Context, b *batch, claim *store.Claim, found []queued) error {
	if len(found) == 0 {
		return nil
	}
	status, err := fsm.Queued.Next(fsm.Dispatch)
	if err != nil {
		return fmt.Errorf("recipients: %w", err)
	}
	for i, q := range found {
		t.out.Claimed = append(t.out.Claimed, store.Claimed{Metadata: q.metadata, Call: store.Call{
			Org: b.Org, ID: claim.CallIDs[i], BatchID: b.ID, Index: b.index(q.id), Attempt: q.attempts + 1, Status: status,
			Owner: t.step.Owner, Carrier: claim.Carrier, From: claim.From, To: dialer.Phone(q.phone), AgentID: b.AgentID,
			DispatchedAt: t.step.Now,
		}})
	}
	for _, c := range t.out.Claimed[len(t.out.Claimed)-len(found):] {
		t.org.keepCall(c.Call.ID, callState{batch: b.key, index: c.Call.Index, owner: t.owner, status: status})
	}
	t.org.move(b, fsm.Queued, status, len(found))
	if b.AdmittedAt.IsZero() {
		b.AdmittedAt = t.step.Now
	}
	b.changed = true
	return t.saveClaimed(ctx, b, t.out.Claimed[len(t.out.Claimed)-len(found):])
}
