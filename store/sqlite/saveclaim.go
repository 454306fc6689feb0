package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/callids"
)

// saveClaimed writes the calls that were made of recipients of one batch.
func (t *turn) saveClaimed(ctx context.Context, b *batch, claimed []store.Claimed) error {
	for rest := claimed; len(rest) > 0; {
		size := run(rest)
		if err := t.saveRun(ctx, b, rest[:size]); err != nil {
			return fmt.Errorf("call %s, or one after it: %w", rest[0].Call.ID, err)
		}
		rest = rest[size:]
	}
	return t.markStrays(ctx, claimed)
}

// markStrays is apart from the insertion, since package batch makes none.
func (t *turn) markStrays(ctx context.Context, claimed []store.Claimed) error {
	var strays callids.Strays
	for i := range claimed {
		id := claimed[i].Call.ID
		if !strays.Has(id, t.step.Now) {
			continue
		}
		if _, err := t.c.exec(ctx, "UPDATE calls SET stray = 1 WHERE org = ? AND id = ?", t.org.key, id); err != nil {
			return fmt.Errorf("call %s: %w", id, err)
		}
	}
	return nil
}

// run is how many calls, from the first on, have recipients that follow each other and ids of one length. Those of
// recipients that were never claimed before all do, but for callers with ids of their own.
func run(claimed []store.Claimed) int {
	first := &claimed[0].Call
	for i := range claimed {
		if c := &claimed[i].Call; c.Index != first.Index+i || len(c.ID) != len(first.ID) {
			return i
		}
	}
	return len(claimed)
}

// Two statements write a run of any length, which costs two thirds of what statements with all values of its rows do.
// They walk the recipients themselves: what differs from row to row follows from the place in the run, the id of a call
// being a part of all ids in one.
const (
	claimRecipients = `UPDATE recipients SET status = ?1, attempts = attempts + 1, updated_at = ?2,
		call = CAST(substr(?3, 1 + ?4 * (id - ?5), ?4) AS TEXT), rev = ?7 + id - ?5 WHERE id >= ?5 AND id < ?6`

	// After claimRecipients, which has counted the attempt.
	insertCalls = `INSERT INTO calls (org, batch, status, owner, carrier, caller, dispatched_at, id, idx, attempt,
			ref, end_reason, unplaced, error)
		SELECT ?6, ?7, ?8, ?9, ?10, ?11, ?12, CAST(substr(?1, 1 + ?2 * (id - ?3), ?2) AS TEXT), ?5 + id - ?3, attempts,
			'', 0, 0, ''
		FROM recipients WHERE id >= ?3 AND id < ?4`
)

func (t *turn) saveRun(ctx context.Context, b *batch, claimed []store.Claimed) error {
	call := &claimed[0].Call
	ids, length := joinIDs(claimed), len(call.ID)
	first, now := b.recipientID(call.Index), micros(t.step.Now)
	end, rev := first+int64(len(claimed)), t.org.take(len(claimed))
	if _, err := t.c.exec(ctx, claimRecipients, int(call.Status), now, ids, length, first, end, rev); err != nil {
		return fmt.Errorf("recipients: %w", err)
	}
	_, err := t.c.exec(ctx, insertCalls, ids, length, first, end, call.Index,
		t.org.key, b.key, int(call.Status), t.owner, call.Carrier, string(call.From), now)
	return err
}

// joinIDs returns the ids of calls one after the other. As bytes, since SQLite would count the characters of a text.
func joinIDs(claimed []store.Claimed) []byte {
	ids := make([]byte, 0, len(claimed)*len(claimed[0].Call.ID))
	for i := range claimed {
		ids = append(ids, claimed[i].Call.ID...)
	}
	return ids
}

// rowsOf are parameters for rows of VALUES.
func rowsOf(rows, columns int) string {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	return row + strings.Repeat(", "+row, rows-1)
}
