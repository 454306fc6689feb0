package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// listBatches answers GET /agents/calls/batches.
func (a *api) listBatches(w http.ResponseWriter, r *request) error {
	p := parseParams(r.Request, "agent_id", "status", "created_at_gte", "created_at_lte", "open",
		limitParam, afterParam, beforeParam)
	pg := p.page()
	q := store.BatchQuery{
		Org: r.org, AgentID: p.text("agent_id"), Statuses: p.batchStatuses("status"),
		CreatedFrom: atLeast(p.time("created_at_gte")), CreatedTo: p.time("created_at_lte"),
		Open: p.flag("open"), After: pg.after, Before: pg.before, Limit: pg.more(),
	}
	if err := p.err(); err != nil {
		return err
	}
	if !q.CreatedTo.IsZero() { // which the store leaves out, and the contract does not
		q.CreatedTo = atMost(q.CreatedTo).Add(time.Microsecond)
	}
	if err := a.checkBatchCursor(r, pg, q.AgentID); err != nil {
		return err
	}
	found, err := a.cfg.Engine.Batches(r.Context(), q)
	if err != nil {
		return err
	}
	return replyList(w, pg, found, func(x store.Batch) string { return x.ID }, appendBatch)
}

// checkBatchCursor finds out whether the entry is one of the list, as far as that never changes: a
// batch that has another status by now is still where it was.
func (a *api) checkBatchCursor(r *request, p part, agentID string) error {
	param, id := p.cursor()
	if id == "" {
		return nil
	}
	x, err := a.cfg.Engine.Batch(r.Context(), r.org, id)
	if errors.Is(err, batch.ErrNotFound) || err == nil && agentID != "" && x.AgentID != agentID {
		return noEntry(param)
	}
	return err
}

// patchBatch answers PATCH /agents/calls/batches/{batch_id}.
func (a *api) patchBatch(w http.ResponseWriter, r *request) error {
	if _, p := contentType(r, mediaJSON); p != nil {
		return p
	}
	target, err := decodeTarget(a.body(w, r))
	if err != nil {
		return err
	}
	x, err := a.cfg.Engine.SetTarget(r.Context(), r.org, r.PathValue("batch_id"), target)
	if err != nil {
		return missing(err, "batch")
	}
	return reply(w, http.StatusOK, appendBatch(nil, x))
}
