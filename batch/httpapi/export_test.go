package httpapi

import (
	"io"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// Patterns are the patterns of all routes, each behind one of its methods.
func Patterns() []string {
	var all []string
	for _, r := range (&api{}).routes() {
		for method := range r.methods {
			all = append(all, method+" "+r.pattern)
		}
	}
	return all
}

// EncodeRecipients writes recipients as the answers do, without a store behind them.
func EncodeRecipients(w io.Writer, rows []store.Recipient, next batch.Waiting) error {
	q, b := &queue{next: next}, make([]byte, 0, piece)
	for _, r := range rows {
		if b = append(appendRecipient(b, r, q.waiting(r)), ','); len(b) < piece-1024 {
			continue
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	_, err := w.Write(b)
	return err
}
