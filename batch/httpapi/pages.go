package httpapi

import (
	"context"
	"iter"

	"github.com/outdial/outdial/store"
)

const (
	// heldBytes is about how much of a batch is in memory at once while all of it is read.
	heldBytes = 256 << 10

	// mostRows bounds what is held where long rows follow short ones.
	mostRows = 512
	growth   = 4
)

// pages reads all recipients that q asks for. Rows may have a megabyte each, or none to speak
// of, so the first page has one of them, and each tells how long the next may be.
func (a *api) pages(ctx context.Context, q store.RecipientQuery) iter.Seq2[[]store.Recipient, error] {
	return func(yield func([]store.Recipient, error) bool) {
		for q.Limit = 1; ; {
			rows, err := a.cfg.Engine.Recipients(ctx, q)
			if len(rows) == 0 && err == nil {
				return
			}
			if !yield(rows, err) || err != nil || len(rows) < q.Limit {
				return
			}
			q.From = rows[len(rows)-1].Index + 1
			q.Limit = nextLimit(rows)
		}
	}
}

func nextLimit(rows []store.Recipient) int {
	const fixed = 512 // a row beside its metadata, as it was read and as it is written
	bytes := 0
	for _, r := range rows {
		bytes += fixed + len(r.Metadata)
	}
	return max(1, min(heldBytes*len(rows)/bytes, growth*len(rows), mostRows))
}
