package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
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
