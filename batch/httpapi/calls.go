package httpapi

import (
	"errors"
	"net/http"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// listCalls answers GET /agents/calls. A batch or an agent that does not exist has no calls, as
// in any other filter.
func (a *api) listCalls(w http.ResponseWriter, r *request) error {
	const batchParam, agentParam = "batch_id", "agent_id"
	p := parseParams(r.Request, batchParam, agentParam, "start_time_gte", "start_time_lte",
		limitParam, afterParam, beforeParam)
	pg := p.page()
	q := store.CallQuery{
		Org: r.org, BatchID: p.text(batchParam), AgentID: p.text(agentParam),
		DispatchedFrom: atLeast(p.time("start_time_gte")), DispatchedTo: atMost(p.time("start_time_lte")),
	}
	if q.BatchID == "" && q.AgentID == "" && p.err() == nil {
		p.wrong.add(batchParam, "expected this or "+agentParam)
		p.wrong.add(agentParam, "expected this or "+batchParam)
	}
	if err := p.err(); err != nil {
		return err
	}
	return a.replyCalls(w, r, pg, q)
}

// replyCalls answers with a page of the calls that q asks for.
func (a *api) replyCalls(w http.ResponseWriter, r *request, p part, q store.CallQuery) error {
	if err := a.checkCallCursor(r, p, q); err != nil {
		return err
	}
	q.After, q.Before, q.Limit = p.after, p.before, p.more()
	found, err := a.cfg.Engine.Calls(r.Context(), q)
	if err != nil {
		return err
	}
	shown, err := a.shown(r, found)
	if err != nil {
		return err
	}
	return replyList(w, p, shown, func(c shownCall) string { return c.ID }, appendCall)
}

// checkCallCursor finds out whether the entry is one of the list, but for its time.
func (a *api) checkCallCursor(r *request, p part, q store.CallQuery) error {
	param, id := p.cursor()
	if id == "" {
		return nil
	}
	c, err := a.cfg.Engine.Call(r.Context(), r.org, id)
	switch {
	case errors.Is(err, batch.ErrNotFound):
		return noEntry(param)
	case err != nil:
		return err
	case q.BatchID != "" && q.BatchID != c.BatchID, q.AgentID != "" && q.AgentID != c.AgentID,
		q.Recipient != nil && *q.Recipient != c.Index:
		return noEntry(param)
	}
	return nil
}

// getCall answers GET /agents/calls/{call_id}.
func (a *api) getCall(w http.ResponseWriter, r *request) error {
	c, err := a.cfg.Engine.Call(r.Context(), r.org, r.PathValue("call_id"))
	if err != nil {
		return missing(err, "call")
	}
	shown, err := a.shown(r, []store.Call{c})
	if err != nil {
		return err
	}
	to, err := a.recipient(r, c.BatchID, c.Index)
	if err != nil {
		return err
	}
	shown[0].metadata = to.Metadata
	return reply(w, http.StatusOK, appendCall(nil, shown[0]))
}

// shown adds what is not part of the calls' records.
func (a *api) shown(r *request, calls []store.Call) ([]shownCall, error) {
	regions := map[string]string{} // by batch, of which calls tend to have the same
	out := make([]shownCall, len(calls))
	for i, c := range calls {
		if _, ok := regions[c.BatchID]; !ok {
			x, err := a.cfg.Engine.Batch(r.Context(), r.org, c.BatchID)
			if err != nil {
				return nil, err
			}
			regions[c.BatchID] = x.Region
		}
		out[i] = shownCall{Call: c, accountType: a.cfg.AccountTypes[c.Carrier], region: regions[c.BatchID]}
	}
	return out, nil
}

// cancelCall answers POST /agents/calls/{call_id}/cancel.
func (a *api) cancelCall(w http.ResponseWriter, r *request) error {
	if p := a.noBody(w, r); p != nil {
		return p
	}
	if err := a.cfg.Engine.CancelCall(r.Context(), r.org, r.PathValue("call_id")); err != nil {
		return missing(err, "call")
	}
	return reply(w, http.StatusOK, []byte(`{"cancelled":true}`))
}
