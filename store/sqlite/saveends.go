package sqlite

import (
	"context"

	"github.com/outdial/outdial/store/internal/reasons"
)

// endChunk is how many calls one statement moves to another status; the rest is written one by one.
const endChunk = 50

// plain says that a call goes to another status and stays with its carrier, as nearly all do.
func (c *call) plain() bool { return c.changed && c.fields.Carrier == "" && c.packed.tries == nil }

//nolint:gochecknoglobals // texts of statements, too long to make for each step; never written to
var (
	endManyCalls      = endCallsText(endChunk)
	endManyRecipients = endRecipientsText(endChunk)
)

// What an event leaves out is NULL here, and stays as it was.
func endCallsText(rows int) string {
	return "UPDATE calls SET status = v.column2, unplaced = v.column3, ref = ifnull(v.column4, ref)," +
		" rang_at = ifnull(v.column5, rang_at), started_at = ifnull(v.column6, started_at)," +
		" ended_at = ifnull(v.column7, ended_at), end_reason = ifnull(v.column8, end_reason)," +
		" error = ifnull(v.column9, error), details = ifnull(v.column10, details)" +
		" FROM (VALUES " + rowsOf(rows, 10) + ") AS v WHERE org = ? AND id = v.column1"
}

func endRecipientsText(rows int) string {
	return "UPDATE recipients SET updated_at = ?, status = v.column2, call = ifnull(v.column3, call)," +
		" end_reason = v.column4, error = v.column5, rev = v.column6" +
		" FROM (VALUES " + rowsOf(rows, 6) + ") AS v WHERE recipients.id = v.column1"
}

// saveEnds writes endChunk calls that are plain, and their recipients, which takes a tenth less than a statement for
// each.
func (t *turn) saveEnds(ctx context.Context, ended []*call) error {
	calls := make([]any, 0, 10*len(ended)+1)
	recipients := append(make([]any, 0, 6*len(ended)+1), micros(t.step.Now))
	for _, c := range ended {
		f, r := &c.fields, c.recipient
		reason, err := reasons.Number(f.EndReason)
		if err != nil {
			return err
		}
		calls = append(calls, c.id, int(c.status), c.unplaced, unlessZero(f.Ref), micros(f.RangAt), micros(f.StartedAt),
			micros(f.EndedAt), unlessZero(int64(reason)), unlessZero(f.Error), c.packed.details)
		var left any
		if r.leave {
			left = ""
		}
		recipients = append(recipients,
			c.b.recipientID(c.index), int(r.status), left, int64(r.reason), r.complain, t.org.next())
		c.b.changed = true
		t.org.keepCall(c.id, c.callState)
	}
	if err := t.execRows(ctx, len(ended), endManyCalls, append(calls, t.org.key)...); err != nil {
		return err
	}
	return t.execRows(ctx, len(ended), endManyRecipients, recipients...)
}

// execRows runs a statement that is to change that many rows.
func (t *turn) execRows(ctx context.Context, rows int, text string, args ...any) error {
	done, err := t.c.exec(ctx, text, args...)
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n != int64(rows) {
		err = errGone
	}
	return err //nolint:wrapcheck // the caller says what it was doing
}

func unlessZero[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}
