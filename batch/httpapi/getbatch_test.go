package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/storetest"
)

// slowly is a client that takes time for each piece of an answer, in which calls begin and end.
type slowly struct {
	*httptest.ResponseRecorder

	pieces int
	during func()
}

func (s *slowly) Write(p []byte) (int, error) {
	s.pieces++
	s.during()
	return s.ResponseRecorder.Write(p)
}

// read gets a path while something happens between the pieces of the answer.
func (w *world) read(path string, during func()) *slowly {
	r := httptest.NewRequestWithContext(w.tb.Context(), http.MethodGet, path, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+org)
	r.Header.Set("Cartesia-Version", "2026-03-01")
	s := &slowly{ResponseRecorder: httptest.NewRecorder(), during: during}
	w.handler.ServeHTTP(s, r)
	return s
}

// requireAgreement checks that a batch's totals, counts and status are those of its recipients.
func requireAgreement(tb testing.TB, o object, n int) {
	tb.Helper()
	var counts fsm.Counts
	recipients := o.list("recipients")
	require.Len(tb, recipients, n)
	for _, r := range recipients {
		status, err := fsm.ParseRecipientStatus(r.text("status"))
		require.NoError(tb, err)
		counts.Add(status, 1)
		if _, called := r["agent_call_id"]; status == fsm.Failed && !called {
			counts.Unplaced++
		}
	}
	shown := o.object("counts")
	for s := fsm.Queued; s <= fsm.Cancelled; s++ {
		require.Equal(tb, counts.Of(s), shown.number(s.String()), s)
	}
	require.Equal(tb, n, o.number("total_calls_scheduled"))
	require.Equal(tb, counts.HandedOver(), o.number("total_calls_dispatched"))
	require.Equal(tb, counts.Finished(), o.number("total_calls_finished"))
	require.Equal(tb, counts.BatchStatus().String(), o.text("status"))
	if counts.HandedOver() > 0 {
		require.Contains(tb, o, "admitted_at")
	}
}

func TestABatchAgreesWithItselfWhileCallsBeginAndEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 700
		w := newWorld(t, nil)
		w.dir.set(func(o *office) { o.limit = n }) // so that some of whom the client has not got are called before it has them
		for i := range n {
			b := fake.Behaviour{Ring: time.Duration(i%7) * time.Second, Talk: time.Duration(i%11) * time.Second}
			if i%5 == 0 {
				b.Fault = fake.Refuse
			}
			w.script(i, b)
		}
		id := w.create(n, fmt.Sprintf(`"target_concurrency_limit":%d,`, n))
		statuses := map[string]bool{}
		for range 15 {
			s := w.read(batchesPath+"/"+id, func() {
				if w.stop == nil {
					w.run() // after the batch was read as pending
				}
				pass(500 * time.Millisecond)
			})
			require.Greater(t, s.pieces, 4)
			var o object
			require.NoError(t, json.Unmarshal(s.Body.Bytes(), &o))
			requireAgreement(t, o, n)
			statuses[o.text("status")] = true
			pass(10 * time.Second)
		}
		require.Contains(t, statuses, "in_progress")
		require.Contains(t, statuses, "completed")
	})
}

func TestWhereEverybodyFailedBeforeACallTheBatchFailed(t *testing.T) {
	w := newWorld(t, nil)
	w.script(0, fake.Behaviour{Fault: fake.Refuse})
	w.script(1, fake.Behaviour{Fault: fake.Refuse})
	w.run()
	id := w.create(2, "")
	w.awaitOver(id)
	o := w.get(batchesPath+"/"+id).is(t, http.StatusOK)
	requireAgreement(t, o, 2)
	require.Equal(t, "failed", o.text("status"))
	require.Equal(t, "failed", w.get(batchesPath).is(t, http.StatusOK).list("data")[0].text("status"))
}

// faulty makes a world whose store fails, from the time on when it is told at which call.
func faulty(t *testing.T, method string) (*world, *atomic.Int64) {
	t.Helper()
	at := &atomic.Int64{}
	return newWorld(t, storetest.NewFaults(memory.New(), func(p storetest.Point) storetest.Fault {
		if p.Method == method && at.Load() > 0 && at.Add(-1) == 0 {
			return storetest.Fault{Err: errBroken}
		}
		return storetest.Fault{}
	})), at
}

// Whatever has been sent by then, nobody takes it for a batch.
func TestAnAnswerThatCannotBeFinishedIsCutOff(t *testing.T) {
	for method, most := range map[string]int64{"Recipients": 9, "Batch": 3} {
		w, at := faulty(t, method)
		id := w.create(1500, `"paused":true,`)
		failed, cut := 0, 0
		for n := range most {
			at.Store(n + 1)
			got := w.get(batchesPath + "/" + id)
			switch {
			case got.cut:
				cut++
				require.False(t, json.Valid([]byte(got.body)))
			case got.status == http.StatusInternalServerError:
				failed++
				require.Equal(t, "internal_error", got.is(t, http.StatusInternalServerError).text("error_code"))
				require.NotContains(t, got.body, errBroken.Error())
			default:
				requireAgreement(t, got.is(t, http.StatusOK), 1500)
			}
		}
		require.Positive(t, failed, method)
		require.Positive(t, cut, method)
	}
}

func TestWhyNobodyIsCalledMayBeUnknown(t *testing.T) {
	w, at := faulty(t, "Nodes")
	id := w.create(3, "")
	for _, path := range []string{"", "/recipients", "/recipients?starting_after="} {
		path = batchesPath + "/" + id + path
		if strings.HasSuffix(path, "=") {
			path += w.get(batchesPath+"/"+id).is(t, http.StatusOK).list("recipients")[0].text("id")
		}
		require.Contains(t, w.get(path).body, `"waiting":{"reason":"not_running"`)
		at.Store(1)
		got := w.get(path)
		require.Equal(t, http.StatusOK, got.status)
		require.NotContains(t, got.body, "waiting")
	}
}

// peak is how much more memory is in use while a path is answered than before.
func (w *world) peak(path string) (most uint64, bytes int) {
	w.tb.Helper()
	total := w.swallow(path, nil)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const looks = 20
	before, next := heap(), 0
	w.swallow(path, func(n int) {
		if bytes += n; bytes < next {
			return
		}
		next += total / looks
		if now := heap(); now > before {
			most = max(most, now-before)
		}
	})
	return most, bytes
}

// swallow reads a path and keeps nothing but the number of bytes.
func (w *world) swallow(path string, during func(n int)) (bytes int) {
	w.tb.Helper()
	r := httptest.NewRequestWithContext(w.tb.Context(), http.MethodGet, path, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+org)
	r.Header.Set("Cartesia-Version", "2026-03-01")
	s := &sink{header: http.Header{}, during: during}
	w.handler.ServeHTTP(s, r)
	require.Equal(w.tb, http.StatusOK, s.status)
	return s.bytes
}

// sink is a client that keeps nothing.
type sink struct {
	header http.Header
	status int
	bytes  int
	during func(n int) // nil: nothing
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(n int)   { s.status = n }
func (s *sink) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	s.bytes += len(p)
	if s.during != nil {
		s.during(len(p))
	}
	return len(p), nil
}

func TestALargeBatchIsReadInLittleMemory(t *testing.T) {
	const plain = `"paused":true,`
	large := func(n, size int) string {
		item := fmt.Sprintf(`{"to_number":"+12025550000","metadata":{"a":%q}}`, strings.Repeat("x", size))
		return `{"name":"test","agent_id":"agent","from_number_id":"number","paused":true,"recipients":[` +
			strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]}"
	}
	for name, test := range map[string]struct {
		body   string
		most   uint64
		suffix string
	}{
		"5000 without metadata":     {requestOf(5000, plain), 1 << 20, ""},
		"5000 with 1 KB":            {large(5000, 1000), 1 << 20, ""},
		"24 with 1 MB":              {large(24, 1<<20-50), 3 << 20, ""}, // one, as the store gives it, in the writer's hands
		"100 with 200 KB in a page": {large(100, 200<<10), 24 << 20, "/recipients?limit=100"},
		"results of 5000":           {large(5000, 1000), 2 << 20, "/results"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			id := w.post(batchesPath, test.body).is(t, http.StatusCreated).text("id")
			most, bytes := w.peak(batchesPath + "/" + id + test.suffix)
			require.Greater(t, bytes, len(test.body)*9/10)
			require.Less(t, most, test.most)
			t.Logf("%d KB of heap for %d KB", most>>10, bytes>>10)
		})
	}
}
