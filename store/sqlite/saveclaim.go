package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/internal/callids"
)

// claimChunk is how many claims one statement writes; the rest is written one by one.
const claimChunk = 50

// saveClaimed writes the calls that were made of recipients of one batch.
func (t *turn) saveClaimed(ctx context.Context, b *batch, claimed []store.Claimed) error {
	rest := claimed
	for len(rest) > 0 {
		size := 1
		if len(rest) >= claimChunk {
			size = claimChunk
		}
		if err := t.saveChunk(ctx, b, rest[:size]); err != nil {
			return fmt.Errorf("call %s: %w", rest[0].Call.ID, err)
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

func (t *turn) saveChunk(ctx context.Context, b *batch, claimed []store.Claimed) error {
	first := &claimed[0].Call
	now := micros(t.step.Now)
	calls := []any{t.org.key, b.key, int(first.Status), t.owner, first.Carrier, string(first.From), now}
	recipients := []any{int(first.Status), now}
	for i := range claimed {
		c := &claimed[i].Call
		calls = append(calls, c.ID, c.Index, c.Attempt)
		recipients = append(recipients, c.ID, t.org.next(), b.recipientID(c.Index))
	}
	insert, update := insertOneCall, claimOneRecipient
	if len(claimed) == claimChunk {
		insert, update = insertManyCalls, claimManyRecipients
	}
	if _, err := t.c.exec(ctx, insert, calls...); err != nil {
		return err
	}
	_, err := t.c.exec(ctx, update, recipients...)
	return err
}

// Their parameters have no numbers: the driver asks SQLite for the name of each, and a number is one, for which it
// looks at the others.
//
//nolint:gochecknoglobals // texts of statements, too long to make for each step; never written to
var (
	insertManyCalls     = insertCallsText(claimChunk)
	claimManyRecipients = claimRecipientsText(claimChunk)
)

const (
	insertCall = "INSERT INTO calls (org, batch, status, owner, carrier, caller, dispatched_at, id, idx, attempt," +
		" ref, end_reason, unplaced, error)"
	insertOneCall = insertCall + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0, 0, '')"

	claimOneRecipient = "UPDATE recipients SET status = ?, attempts = attempts + 1, updated_at = ?," +
		" call = ?, rev = ? WHERE id = ?"
)

func insertCallsText(rows int) string {
	return insertCall + " SELECT g.column1, g.column2, g.column3, g.column4, g.column5, g.column6, g.column7," +
		" v.column1, v.column2, v.column3, '', 0, 0, ''" +
		" FROM (VALUES (?, ?, ?, ?, ?, ?, ?)) AS g CROSS JOIN (VALUES " + rowsOf(rows, 3) + ") AS v"
}

func claimRecipientsText(rows int) string {
	return "UPDATE recipients SET status = ?, attempts = attempts + 1, updated_at = ?," +
		" call = v.column1, rev = v.column2 FROM (VALUES " + rowsOf(rows, 3) + ") AS v WHERE recipients.id = v.column3"
}

// rowsOf are parameters for rows of VALUES.
func rowsOf(rows, columns int) string {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	return row + strings.Repeat(", "+row, rows-1)
}
