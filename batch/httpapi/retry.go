package httpapi

import (
	"net/http"

	"github.com/outdial/outdial/store"
)

// retryBatch answers POST /agents/calls/batches/{batch_id}/retry. The key is one of that batch: the
// same may be used for another, or to create one.
func (a *api) retryBatch(w http.ResponseWriter, r *request) error {
	if p := a.noBody(w, r); p != nil {
		return p
	}
	key, err := idempotencyKey(r.Request)
	if err != nil {
		return err
	}
	x, replayed, err := a.retryOnce(r, key)
	if err != nil {
		return missing(err, "batch")
	}
	if replayed {
		w.Header().Set(headerReplayed, "true")
	}
	return reply(w, http.StatusOK, appendBatch(nil, x))
}

func (a *api) retryOnce(r *request, key string) (x store.Batch, replayed bool, err error) {
	id := r.PathValue("batch_id")
	if key != "" {
		done, ok := a.keys.use(keyInScope{org: r.org, batch: id, key: key})
		if !ok {
			return x, false, keyInUse()
		}
		defer done()
	}
	return a.cfg.Engine.RetryOnce(r.Context(), r.org, id, key)
}
