package main

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// campaigns are the host's own endpoints, in its own words: a batch is a campaign here, and
// nobody outside hears of agents and numbers.
type campaigns struct{ engine *batch.Engine }

func (c campaigns) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /campaigns", c.create)
	mux.HandleFunc("GET /campaigns/{id}", c.show)
	mux.HandleFunc("POST /campaigns/{id}/cancel", c.cancel)
	return mux
}

// tenant is who asks. A host takes it from the session or the API key of the request.
func tenant(*http.Request) string { return "demo" }

func (c campaigns) create(w http.ResponseWriter, r *http.Request) {
	const largest = 1 << 20 // bytes
	var body struct {
		Name    string   `json:"name"`
		Numbers []string `json:"numbers"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, largest)).Decode(&body); err != nil {
		answer(w, http.StatusBadRequest, problem{Error: err.Error()})
		return
	}
	// With a key, a client that got no answer can send its request again.
	request := batch.Request{
		Name: body.Name, AgentID: "greeter", NumberID: "main", Key: r.Header.Get("Idempotency-Key"),
	}
	for _, n := range body.Numbers {
		request.Recipients = append(request.Recipients, batch.RecipientRequest{To: n})
	}
	b, err := c.engine.Create(r.Context(), tenant(r), request)
	reply(w, http.StatusCreated, b, err)
}

func (c campaigns) show(w http.ResponseWriter, r *http.Request) {
	b, err := c.engine.Batch(r.Context(), tenant(r), r.PathValue("id"))
	reply(w, http.StatusOK, b, err)
}

func (c campaigns) cancel(w http.ResponseWriter, r *http.Request) {
	b, err := c.engine.Cancel(r.Context(), tenant(r), r.PathValue("id"))
	reply(w, http.StatusOK, b, err)
}

// campaign is what a client sees of a batch.
type campaign struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Waiting   int    `json:"waiting"`
	Calling   int    `json:"calling"`
	Reached   int    `json:"reached"`
	Missed    int    `json:"missed"`
	Cancelled int    `json:"cancelled"`
	Over      bool   `json:"over"`
}

type problem struct {
	Error  string             `json:"error"`
	Fields []batch.FieldError `json:"fields,omitempty"`
}

func reply(w http.ResponseWriter, status int, b store.Batch, err error) {
	var invalid *batch.InvalidError
	switch n := b.Counts; {
	case err == nil:
		answer(w, status, campaign{
			ID: b.ID, Name: b.Name, Waiting: n.Queued, Calling: n.InFlight(), Reached: n.Completed,
			Missed: n.Failed, Cancelled: n.Cancelled, Over: n.Over(),
		})
	case errors.As(err, &invalid):
		answer(w, http.StatusBadRequest, problem{Error: "invalid", Fields: invalid.Fields})
	case errors.Is(err, batch.ErrNotFound):
		answer(w, http.StatusNotFound, problem{Error: "not found"})
	case errors.Is(err, batch.ErrKeyReused):
		answer(w, http.StatusConflict, problem{Error: err.Error()})
	default: // what it says is for the log, not for clients
		answer(w, http.StatusInternalServerError, problem{Error: "internal error"})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // a client that has gone away is no concern of ours
}
