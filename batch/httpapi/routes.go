package httpapi

import "net/http"

const (
	batchesPath    = "/agents/calls/batches"
	batchPath      = batchesPath + "/{batch_id}"
	recipientsPath = batchPath + "/recipients"
	recipientPath  = recipientsPath + "/{recipient_id}"
	callsPath      = "/agents/calls"
)

// routes are all that can be asked for.
func (a *api) routes() []route {
	get := func(e endpoint) map[string]endpoint { return map[string]endpoint{http.MethodGet: e} }
	post := func(e endpoint) map[string]endpoint { return map[string]endpoint{http.MethodPost: e} }
	return []route{
		{batchesPath, map[string]endpoint{http.MethodGet: a.listBatches, http.MethodPost: a.createBatch}},
		{batchPath, map[string]endpoint{http.MethodGet: a.getBatch, http.MethodPatch: a.patchBatch}},
		{batchPath + "/cancel", post(a.change(a.cfg.Engine.Cancel))},
		{batchPath + "/retry", post(a.retryBatch)},
		{batchPath + "/pause", post(a.change(a.cfg.Engine.Pause))},
		{batchPath + "/resume", post(a.change(a.cfg.Engine.Resume))},
		{recipientsPath, get(a.listRecipients)},
		{recipientPath, get(a.getRecipient)},
		{recipientPath + "/calls", get(a.listAttempts)},
		{batchPath + "/results", get(a.results)},
		{batchPath + "/events", get(a.batchEvents)},
		{callsPath, get(a.listCalls)},
		{callsPath + "/events", get(a.orgEvents)},
		{callsPath + "/{call_id}", get(a.getCall)},
		// Not /{call_id}/cancel: to http.ServeMux that is as close to /agents/calls/batches/cancel as
		// the path of a batch is.
		{callsPath + "/{call_id}/{action}", post(a.cancelCall)},
		{"/openapi.yaml", get(a.openapi)},
	}
}

// isRoute tells whether there is what a path that matched asks to do. Where the last part of
// the pattern stands for an action, there is one.
func isRoute(r *http.Request) bool {
	action := r.PathValue("action")
	return action == "" || action == "cancel"
}
