package httpapi

import (
	"slices"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// queue tells why recipients wait as they are shown in the order of the batch. The engine is
// asked once, about the next one; those behind it are counted.
type queue struct {
	next     batch.Waiting // zero: it is not known, or nobody waits
	position int
}

// queueOf asks about the batch. Why somebody waits is worth no failure: it is left out then.
func (a *api) queueOf(r *request, x store.Batch) *queue {
	if x.Counts.Queued == 0 {
		return &queue{}
	}
	next, err := a.cfg.Engine.WhyBatch(r.Context(), r.org, x.ID)
	if err != nil {
		a.unexplained(r, x.ID, err)
		return &queue{}
	}
	return &queue{next: next}
}

func (a *api) unexplained(r *request, batchID string, err error) {
	if r.Context().Err() == nil {
		a.cfg.Logger.WarnContext(r.Context(), "it could not be found out why recipients wait",
			"id", r.id, "batch", batchID, "error", err)
	}
}

// waiting is the answer for a recipient, zero unless it is queued.
func (q *queue) waiting(r store.Recipient) batch.Waiting {
	if r.Status != fsm.Queued {
		return batch.Waiting{}
	}
	q.position++
	return q.next.At(q.position - 1)
}

// queueAt is queueOf for rows that begin somewhere in the batch.
func (a *api) queueAt(r *request, x store.Batch, rows []store.Recipient) *queue {
	first := slices.IndexFunc(rows, func(r store.Recipient) bool { return r.Status == fsm.Queued })
	if first < 0 {
		return &queue{}
	}
	q := a.queueOf(r, x)
	if q.next.Reason == "" || rows[first].Index == 0 {
		return q
	}
	before, err := a.cfg.Engine.Recipients(r.Context(), store.RecipientQuery{
		Org: r.org, BatchID: x.ID, Statuses: []fsm.RecipientStatus{fsm.Queued}, Before: rows[first].Index, NoMetadata: true,
	})
	if err != nil {
		a.unexplained(r, x.ID, err)
		return &queue{}
	}
	q.position = len(before)
	return q
}
