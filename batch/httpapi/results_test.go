package httpapi_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/csvfile"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

// expected is what csvfile writes of a batch in one go.
func (w *world) expected(id string, style csvfile.Style) string {
	w.tb.Helper()
	recipients, err := w.engine.Recipients(w.tb.Context(), store.RecipientQuery{Org: org, BatchID: id})
	require.NoError(w.tb, err)
	results := make([]csvfile.Result, len(recipients))
	for i, r := range recipients {
		results[i] = csvfile.Result{
			To: r.To, Status: r.Status.String(), EndReason: string(r.EndReason), Error: r.Error, Attempts: r.Attempts,
			CallID: r.CallID, RecipientID: r.ID(), Metadata: r.Metadata,
		}
		if r.CallID == "" {
			continue
		}
		c, err := w.engine.Call(w.tb.Context(), org, r.CallID)
		require.NoError(w.tb, err)
		results[i].Dispatched, results[i].Rang, results[i].Started, results[i].Ended = c.DispatchedAt, c.RangAt, c.StartedAt, c.EndedAt
		results[i].Carrier = c.Carrier
		if r.EndReason == dialer.Error {
			results[i].Error = c.Error
		}
	}
	var b bytes.Buffer
	require.NoError(w.tb, csvfile.WriteResults(&b, results, style))
	return b.String()
}

func (w *world) requireResults(id string) {
	w.tb.Helper()
	for query, style := range map[string]csvfile.Style{
		"": csvfile.ForSpreadsheets, "?style=spreadsheets": csvfile.ForSpreadsheets, "?style=programs": csvfile.ForPrograms,
	} {
		got := w.get(batchesPath + "/" + id + "/results" + query)
		require.Equal(w.tb, http.StatusOK, got.status)
		require.Equal(w.tb, "text/csv; charset=utf-8", got.header.Get("Content-Type"))
		require.Equal(w.tb, `attachment; filename="results-`+id+`.csv"`, got.header.Get("Content-Disposition"))
		require.Equal(w.tb, w.expected(id, style), got.body)
	}
}

func TestResultsAreWhatCSVFileWouldWriteOfAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.script(1, fake.Behaviour{End: dialer.DialBusy})
		w.script(2, fake.Behaviour{Fault: fake.Refuse, Message: "=cmd|calc"})
		w.script(3, fake.Behaviour{Fault: fake.PanicBeforePlacing})
		w.script(4, fake.Behaviour{Ring: time.Second, Talk: time.Hour})
		w.run()
		r := batch.Request{Name: "x", AgentID: "agent", NumberID: "number"}
		for i := range 600 {
			m := fmt.Sprintf(`{"name":"=SUM(A%d)","k%d":%d,"status":"mine","a\"b\n":[1,"x"], "":null}`, i, i%13, i)
			if i%3 == 0 {
				m = ""
			}
			r.Recipients = append(r.Recipients, batch.RecipientRequest{To: number(i)})
			if m != "" {
				r.Recipients[i].Metadata = json.RawMessage(m)
			}
		}
		b, err := w.engine.Create(t.Context(), org, r)
		require.NoError(t, err)
		pass(time.Minute)
		w.requireResults(b.ID)
		w.requireResults(w.create(3, `"paused":true,`)) // no metadata, no calls
	})
}

// Whatever the keys of the metadata are.
func TestResultsOfAnyMetadata(t *testing.T) {
	w := newWorld(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		r := batch.Request{Name: "x", AgentID: "agent", NumberID: "number"}
		for i := range rapid.IntRange(1, 12).Draw(rt, "n") {
			r.Recipients = append(r.Recipients, batch.RecipientRequest{To: number(i)})
			m := rapid.MapOf(rapid.String(), rapid.String()).Draw(rt, "metadata")
			data, err := json.Marshal(m)
			require.NoError(rt, err)
			r.Recipients[i].Metadata = data
		}
		b, err := w.engine.Create(t.Context(), org, r)
		require.NoError(rt, err)
		w.requireResults(b.ID)
	})
}

// 5,000 recipients with keys of their own would make a table of gigabytes.
func TestResultsOfTooManyKeysHaveOneColumnForAll(t *testing.T) {
	w := newWorld(t, nil)
	for name, test := range map[string]struct {
		n   int
		key string
	}{
		"many": {1001, "%d"}, "long": {40, strings.Repeat("k", 2000) + "%d"},
	} {
		t.Run(name, func(t *testing.T) {
			r := batch.Request{Name: "x", AgentID: "agent", NumberID: "number"}
			for i := range test.n {
				r.Recipients = append(r.Recipients, batch.RecipientRequest{
					To: number(i), Metadata: json.RawMessage(fmt.Sprintf(`{"`+test.key+`": "v", "b":[1]}`, i)),
				})
			}
			r.Recipients[5].Metadata = nil
			b, err := w.engine.Create(t.Context(), org, r)
			require.NoError(t, err)
			rows, err := csv.NewReader(strings.NewReader(w.get(batchesPath + "/" + b.ID + "/results").body)).ReadAll()
			require.NoError(t, err)
			require.Len(t, rows, test.n+1)
			last := len(rows[0]) - 1
			require.Equal(t, "metadata", rows[0][last])
			require.Equal(t, string(r.Recipients[7].Metadata), rows[8][last])
			require.Empty(t, rows[6][last])
		})
	}
}
