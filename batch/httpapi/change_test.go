package httpapi_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store/memory"
	"github.com/outdial/outdial/store/storetest"
)

func TestCancel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		id := w.create(5, `"scheduled_at":"2000-01-02T00:00:00Z",`)
		pass(time.Hour)
		path := batchesPath + "/" + id + "/cancel"
		first := w.post(path, "")
		require.Equal(t, "cancelled", first.is(t, http.StatusOK).text("status"))
		require.Equal(t, "2000-01-01T01:00:00Z", first.is(t, http.StatusOK).text("cancelled_at"))
		require.NotContains(t, first.body, "recipients")
		pass(time.Hour)
		require.Equal(t, first.body, w.post(path, `{"reason":"none"}`).body, "it may be repeated")
	})
}

func TestRetry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.script(0, fake.Behaviour{End: dialer.DialBusy}, fake.Behaviour{})
		w.script(1, fake.Behaviour{Fault: fake.Refuse}, fake.Behaviour{})
		w.run()
		id := w.create(4, "")
		pass(time.Minute)
		path := batchesPath + "/" + id + "/retry"
		w.dir.set(func(o *office) { o.usage = true })
		refused := w.post(path, "").is(t, http.StatusPaymentRequired)
		require.Equal(t, "usage_limit_reached", refused.text("error_code"))
		w.dir.set(func(o *office) { o.usage = false })
		w.post(batchesPath+"/"+id+"/pause", "").is(t, http.StatusOK)
		retried := w.post(path, "").is(t, http.StatusOK)
		require.Equal(t, 1, retried.number("retry_count"))
		require.Equal(t, 2, retried.object("counts").number("queued"))
		w.post(batchesPath+"/"+id+"/resume", "").is(t, http.StatusOK)
		pass(time.Minute)
		nothing := w.post(path, "").is(t, http.StatusOK)
		require.Equal(t, 1, nothing.number("retry_count"))
		require.Equal(t, 4, nothing.object("counts").number("completed"))

		cancelled := w.create(3, `"paused":true,`)
		w.post(batchesPath+"/"+cancelled+"/cancel", "").is(t, http.StatusOK)
		no := w.post(batchesPath+"/"+cancelled+"/retry", "").is(t, http.StatusBadRequest)
		require.Equal(t, "batch_cancelled", no.text("error_code"))

		attempts := w.get(batchesPath+"/"+id+"/recipients/"+w.recipient(id, 0)+"/calls").is(t, http.StatusOK).list("data")
		require.Len(t, attempts, 2)
		require.Equal(t, 2, attempts[0].number("attempt"))
		require.Equal(t, "completed", attempts[0].text("status"))
		require.Equal(t, "dial_busy", attempts[1].text("end_reason"))
	})
}

// busyBatch is a batch of which nobody can be reached.
func (w *world) busyBatch(n int) string {
	w.tb.Helper()
	for i := range n {
		w.script(i, fake.Behaviour{End: dialer.DialBusy})
	}
	id := w.create(n, "")
	pass(time.Minute)
	return id
}

func TestARetryUnderItsKeyIsDoneOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		id := w.busyBatch(3)
		path := batchesPath + "/" + id + "/retry"
		first := w.post(path, "", idempotencyKey, "k1")
		require.Equal(t, 3, first.is(t, http.StatusOK).object("counts").number("queued"))
		require.Empty(t, first.header.Get("Idempotent-Replayed"))
		pass(time.Minute)
		for _, key := range []string{"k1", `"k1"`} {
			again := w.post(path, "{}", idempotencyKey, key)
			require.Equal(t, 1, again.is(t, http.StatusOK).number("retry_count"))
			require.Equal(t, 3, again.is(t, http.StatusOK).object("counts").number("failed"), "as it is now")
			require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
		}
		next := w.post(path, "", idempotencyKey, "k2")
		require.Equal(t, 2, next.is(t, http.StatusOK).number("retry_count"))
		require.Empty(t, next.header.Get("Idempotent-Replayed"))
		w.post(batchesPath+"/"+id+"/cancel", "").is(t, http.StatusOK)
		require.Equal(t, "true", w.post(path, "", idempotencyKey, "k2").header.Get("Idempotent-Replayed"))
		bad := w.post(path, "", idempotencyKey, "a b").is(t, http.StatusBadRequest)
		require.Equal(t, []string{idempotencyKey}, bad.paths())
		w.post(path, "[]", idempotencyKey, "k2").is(t, http.StatusBadRequest)
		unknown := w.post(batchesPath+"/acb_0/retry", "", idempotencyKey, "k1").is(t, http.StatusNotFound)
		require.Equal(t, "not_found", unknown.text("error_code"))
		theirs := w.ask("globex", http.MethodPost, path, "", idempotencyKey, "k2").is(t, http.StatusNotFound)
		require.Equal(t, "not_found", theirs.text("error_code"))
	})
}

func TestTheKeysOfRetriesAreTheirBatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		w.script(0, fake.Behaviour{End: dialer.DialBusy})
		made := w.post(batchesPath, requestOf(1, ""), idempotencyKey, "k").is(t, http.StatusCreated).text("id")
		other := w.create(1, "")
		pass(time.Minute)
		for _, id := range []string{made, other} {
			got := w.post(batchesPath+"/"+id+"/retry", "", idempotencyKey, "k")
			require.Equal(t, 1, got.is(t, http.StatusOK).number("retry_count"))
			require.Empty(t, got.header.Get("Idempotent-Replayed"))
		}
		replayed := w.post(batchesPath, requestOf(1, ""), idempotencyKey, "k")
		require.Equal(t, made, replayed.is(t, http.StatusCreated).text("id"))
	})
}

func TestTheKeyOfARetryInFlightIsAConflict(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var hold atomic.Bool
		release := make(chan struct{})
		w := newWorld(t, storetest.NewFaults(memory.New(), func(p storetest.Point) storetest.Fault {
			if p.Method == "Change" && hold.Load() {
				return storetest.Fault{Wait: release}
			}
			return storetest.Fault{}
		}))
		w.run()
		id := w.busyBatch(2)
		path := batchesPath + "/" + id + "/retry"
		hold.Store(true)
		first := make(chan answer, 1)
		go func() { first <- w.post(path, "", idempotencyKey, "k") }()
		synctest.Wait()
		got := w.post(path, "", idempotencyKey, "k")
		require.Equal(t, "idempotency_key_in_use", got.is(t, http.StatusConflict).text("error_code"))
		require.Equal(t, "1", got.header.Get("Retry-After"))
		w.post(batchesPath+"/acb_0/retry", "", idempotencyKey, "k").is(t, http.StatusNotFound) // of another batch
		w.post(batchesPath, requestOf(1, ""), idempotencyKey, "k").is(t, http.StatusCreated)
		hold.Store(false)
		close(release)
		require.Equal(t, 1, (<-first).is(t, http.StatusOK).number("retry_count"))
		replayed := w.post(path, "", idempotencyKey, "k")
		require.Equal(t, "true", replayed.header.Get("Idempotent-Replayed"))
	})
}

// recipient is the id of a recipient of a batch.
func (w *world) recipient(batchID string, i int) string {
	w.tb.Helper()
	return w.get(batchesPath+"/"+batchID).is(w.tb, http.StatusOK).list("recipients")[i].text("id")
}

func TestPauseAndResume(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		id := w.create(3, `"paused":true,`)
		pass(time.Minute)
		resumed := w.post(batchesPath+"/"+id+"/resume", "").is(t, http.StatusOK)
		require.NotContains(t, resumed, "paused_at")
		pass(time.Minute)
		require.Equal(t, "completed", w.get(batchesPath+"/"+id).is(t, http.StatusOK).text("status"))
		next := w.create(3, `"paused":true,`)
		require.Equal(t, "2000-01-01T00:02:00Z", w.post(batchesPath+"/"+next+"/pause", "{}").is(t, http.StatusOK).text("paused_at"))
	})
}

func TestPatch(t *testing.T) {
	w := newWorld(t, nil)
	id := w.create(3, "")
	patch := func(body string, headers ...string) answer {
		return w.ask(org, http.MethodPatch, batchesPath+"/"+id, body, headers...)
	}
	require.Equal(t, 7, patch(`{"target_concurrency_limit":7}`).is(t, http.StatusOK).number("target_concurrency_limit"))
	for _, body := range []string{`{}`, `{"target_concurrency_limit":0}`, `{"target_concurrency_limit":11}`, `{"target_concurrency_limit":null}`} {
		require.Equal(t, []string{"target_concurrency_limit"}, patch(body).is(t, http.StatusBadRequest).paths(), body)
	}
	patch(`{"target_concurrency_limit":7}`, "Content-Type", "text/csv").is(t, http.StatusUnsupportedMediaType)
	require.Equal(t, 7, w.get(batchesPath+"/"+id).is(t, http.StatusOK).number("target_concurrency_limit"))
}

func TestChangesHaveNothingToSay(t *testing.T) {
	w := newWorld(t, nil)
	id := w.create(3, "")
	for _, action := range []string{"cancel", "retry", "pause", "resume"} {
		for _, body := range []string{"[]", "null", "x", "{", "{} {}"} {
			w.post(batchesPath+"/"+id+"/"+action, body).is(t, http.StatusBadRequest)
		}
	}
	w.post("/agents/calls/call_0/cancel", "[]").is(t, http.StatusBadRequest)
	require.Equal(t, "pending", w.get(batchesPath+"/"+id).is(t, http.StatusOK).text("status"))
}
