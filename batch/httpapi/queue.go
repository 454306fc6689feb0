package httpapi

import (
	"cmp"
	"slices"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// queue tells why recipients wait as they are shown by ascending index. The engine is asked once,
// about the next one; those behind it are counted. Who was never called waits for none but those
// of the same kind that were shown before. As soon as somebody is shown who waits to be called
// again, all who wait are read once, since any of them may come first: see [store.Claim].
type queue struct {
	next     batch.Waiting // zero: it is not known, or nobody waits
	position int           // of the next one who was never called
	read     func() ([]turn, error)
	turns    []turn // of all who wait, ascending; nil: not read yet
	failed   func(error)
}

// turn says when a recipient comes who waits: with the fewest attempts first, then by index.
type turn struct{ attempts, index int }

func turnOf(r store.Recipient) turn { return turn{r.Attempts, r.Index} }

func (t turn) compare(u turn) int {
	return cmp.Or(cmp.Compare(t.attempts, u.attempts), cmp.Compare(t.index, u.index))
}

// queueOf asks about the batch. Why somebody waits is worth no failure: it is left out then.
func (a *api) queueOf(r *request, x store.Batch) *queue {
	q := &queue{
		read:   func() ([]turn, error) { return a.turns(r, x.ID) },
		failed: func(err error) { a.unexplained(r, x.ID, err) },
	}
	if x.Counts.Queued == 0 {
		return q
	}
	next, err := a.cfg.Engine.WhyBatch(r.Context(), r.org, x.ID)
	if err != nil {
		q.failed(err)
		return q
	}
	q.next = next
	return q
}

func (a *api) unexplained(r *request, batchID string, err error) {
	if r.Context().Err() == nil {
		a.cfg.Logger.WarnContext(r.Context(), "it could not be found out why recipients wait",
			"id", r.id, "batch", batchID, "error", err)
	}
}

// waiting is the answer for a recipient, zero unless it is queued.
func (q *queue) waiting(r store.Recipient) batch.Waiting {
	switch {
	case r.Status != fsm.Queued || q.next.Reason == "":
		return batch.Waiting{}
	case r.Attempts > 0:
		return q.again(r)
	}
	q.position++
	return q.next.At(q.position - 1)
}

// again is the answer for a recipient that was called before.
func (q *queue) again(r store.Recipient) batch.Waiting {
	if q.turns == nil {
		turns, err := q.read()
		if err != nil {
			q.failed(err)
			q.next = batch.Waiting{}
			return q.next
		}
		q.turns = turns
	}
	position, _ := slices.BinarySearchFunc(q.turns, turnOf(r), turn.compare)
	return q.next.At(position)
}

// turns are those of all who wait in a batch, ascending.
func (a *api) turns(r *request, batchID string) ([]turn, error) {
	turns := []turn{}
	for rows, err := range a.pages(r.Context(), whoWait(r, batchID)) {
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			turns = append(turns, turnOf(row))
		}
	}
	slices.SortFunc(turns, turn.compare)
	return turns, nil
}

func whoWait(r *request, batchID string) store.RecipientQuery {
	return store.RecipientQuery{
		Org: r.org, BatchID: batchID, Statuses: []fsm.RecipientStatus{fsm.Queued}, NoMetadata: true,
	}
}

// queueAt is queueOf for rows that begin somewhere in the batch.
func (a *api) queueAt(r *request, x store.Batch, rows []store.Recipient) *queue {
	if !slices.ContainsFunc(rows, func(r store.Recipient) bool { return r.Status == fsm.Queued }) {
		return &queue{}
	}
	q := a.queueOf(r, x)
	first := slices.IndexFunc(rows, func(r store.Recipient) bool { return r.Status == fsm.Queued && r.Attempts == 0 })
	if q.next.Reason == "" || first < 0 || rows[first].Index == 0 {
		return q
	}
	before := whoWait(r, x.ID)
	before.Before = rows[first].Index
	passed, err := a.cfg.Engine.Recipients(r.Context(), before)
	if err != nil {
		q.failed(err)
		return &queue{}
	}
	for _, row := range passed {
		if row.Attempts == 0 {
			q.position++
		}
	}
	return q
}
