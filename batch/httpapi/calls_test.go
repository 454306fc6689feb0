package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
)

func TestCallsNeedABatchOrAnAgent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		id := w.create(3, "")
		pass(time.Minute)
		require.Equal(t, []string{"batch_id", "agent_id"}, w.get("/agents/calls").is(t, http.StatusBadRequest).paths())
		require.Equal(t, []string{"batch_id", "limit"}, w.get("/agents/calls?batch_id=&limit=0").is(t, http.StatusBadRequest).paths())
		for query, n := range map[string]int{
			"batch_id=" + id: 3, "agent_id=agent": 3, "batch_id=" + id + "&agent_id=agent": 3,
			"batch_id=" + id + "&agent_id=other": 0, "batch_id=acb_0": 0, "agent_id=nobody": 0,
		} {
			require.Len(t, w.get("/agents/calls?"+query).is(t, http.StatusOK).list("data"), n, query)
		}
	})
}

func TestTimesOfListsAreInclusive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		var ids []string
		for range 3 {
			pass(1500 * time.Millisecond) // at 1.5, 3 and 4.5 seconds
			ids = append(ids, w.create(1, ""))
		}
		pass(time.Minute)
		for query, n := range map[string]int{
			"_gte=2000-01-01T00:00:03Z":                                    2,
			"_gte=2000-01-01T00:00:03.0000001Z":                            1, // a tenth of a microsecond later
			"_lte=2000-01-01T00:00:03Z":                                    2,
			"_lte=2000-01-01T00:00:03.0000009Z":                            2,
			"_lte=2000-01-01T00:00:02.999999999Z":                          1,
			"_gte=2000-01-01T00:00:03Z&{}_lte=2000-01-01T00:00:03Z":        1,
			"_gte=2000-01-01T02:00:03%2B02:00&{}_lte=2000-01-01T00:00:03Z": 1,
			"_gte=2000-01-01T00:00:04.500001Z":                             0,
			"_gte=2000-01-01T00:00:04Z&{}_lte=2000-01-01T00:00:02Z":        0,
		} {
			for path, name := range map[string]string{batchesPath + "?": "created_at", "/agents/calls?agent_id=agent&": "start_time"} {
				got := w.get(path+strings.ReplaceAll(name+query, "{}", name)).is(t, http.StatusOK)
				require.Len(t, got.list("data"), n, path+query)
			}
		}
		require.Equal(t, ids[0], w.get(batchesPath+"?created_at_lte=2000-01-01T00:00:01.5Z").is(t, http.StatusOK).list("data")[0].text("id"))
	})
}

func TestListsAreFiltered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.script(1, fake.Behaviour{End: "dial_busy"})
		w.script(2, fake.Behaviour{End: "agent_hangup"})
		w.script(3, fake.Behaviour{Fault: fake.Refuse})
		w.run()
		id := w.create(4, "")
		pass(time.Minute)
		for range 3 {
			w.create(1, `"paused":true,`)
		}
		w.post(batchesPath+"/"+w.create(2, `"paused":true,`)+"/cancel", "").is(t, http.StatusOK)
		for query, n := range map[string]int{
			"": 5, "?status=pending": 3, "?status=pending,completed": 4, "?status=cancelled&status=completed": 2,
			"?status=failed": 0, "?agent_id=agent": 5, "?agent_id=nobody": 0, "?unknown=1": 5,
		} {
			require.Len(t, w.get(batchesPath+query).is(t, http.StatusOK).list("data"), n, query)
		}
		for query, n := range map[string]int{
			"": 4, "?status=completed": 2, "?status=failed,completed": 4, "?status=queued": 0,
			"?end_reason=dial_busy": 1, "?end_reason=dial_busy,agent_hangup": 2, "?status=completed&end_reason=dial_busy": 0,
		} {
			require.Len(t, w.get(batchesPath+"/"+id+"/recipients"+query).is(t, http.StatusOK).list("data"), n, query)
		}
		for path, want := range map[string][]string{
			batchesPath + "?status=done&created_at_gte=today&limit=101":        {"limit", "status", "created_at_gte"},
			batchesPath + "?Limit=5":                                           {"Limit"},
			batchesPath + "?limit=5&limit=6":                                   {"limit"},
			batchesPath + "/" + id + "/recipients?status=done&end_reason=busy": {"status", "end_reason"},
			"/agents/calls?agent_id=a&start_time_lte=now":                      {"start_time_lte"},
			batchesPath + "/" + id + "/results?style=pretty":                   {"style"},
		} {
			require.ElementsMatch(t, want, w.get(path).is(t, http.StatusBadRequest).paths(), path)
		}
	})
}

func TestCancelCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.script(0, fake.Behaviour{Ring: fake.Forever})
		w.script(1, fake.Behaviour{Talk: time.Hour})
		w.run()
		id := w.create(3, "")
		pass(time.Second)
		calls := w.get(batchesPath+"/"+id).is(t, http.StatusOK).list("recipients")
		for i, status := range []string{"failed", "completed"} {
			call := "/agents/calls/" + calls[i].text("agent_call_id")
			require.Equal(t, true, w.post(call+"/cancel", "").is(t, http.StatusOK)["cancelled"])
			pass(time.Second)
			got := w.get(call).is(t, http.StatusOK)
			require.Equal(t, "api_cancelled", got.text("end_reason"))
			require.Equal(t, status, got.text("status"))
		}
		over := w.post("/agents/calls/"+calls[2].text("agent_call_id")+"/cancel", "").is(t, http.StatusBadRequest)
		require.Equal(t, "call_over", over.text("error_code"))
		w.post("/agents/calls/"+calls[2].text("agent_call_id")+"/hang_up", "").is(t, http.StatusNotFound)
	})
}
