package httpapi

import (
	"net/http"

	"github.com/outdial/outdial/batch/csvfile"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
)

// results answers GET /agents/calls/batches/{batch_id}/results with what became of everybody, as a
// CSV file. The recipients are read twice: once for the columns, once for the rows.
func (a *api) results(w http.ResponseWriter, r *request) error {
	style, err := resultStyle(r)
	if err != nil {
		return err
	}
	x, err := a.batchOf(r)
	if err != nil {
		return err
	}
	columns, err := a.columnsOf(r, x)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="results-`+x.ID+`.csv"`)
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if err := a.writeResults(a.stream(w), r, x, columns, style); err != nil {
		return aborted("writing results of batch "+x.ID, err)
	}
	return nil
}

func resultStyle(r *request) (csvfile.Style, error) {
	const param, spreadsheets, programs = "style", "spreadsheets", "programs"
	p := parseParams(r.Request, param)
	style := csvfile.ForSpreadsheets
	switch s := p.text(param); s {
	case "", spreadsheets:
	case programs:
		style = csvfile.ForPrograms
	default:
		p.wrong.add(param, "expected %s or %s, got %s", spreadsheets, programs, short(s))
	}
	return style, p.err()
}

// columnsOf finds the columns that the metadata takes. It never changes, so neither do they.
func (a *api) columnsOf(r *request, x store.Batch) (*columns, error) {
	c := &columns{known: map[string]bool{}}
	for rows, err := range a.pages(r.Context(), store.RecipientQuery{Org: r.org, BatchID: x.ID}) {
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if err := c.learn(row.Metadata); err != nil {
				return nil, err
			}
		}
		if c.many {
			break
		}
	}
	return c, nil
}

func (a *api) writeResults(s *stream, r *request, x store.Batch, c *columns, style csvfile.Style) error {
	t, err := c.begin(s, style)
	if err != nil {
		return err
	}
	for rows, err := range a.pages(r.Context(), store.RecipientQuery{Org: r.org, BatchID: x.ID}) {
		if err != nil {
			return err
		}
		results := make([]csvfile.Result, len(rows))
		for i, row := range rows {
			if results[i], err = a.result(r, row); err != nil {
				return err
			}
		}
		if err := t.write(s, results); err != nil {
			return err
		}
	}
	return s.Flush()
}

// result is a recipient with the times of its latest call.
func (a *api) result(r *request, x store.Recipient) (csvfile.Result, error) {
	var c store.Call
	if x.CallID != "" {
		var err error
		if c, err = a.cfg.Engine.Call(r.Context(), r.org, x.CallID); err != nil {
			return csvfile.Result{}, err
		}
	}
	message := x.Error
	if x.EndReason == dialer.Error {
		message = c.Error
	}
	return csvfile.Result{
		To: x.To, Status: x.Status.String(), EndReason: string(x.EndReason), Error: message,
		Attempts: x.Attempts, CallID: x.CallID, RecipientID: x.ID(), Carrier: c.Carrier,
		Dispatched: c.DispatchedAt, Rang: c.RangAt, Started: c.StartedAt, Ended: c.EndedAt,
		Metadata: x.Metadata,
	}, nil
}
