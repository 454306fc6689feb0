package httpapi

import (
	"context"
	"net/http"

	"github.com/outdial/outdial/store"
)

// change makes an endpoint of what the engine can do to a batch. The request has nothing to say but
// the batch's id.
func (a *api) change(do func(ctx context.Context, org, id string) (store.Batch, error)) endpoint {
	return func(w http.ResponseWriter, r *request) error {
		if p := a.noBody(w, r); p != nil {
			return p
		}
		x, err := do(r.Context(), r.org, r.PathValue("batch_id"))
		if err != nil {
			return missing(err, "batch")
		}
		return reply(w, http.StatusOK, appendBatch(nil, x))
	}
}
