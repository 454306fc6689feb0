package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/outdial/outdial/store"
)

// inserts are statements that insert rows into one table, in the order of their ids. One for many rows saves most of
// what running a statement costs. In a run each id is one more than that of the row before. Such ids are left to
// SQLite: it goes to the end of the table for them, and looks for the place of an id that is given.
type inserts struct{ run, chunk, one string }

// Rows that a statement inserts.
const (
	runRows   = 256
	chunkRows = 32
)

// next returns a statement for the first of the rows that are left, and how many it inserts. follows says that runRows
// of them are a run, behind the last row of the table.
func (i *inserts) next(left int, follows bool) (text string, rows int) {
	switch {
	case follows:
		return i.run, runRows
	case left >= chunkRows:
		return i.chunk, chunkRows
	default:
		return i.one, 1
	}
}

var errRowID = errors.New("a row got another id than the next one")

// insert makes sure that the rows got their ids. All of a run have if the last one has, since those that SQLite gives
// ascend.
func (c *connection) insert(ctx context.Context, last int64, text string, args []any) error {
	made, err := c.exec(ctx, text, args...)
	if err != nil {
		return err
	}
	id, err := made.LastInsertId()
	if err == nil && id != last {
		err = fmt.Errorf("%w: %d, not %d", errRowID, id, last)
	}
	return err //nolint:wrapcheck // the callers say what they were doing
}

//nolint:gochecknoglobals // texts of statements, too long to make for each batch; never written to
var (
	recipientInserts = inserts{
		run: recipientsText(runRows, true), chunk: recipientsText(chunkRows, false), one: recipientsText(1, false),
	}
	metadataInserts = inserts{
		run:   "INSERT INTO metadata (data) VALUES (?)" + strings.Repeat(", (?)", runRows-1),
		chunk: "INSERT INTO metadata (id, data) VALUES (?, ?)" + strings.Repeat(", (?, ?)", chunkRows-1),
		one:   "INSERT INTO metadata (id, data) VALUES (?, ?)",
	}
)

// recipientsText inserts that many recipients whose ids and revisions follow each other. Parameters of one
// row are not numbered: whenever one is bound, its number would be looked for among all that there are.
func recipientsText(rows int, run bool) string {
	columns, id := "", ""
	if !run {
		columns, id = ", id", ", ?4 + %[1]d"
	}
	row := "(?1, ?2, ?3 + %[1]d" + id + ", ?, 0, 0, '', 0, '')"
	var text strings.Builder
	text.WriteString("INSERT INTO recipients" +
		" (org, updated_at, rev" + columns + ", phone, status, attempts, call, end_reason, error) VALUES ")
	for i := range rows {
		if i > 0 {
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, row, i)
	}
	return text.String()
}

// insertRecipients adds the rows, with revisions from first on.
func (b *batch) insertRecipients(
	ctx context.Context, c *connection, o *org, recipients []store.NewRecipient, first int64,
) error {
	const shared = 4 // parameters before those of the first row
	args := make([]any, 0, shared+runRows)
	for next := 0; next < len(recipients); {
		follows := next > 0 && len(recipients)-next >= runRows
		text, size := recipientInserts.next(len(recipients)-next, follows)
		args = append(args[:0], o.key, micros(b.UpdatedAt), first+int64(next))
		if !follows {
			args = append(args, b.recipientID(next))
		}
		for _, r := range recipients[next : next+size] {
			args = append(args, string(r.To))
		}
		next += size
		if err := c.insert(ctx, b.recipientID(next-1), text, args); err != nil {
			return fmt.Errorf("recipients: %w", err)
		}
	}
	return nil
}

// insertMetadata adds a row for each recipient that has any.
func (b *batch) insertMetadata(ctx context.Context, c *connection, recipients []store.NewRecipient) error {
	var having []int
	for i, r := range recipients {
		if len(r.Metadata) > 0 {
			having = append(having, i)
		}
	}
	args := make([]any, 0, runRows)
	for next := 0; next < len(having); {
		follows := next > 0 && len(having)-next >= runRows && having[next+runRows-1]-having[next-1] == runRows
		text, size := metadataInserts.next(len(having)-next, follows)
		args = args[:0]
		for _, i := range having[next : next+size] {
			if !follows {
				args = append(args, b.recipientID(i))
			}
			args = append(args, []byte(recipients[i].Metadata))
		}
		next += size
		if err := c.insert(ctx, b.recipientID(having[next-1]), text, args); err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
	}
	return nil
}
