package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/outdial/outdial/store"
)

// Rows that one statement inserts, which saves most of what running a statement costs.
// The rest, which does not fill a chunk, is inserted row by row.
const (
	recipientChunk = 128
	metadataChunk  = 32
)

// insertRecipients adds the rows, with revisions from first on.
func (b *batch) insertRecipients(
	ctx context.Context, c *connection, o *org, recipients []store.NewRecipient, first int64,
) error {
	many, one := recipientsText(recipientChunk), recipientsText(1)
	for next := 0; next < len(recipients); {
		text, size := one, 1
		if len(recipients)-next >= recipientChunk {
			text, size = many, recipientChunk
		}
		args := []any{b.recipientID(next), o.key, micros(b.UpdatedAt), first + int64(next)}
		for _, r := range recipients[next : next+size] {
			args = append(args, string(r.To))
		}
		if _, err := c.exec(ctx, text, args...); err != nil {
			return fmt.Errorf("recipients: %w", err)
		}
		next += size
	}
	return nil
}

// recipientsText inserts that many recipients whose ids and revisions follow each other.
func recipientsText(rows int) string {
	const given = 4 // parameters before those of the first row
	var text strings.Builder
	text.WriteString("INSERT INTO recipients" +
		" (id, org, phone, status, attempts, call, end_reason, error, updated_at, rev) VALUES ")
	for i := range rows {
		if i > 0 {
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "(?1 + %d, ?2, ?%d, 0, 0, '', 0, '', ?3, ?4 + %d)", i, given+1+i, i)
	}
	return text.String()
}

// insertMetadata adds a row for each recipient that has any.
func (b *batch) insertMetadata(ctx context.Context, c *connection, recipients []store.NewRecipient) error {
	var rows []any // id, data, id, data
	for i, r := range recipients {
		if len(r.Metadata) > 0 {
			rows = append(rows, b.recipientID(i), []byte(r.Metadata))
		}
	}
	const columns = 2
	many, one := metadataText(metadataChunk), metadataText(1)
	for len(rows) > 0 {
		text, size := one, columns
		if len(rows) >= columns*metadataChunk {
			text, size = many, columns*metadataChunk
		}
		if _, err := c.exec(ctx, text, rows[:size]...); err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
		rows = rows[size:]
	}
	return nil
}

func metadataText(rows int) string {
	return "INSERT INTO metadata (id, data) VALUES (?, ?)" + strings.Repeat(", (?, ?)", rows-1)
}
