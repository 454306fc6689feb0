package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/outdial/outdial/store"
)

// claimChunk is how many claims one statement writes; the rest is written one by one.
const claimChunk = 50

// saveClaimed writes the calls that were made of recipients of one batch.
func (t *turn) saveClaimed(ctx context.Context, b *batch, claimed []store.Claimed) error {
	for len(claimed) > 0 {
		size := 1
		if len(claimed) >= claimChunk {
			size = claimChunk
		}
		if err := t.saveChunk(ctx, b, claimed[:size]); err != nil {
			return fmt.Errorf("call %s: %w", claimed[0].Call.ID, err)
		}
		claimed = claimed[size:]
	}
	return nil
}

func (t *turn) saveChunk(ctx context.Context, b *batch, claimed []store.Claimed) error {
	first := &claimed[0].Call
	now := micros(t.step.Now)
	calls := []any{t.org.key, b.key, int(first.Status), t.owner, first.Carrier, string(first.From), now}
	recipients := []any{int(first.Status), now, t.org.rev}
	for i := range claimed {
		c := &claimed[i].Call
		calls = append(calls, c.ID, c.Index, c.Attempt)
		recipients = append(recipients, b.recipientID(c.Index), c.ID, i+1)
	}
	t.org.rev += int64(len(claimed))
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

//nolint:gochecknoglobals // texts of statements, too long to make for each step; never written to
var (
	insertOneCall, insertManyCalls         = insertCallsText(1), insertCallsText(claimChunk)
	claimOneRecipient, claimManyRecipients = claimRecipientsText(1), claimRecipientsText(claimChunk)
)

func insertCallsText(rows int) string {
	const given = 7 // parameters before those of the first row
	return "INSERT INTO calls (org, batch, status, owner, carrier, caller, dispatched_at, id, idx, attempt," +
		" ref, end_reason, unplaced, error) VALUES " +
		numbered(rows, given, "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?%d, ?%d, ?%d, '', 0, 0, '')")
}

func claimRecipientsText(rows int) string {
	const given = 3 // parameters before those of the first row
	return "UPDATE recipients SET status = ?1, attempts = attempts + 1, call = v.column2, updated_at = ?2," +
		" rev = ?3 + v.column3 FROM (VALUES " +
		numbered(rows, given, "(?%d, ?%d, ?%d)") + ") AS v WHERE recipients.id = v.column1"
}

// numbered repeats a row with its three parameters, which are numbered on from given.
func numbered(rows, given int, row string) string {
	const width = 3
	out := make([]string, rows)
	for i := range out {
		n := given + i*width
		out[i] = fmt.Sprintf(row, n+1, n+2, n+width)
	}
	return strings.Join(out, ", ")
}
