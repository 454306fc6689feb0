package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/httpapi"
	"github.com/outdial/outdial/store"
)

// What another organisation has is answered in every way as what nobody has.
func TestAnotherOrganisationsThingsDoNotExist(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		theirs := w.create(3, "")
		pass(time.Minute)
		call := w.get("/agents/calls?batch_id="+theirs).is(t, http.StatusOK).list("data")[0].text("id")
		mine := w.ask("globex", http.MethodPost, batchesPath, requestOf(3, "")).is(t, http.StatusCreated).text("id")
		nobodys, err := store.NewBatchID(time.Now(), strings.NewReader("any eleven bytes or more"))
		require.NoError(t, err)
		fill := func(path, batchID, callID string) string {
			return strings.NewReplacer("{batch_id}", batchID, "{recipient_id}", store.RecipientID(batchID, 1),
				"{call_id}", callID, "{action}", "cancel").Replace(path)
		}
		nobodysCall := "call_" + strings.TrimPrefix(store.RecipientID(nobodys, 7), store.RecipientPrefix)

		patterns := httpapi.Patterns()
		for _, cursor := range []string{"starting_after", "ending_before"} {
			patterns = append(patterns, "GET "+batchesPath+"?"+cursor+"={batch_id}",
				"GET /agents/calls?agent_id=agent&"+cursor+"={call_id}",
				"GET "+batchesPath+"/"+mine+"/recipients?"+cursor+"={recipient_id}",
				"GET "+batchesPath+"/"+mine+"/recipients/"+store.RecipientID(mine, 1)+"/calls?"+cursor+"={call_id}")
		}
		patterns = append(patterns, "GET "+batchesPath+"/"+mine+"/recipients/{recipient_id}",
			"GET /agents/calls?batch_id={batch_id}", "GET /agents/calls?batch_id={batch_id}&starting_after={call_id}")
		slices.Sort(patterns)
		tried := 0
		for _, pattern := range patterns {
			method, path, _ := strings.Cut(pattern, " ")
			if !strings.Contains(path, "{") {
				continue
			}
			tried++
			body := ""
			if method == http.MethodPatch {
				body = `{"target_concurrency_limit":1}`
			}
			got := w.ask("globex", method, fill(path, theirs, call), body)
			want := w.ask("globex", method, fill(path, nobodys, nobodysCall), body)
			require.Equal(t, want.status, got.status, pattern)
			require.Equal(t, anonymous(want), anonymous(got), pattern)
			require.NotContains(t, got.body, "+1202", pattern)
			if strings.Contains(path, "?batch_id={batch_id}") && !strings.Contains(path, "starting_after") {
				require.Equal(t, http.StatusOK, got.status)
			} else {
				require.Contains(t, []int{http.StatusNotFound, http.StatusBadRequest}, got.status, pattern)
			}
		}
		require.Greater(t, tried, 20)
		require.Equal(t, "completed", w.get(batchesPath+"/"+theirs).is(t, http.StatusOK).text("status"))
	})
}

// anonymous is an answer without the id of its request.
func anonymous(a answer) string {
	return strings.ReplaceAll(a.body, a.header.Get("X-Request-ID"), "ID")
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		id := w.create(3, "")
		pass(time.Minute)
		call := w.get("/agents/calls?batch_id="+id).is(t, http.StatusOK).list("data")[0].text("id")
		for _, pattern := range httpapi.Patterns() {
			path, ok := strings.CutPrefix(pattern, "GET ")
			if !ok || strings.HasSuffix(path, "/events") {
				continue
			}
			path = strings.NewReplacer("{batch_id}", id, "{recipient_id}", store.RecipientID(id, 1), "{call_id}", call).Replace(path)
			if path == "/agents/calls" {
				path += "?batch_id=" + id
			}
			head, get := w.ask(org, http.MethodHead, path, ""), w.get(path)
			require.Equal(t, http.StatusOK, head.status, path)
			require.Equal(t, get.header.Get("Content-Type"), head.header.Get("Content-Type"), path)
			missing := w.ask(org, http.MethodHead, strings.NewReplacer(id, "acb_0", call, "call_0").Replace(path), "")
			if strings.Contains(path, id+"/") || strings.HasSuffix(path, call) {
				require.Equal(t, http.StatusNotFound, missing.status, path)
			}
		}
	})
}
