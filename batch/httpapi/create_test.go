package httpapi_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/storetest"
)

const idempotencyKey = "Idempotency-Key"

func (w *world) requireBatches(n int) {
	w.tb.Helper()
	found, err := w.engine.Batches(w.tb.Context(), store.BatchQuery{Org: org})
	require.NoError(w.tb, err)
	require.Len(w.tb, found, n)
}

func TestCreateTellsWhereTheBatchIs(t *testing.T) {
	w := newWorld(t, nil)
	got := w.post(batchesPath, requestOf(2, ""))
	id := got.is(t, http.StatusCreated).text("id")
	require.Equal(t, "batches/"+id, got.header.Get("Location")) // beside the path that was posted to
	require.Empty(t, got.header.Get("Idempotent-Replayed"))
}

func TestCreateFromCSV(t *testing.T) {
	w := newWorld(t, nil)
	const file = "to_number,name,city\n+12025550000,Ada,\"a, b\"\n+12025550001,=1+1,\n+12025550000,Ada,\nnobody,,\n"
	const query = "?name=from+file&agent_id=agent&from_number_id=number&weight=7&paused=true"
	refused := w.post(batchesPath+query, file, "Content-Type", "text/csv").is(t, http.StatusBadRequest)
	require.Equal(t, []string{"line 5, column to_number"}, refused.paths())
	w.requireBatches(0)
	got := w.post(batchesPath+query+"&skip_bad=true&dedupe=true", file, "Content-Type", "text/csv; charset=UTF-8")
	o := got.is(t, http.StatusCreated)
	require.Equal(t, "1", got.header.Get("Outdial-Rows-Skipped"))
	require.Equal(t, "1", got.header.Get("Outdial-Duplicates-Dropped"))
	require.Equal(t, "from file", o.text("name"))
	require.Equal(t, 7, o.number("weight"))
	require.Equal(t, 2, o.number("total_calls_scheduled"))
	require.Contains(t, o, "paused_at")
	require.Contains(t, w.get(batchesPath+"/"+o.text("id")).body, `"metadata":{"name":"=1+1","city":""}`)
}

func TestCreateRefusesOtherMediaTypes(t *testing.T) {
	w := newWorld(t, nil)
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", ""} {
		got := w.post(batchesPath, requestOf(1, ""), "Content-Type", media).is(t, http.StatusUnsupportedMediaType)
		require.Equal(t, "unsupported_media_type", got.text("error_code"))
	}
	w.requireBatches(0)
}

func TestWhatCreateDoesNotFindIsNamed(t *testing.T) {
	w := newWorld(t, nil)
	for body, paths := range map[string][]string{
		strings.Replace(requestOf(1, ""), `"agent"`, `"x"`, 1):                             {"agent_id"},
		strings.Replace(requestOf(1, ""), `"number"`, `"x"`, 1):                            {"from_number_id"},
		strings.NewReplacer(`"agent"`, `"x"`, `"number"`, `"y"`).Replace(requestOf(1, "")): {"agent_id", "from_number_id"},
	} {
		got := w.post(batchesPath, body).is(t, http.StatusNotFound)
		require.Equal(t, "not_found", got.text("error_code"))
		require.Equal(t, paths, got.paths())
	}
	w.requireBatches(0)
}

func TestCreateBeyondTheUsageLimit(t *testing.T) {
	w := newWorld(t, nil)
	w.dir.set(func(o *office) { o.usage = true })
	got := w.post(batchesPath, requestOf(1, "")).is(t, http.StatusPaymentRequired)
	require.Equal(t, "usage_limit_reached", got.text("error_code"))
}

func TestCreateTellsMistakesOfBodyAndKeyAndEngineAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	body := `{"name":7,"agent_id":"agent","from_number_id":"number","target_concurrency_limit":11,
		"recipients":[{"to_number":"+12025550000"},{"to_number":"12"}]}`
	got := w.post(batchesPath, body, idempotencyKey, "a b").is(t, http.StatusBadRequest)
	require.ElementsMatch(t,
		[]string{"name", "recipients[1].to_number", "target_concurrency_limit", idempotencyKey}, got.paths())
	got = w.post(batchesPath, requestOf(1, ""), idempotencyKey, "").is(t, http.StatusBadRequest)
	require.Equal(t, []string{idempotencyKey}, got.paths())
	got = w.post(batchesPath, "{", idempotencyKey, "").is(t, http.StatusBadRequest)
	require.Equal(t, "invalid_json", got.text("error_code"))
	w.requireBatches(0)
}

// Whatever became of the batch in the meantime, who repeats a request gets the same answer.
func TestARepeatedRequestIsAnsweredAsTheFirst(t *testing.T) {
	for name, more := range map[string]string{
		"plain": "", "paused": `"paused":true,`, "target": `"target_concurrency_limit":4,`,
		"scheduled": `"scheduled_at":"2000-01-02T00:00:00+01:00",`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.run()
				body := requestOf(5, more)
				first := w.post(batchesPath, body, idempotencyKey, "k1")
				id := first.is(t, http.StatusCreated).text("id")
				pass(time.Minute)
				w.ask(org, http.MethodPatch, batchesPath+"/"+id, `{"target_concurrency_limit":7}`).is(t, http.StatusOK)
				w.post(batchesPath+"/"+id+"/pause", "").is(t, http.StatusOK)
				w.post(batchesPath+"/"+id+"/cancel", "").is(t, http.StatusOK)
				again := w.post(batchesPath, body, idempotencyKey, `"k1"`)
				require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
				require.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
				require.Equal(t, http.StatusCreated, again.status)
				require.Equal(t, first.body, again.body)
				w.requireBatches(1)
			})
		})
	}
}

func TestAKeyBelongsToOneRequestForADay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		first := w.post(batchesPath, requestOf(5, ""), idempotencyKey, "k1").is(t, http.StatusCreated)
		other := w.post(batchesPath, requestOf(6, ""), idempotencyKey, "k1").is(t, http.StatusUnprocessableEntity)
		require.Equal(t, "idempotency_key_reused", other.text("error_code"))
		theirs := w.ask("globex", http.MethodPost, batchesPath, requestOf(6, ""), idempotencyKey, "k1").is(t, http.StatusCreated)
		require.NotEqual(t, first.text("id"), theirs.text("id"))
		pass(24*time.Hour - time.Second)
		w.post(batchesPath, requestOf(6, ""), idempotencyKey, "k1").is(t, http.StatusUnprocessableEntity)
		pass(2 * time.Second)
		next := w.post(batchesPath, requestOf(6, ""), idempotencyKey, "k1").is(t, http.StatusCreated)
		require.NotEqual(t, first.text("id"), next.text("id"))
	})
}

func TestAKeyInFlightIsAConflict(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var hold atomic.Bool
		release := make(chan struct{})
		w := newWorld(t, storetest.NewFaults(memory.New(), func(p storetest.Point) storetest.Fault {
			if p.Method == "CreateBatch" && hold.Load() {
				return storetest.Fault{Wait: release}
			}
			return storetest.Fault{}
		}))
		hold.Store(true)
		first := make(chan answer, 1)
		go func() { first <- w.post(batchesPath, requestOf(1, ""), idempotencyKey, "k1") }()
		synctest.Wait()
		got := w.post(batchesPath, requestOf(1, ""), idempotencyKey, "k1")
		require.Equal(t, "idempotency_key_in_use", got.is(t, http.StatusConflict).text("error_code"))
		require.Equal(t, "1", got.header.Get("Retry-After"))
		hold.Store(false) // others are not kept waiting
		w.ask("globex", http.MethodPost, batchesPath, requestOf(1, ""), idempotencyKey, "k1").is(t, http.StatusCreated)
		w.post(batchesPath, requestOf(1, ""), idempotencyKey, "k2").is(t, http.StatusCreated)
		w.post(batchesPath, requestOf(1, "")).is(t, http.StatusCreated)
		close(release)
		made := (<-first).is(t, http.StatusCreated).text("id")
		replayed := w.post(batchesPath, requestOf(1, ""), idempotencyKey, "k1")
		require.Equal(t, made, replayed.is(t, http.StatusCreated).text("id"))
		require.Equal(t, "true", replayed.header.Get("Idempotent-Replayed"))
	})
}
