package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/batch/httpapi"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/sqlite"
)

// Each benchmark does in turns what is measured and what it is compared with, so that what
// else goes on in the machine concerns both, and reports the one as a multiple of the other.

// onStores runs a benchmark on each kind of store.
func onStores(b *testing.B, run func(b *testing.B, open func(testing.TB) store.Store)) {
	b.Helper()
	b.Run("memory", func(b *testing.B) { run(b, func(testing.TB) store.Store { return memory.New() }) })
	b.Run("sqlite", func(b *testing.B) {
		run(b, func(tb testing.TB) store.Store {
			tb.Helper()
			s, err := sqlite.Open(context.Background(), sqlite.Config{Path: filepath.Join(tb.TempDir(), "outdial.db")})
			require.NoError(tb, err)
			tb.Cleanup(func() { require.NoError(tb, s.Close()) })
			return s
		})
	})
}

// ratio is how long two things took in total.
type ratio struct{ measured, base time.Duration }

func (r *ratio) measure(measured, base func()) {
	start := time.Now()
	measured()
	r.measured += time.Since(start)
	start = time.Now()
	base()
	r.base += time.Since(start)
}

func (r *ratio) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(r.measured)/float64(r.base), "ratio")
	b.ReportMetric(float64(r.measured.Nanoseconds())/float64(b.N), "measured-ns/op")
	b.ReportMetric(float64(r.base.Nanoseconds())/float64(b.N), "base-ns/op")
}

func recipients5000(metadata string) []batch.RecipientRequest {
	rs := make([]batch.RecipientRequest, store.MaxRecipients)
	for i := range rs {
		rs[i].To = number(i)
		if metadata != "" {
			rs[i].Metadata = json.RawMessage(fmt.Sprintf(metadata, i))
		}
	}
	return rs
}

const someMetadata = `{"name":"Ada Lovelace","customer":%d,"appointment":"2026-06-15T16:00:00Z","note":"speaks English"}`

// BenchmarkGetBatch5000 is GET of a batch against writing the same recipients out of memory.
func BenchmarkGetBatch5000(b *testing.B) {
	onStores(b, func(b *testing.B, open func(testing.TB) store.Store) {
		b.Helper()
		for name, metadata := range map[string]string{"plain": "", "metadata": someMetadata} {
			b.Run(name, func(b *testing.B) {
				w := newWorld(b, open(b))
				made, err := w.engine.Create(b.Context(), org, batch.Request{
					Name: "x", AgentID: "agent", NumberID: "number", Recipients: recipients5000(metadata), Paused: true,
				})
				require.NoError(b, err)
				rows, err := w.engine.Recipients(b.Context(), store.RecipientQuery{Org: org, BatchID: made.ID})
				require.NoError(b, err)
				next, err := w.engine.WhyBatch(b.Context(), org, made.ID)
				require.NoError(b, err)
				var r ratio
				nothing := &sink{header: http.Header{}}
				for b.Loop() {
					r.measure(
						func() { w.swallow(batchesPath+"/"+made.ID, nil) },
						func() { require.NoError(b, httpapi.EncodeRecipients(nothing, rows, next)) })
				}
				r.report(b)
			})
		}
	})
}

// BenchmarkCreate5000 is POST of a batch against the store's own creation of it.
func BenchmarkCreate5000(b *testing.B) {
	onStores(b, func(b *testing.B, open func(testing.TB) store.Store) {
		b.Helper()
		for name, metadata := range map[string]string{"plain": "", "metadata": someMetadata} {
			b.Run(name, func(b *testing.B) {
				st := open(b)
				w := newWorld(b, st)
				rs := recipients5000(metadata)
				body := createBody(rs)
				fresh := make([]store.NewRecipient, len(rs))
				for i, x := range rs {
					fresh[i] = store.NewRecipient{To: dialer.Phone(x.To), Metadata: x.Metadata}
				}
				var r ratio
				for b.Loop() {
					now := time.Now().UTC().Truncate(time.Microsecond)
					id, err := store.NewBatchID(now, strings.NewReader(fmt.Sprintf("%011d", r.base)))
					require.NoError(b, err)
					r.measure(
						func() { w.post(batchesPath, body).must(b, http.StatusCreated) },
						func() {
							_, err = st.CreateBatch(b.Context(), store.Batch{
								Org: "globex", ID: id, Name: "x", AgentID: "agent", NumberID: "number", Region: "US", Target: 5, Weight: 1,
								RingTimeout: time.Minute, MaxDuration: time.Hour, CreatedAt: now, UpdatedAt: now,
							}, fresh)
							require.NoError(b, err)
						})
				}
				r.report(b)
			})
		}
	})
}

func createBody(rs []batch.RecipientRequest) string {
	var b strings.Builder
	b.WriteString(`{"name":"x","agent_id":"agent","from_number_id":"number","recipients":[`)
	for i, x := range rs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"to_number":"` + x.To + `"`)
		if x.Metadata != nil {
			b.WriteString(`,"metadata":` + string(x.Metadata))
		}
		b.WriteByte('}')
	}
	return b.String() + "]}"
}

func (a answer) must(tb testing.TB, status int) {
	tb.Helper()
	require.Equal(tb, status, a.status, a.body)
}

// BenchmarkList100 is a page of 100 among 100,000 batches against one among 200, from the start or
// the middle of the list, and filtered, down to nothing at all.
func BenchmarkList100(b *testing.B) {
	onStores(b, func(b *testing.B, open func(testing.TB) store.Store) {
		b.Helper()
		st := open(b)
		w := newWorld(b, st)
		few, fewAt := fill(b, st, "few", 200)
		size := 100_000
		if testing.Short() {
			size = 1000
		}
		many, manyAt := fill(b, st, "many", size)
		for name, query := range map[string]string{
			"first": "?limit=100", "middle": "?limit=100&starting_after=", "agent": "?limit=100&agent_id=agent",
			"status":              "?limit=100&status=pending",
			"no_such_status":      "?limit=100&status=failed",
			"no_such_statuses":    "?limit=100&status=failed&status=completed&status=cancelled",
			"no_such_status_open": "?limit=100&status=completed&open=true",
			"no_such_agent":       "?limit=100&agent_id=agent&status=failed",
			"no_such_time":        "?limit=100&created_at_gte=2001-01-01T00:00:00Z&created_at_lte=2001-01-02T00:00:00Z",
			"no_such_later_time":  "?limit=100&created_at_gte=2101-01-01T00:00:00Z",
			"no_such_time_status": "?limit=100&status=failed&created_at_gte=2001-01-01T00:00:00Z",
		} {
			b.Run(name, func(b *testing.B) {
				fewQuery, manyQuery := query, query
				if name == "middle" {
					fewQuery, manyQuery = query+fewAt, query+manyAt
				}
				var r ratio
				for b.Loop() {
					r.measure(func() { w.page(many, manyQuery) }, func() { w.page(few, fewQuery) })
				}
				r.report(b)
			})
		}
	})
}

// fill gives an organisation of that name n batches, straight into the store, and returns its
// name and the id of the batch in the middle.
func fill(b *testing.B, st store.Store, name string, n int) (org, middle string) {
	b.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	var group errgroup.Group
	group.SetLimit(256) // for the store to commit many at once
	for i := range n {
		at := now.Add(time.Duration(i-n) * time.Millisecond)
		id, err := store.NewBatchID(at, strings.NewReader("nine bytes and more"))
		require.NoError(b, err)
		if i == n/2 {
			middle = id
		}
		group.Go(func() error {
			_, err := st.CreateBatch(context.Background(), store.Batch{
				Org: name, ID: id, Name: "x", AgentID: "agent", NumberID: "number", Region: "US", Target: 5, Weight: 1,
				RingTimeout: time.Minute, MaxDuration: time.Hour, CreatedAt: at, UpdatedAt: at,
			}, []store.NewRecipient{{To: "+12025550000"}})
			return err
		})
	}
	require.NoError(b, group.Wait())
	return name, middle
}

// page gets a page of an organisation's batches.
func (w *world) page(org, query string) {
	w.tb.Helper()
	r := httptest.NewRequestWithContext(w.tb.Context(), http.MethodGet, batchesPath+query, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+org)
	r.Header.Set("Cartesia-Version", "2026-03-01")
	s := &sink{header: http.Header{}}
	w.handler.ServeHTTP(s, r)
	require.Equal(w.tb, http.StatusOK, s.status)
}
