package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

// pageAt asks for a page and checks what holds for every page.
func (w *world) pageAt(tb require.TestingT, path string, limit int, param, cursor string) (ids []string, next string) {
	w.tb.Helper()
	query := fmt.Sprintf("limit=%d", limit)
	if cursor != "" {
		query += "&" + param + "=" + cursor
	}
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	o := w.get(path+sep+query).is(w.tb, http.StatusOK)
	for _, x := range o.list("data") {
		ids = append(ids, x.text("id"))
	}
	next = o.text("next_page")
	require.Contains(tb, o, "next_page")
	require.Equal(tb, next != "", o["has_more"])
	require.LessOrEqual(tb, len(ids), limit)
	if next != "" {
		require.Len(tb, ids, limit, "only the last page is shorter")
	}
	return ids, next
}

// walk follows next_page from a cursor to the end.
func (w *world) walk(tb require.TestingT, path string, limit int, param, cursor string) (all []string) {
	for {
		ids, next := w.pageAt(tb, path, limit, param, cursor)
		if param == "ending_before" {
			all = append(ids, all...)
		} else {
			all = append(all, ids...)
		}
		if next == "" {
			return all
		}
		cursor = next
	}
}

// newLists makes a world with n batches, a batch of n recipients and n calls, and returns the
// path of each list with the ids that it must have, in their order.
func newLists(t *testing.T, n int) (*world, map[string][]string) {
	t.Helper()
	w := newWorld(t, nil)
	w.run()
	paths := []string{batchesPath + "?agent_id=other"}
	if n == 0 {
		paths = append(paths, "/agents/calls?agent_id=other")
	} else {
		id := w.create(n, "")
		w.awaitOver(id)
		paths = append(paths, batchesPath+"/"+id+"/recipients", "/agents/calls?batch_id="+id, "/agents/calls?agent_id=agent")
	}
	for range n {
		w.post(batchesPath, strings.Replace(requestOf(1, `"paused":true,`), `"agent"`, `"other"`, 1)).is(t, http.StatusCreated)
	}
	lists := map[string][]string{}
	for _, path := range paths {
		lists[path] = w.truth(t, path)
		require.Len(t, lists[path], n)
	}
	return w, lists
}

// truth is what the engine says of a list.
func (w *world) truth(t *testing.T, path string) (ids []string) {
	t.Helper()
	u, err := url.Parse(path)
	require.NoError(t, err)
	q := u.Query()
	switch {
	case strings.HasSuffix(u.Path, "/recipients"):
		id := strings.Split(u.Path, "/")[4]
		found, err := w.engine.Recipients(t.Context(), store.RecipientQuery{Org: org, BatchID: id})
		require.NoError(t, err)
		for _, x := range found {
			ids = append(ids, x.ID())
		}
	case u.Path == "/agents/calls":
		found, err := w.engine.Calls(t.Context(), store.CallQuery{
			Org: org, BatchID: q.Get("batch_id"), AgentID: q.Get("agent_id"),
		})
		require.NoError(t, err)
		for _, x := range found {
			ids = append(ids, x.ID)
		}
	default:
		found, err := w.engine.Batches(t.Context(), store.BatchQuery{Org: org, AgentID: q.Get("agent_id")})
		require.NoError(t, err)
		for _, x := range found {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

func (w *world) requireWhole(tb require.TestingT, path string, ids []string, limit int) {
	w.tb.Helper()
	require.Equal(tb, ids, w.walk(tb, path, limit, "starting_after", ""), "%s by %d", path, limit)
	if last := len(ids) - 1; last >= 0 {
		back := w.walk(tb, path, limit, "ending_before", ids[last])
		require.True(tb, slices.Equal(ids[:last], back), "%s backwards by %d", path, limit)
	}
}

func TestPagesAreTheWholeListInBothDirections(t *testing.T) {
	for _, n := range []int{0, 1, 9, 10, 11} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w, lists := newLists(t, n)
			for path, ids := range lists {
				for limit := 1; limit <= 100; limit++ {
					w.requireWhole(t, path, ids, limit)
				}
			}
		})
	}
	t.Run("205", func(t *testing.T) {
		w, lists := newLists(t, 205)
		rapid.Check(t, func(rt *rapid.T) {
			path := rapid.SampledFrom(slices.Sorted(maps.Keys(lists))).Draw(rt, "path")
			w.requireWhole(rt, path, lists[path], rapid.IntRange(1, 100).Draw(rt, "limit"))
		})
	})
}

// From anywhere, in any direction, a page is what stands next to the cursor in the list.
func TestAnyPageStandsNextToItsCursor(t *testing.T) {
	w, lists := newLists(t, 30)
	paths := slices.Sorted(maps.Keys(lists))
	rapid.Check(t, func(rt *rapid.T) {
		path := rapid.SampledFrom(paths).Draw(rt, "path")
		all := lists[path]
		limit, at := rapid.IntRange(1, 100).Draw(rt, "limit"), rapid.IntRange(0, len(all)-1).Draw(rt, "at")
		ids, next := w.pageAt(rt, path, limit, "starting_after", all[at])
		require.True(rt, slices.Equal(all[at+1:min(at+1+limit, len(all))], ids))
		require.Equal(rt, at+1+limit < len(all), next != "")
		if next != "" {
			require.Equal(rt, ids[len(ids)-1], next)
		}
		ids, next = w.pageAt(rt, path, limit, "ending_before", all[at])
		require.True(rt, slices.Equal(all[max(at-limit, 0):at], ids))
		require.Equal(rt, at-limit > 0, next != "")
		if next != "" {
			require.Equal(rt, ids[0], next)
		}
	})
}

func TestCursorsThatAreNoEntryOfTheList(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.run()
		mine, second := w.create(3, ""), w.create(3, "")
		pass(time.Minute)
		theirs := w.ask("globex", http.MethodPost, batchesPath, requestOf(3, "")).is(t, http.StatusCreated).text("id")
		pass(time.Minute)
		calls := func(org, id string) string {
			return w.ask(org, http.MethodGet, "/agents/calls?batch_id="+id, "").is(t, http.StatusOK).list("data")[0].text("id")
		}
		attempts := batchesPath + "/" + mine + "/recipients/" + store.RecipientID(mine, 1) + "/calls?"
		for _, param := range []string{"starting_after", "ending_before"} {
			for path, cursors := range map[string][]string{
				batchesPath + "?":                         {theirs, "acb_0", "x", store.RecipientID(mine, 0)},
				batchesPath + "?agent_id=other&":          {mine},
				batchesPath + "/" + mine + "/recipients?": {store.RecipientID(theirs, 0), store.RecipientID(second, 0), store.RecipientID(mine, 3), mine, "x"},
				"/agents/calls?agent_id=agent&":           {calls("globex", theirs), "call_0", mine},
				"/agents/calls?batch_id=" + mine + "&":    {calls(org, second)},
				"/agents/calls?agent_id=other&":           {calls(org, second)},
				attempts:                                  {calls(org, second), calls(org, mine) /* of recipient 2 */},
			} {
				for _, cursor := range cursors {
					got := w.get(path+param+"="+cursor).is(t, http.StatusBadRequest)
					require.Equal(t, []string{param}, got.paths(), "%s %s", path, cursor)
					require.Equal(t, "expected the id of an entry of this list", got.list("errors")[0].text("message"))
				}
			}
		}
		both := w.get(batchesPath+"?starting_after="+mine+"&ending_before="+second).is(t, http.StatusBadRequest)
		require.Equal(t, []string{"ending_before"}, both.paths())
	})
}

func TestWaitingCountsAlong(t *testing.T) {
	refuse, talk := fake.Behaviour{Fault: fake.Refuse}, fake.Behaviour{Talk: time.Hour}
	tests := map[string]struct {
		target int
		script map[int][]fake.Behaviour
		before []string // what is asked for before the batch is paused
		queued []int    // in their order, once those who have failed are queued again
	}{
		"behind those never called": {
			target: 5,
			script: map[int][]fake.Behaviour{
				3: {refuse, talk}, 7: {refuse, talk}, 20: {refuse, talk},
				25: {talk}, 26: {talk}, 27: {talk}, 28: {talk}, 29: {talk},
			},
			queued: []int{30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 3, 7, 20},
		},
		"behind those called less often": {
			target: 2,
			script: map[int][]fake.Behaviour{
				3: {refuse, refuse, talk}, 7: {refuse, refuse, talk}, 12: {refuse, talk}, 20: {refuse, talk},
				25: {refuse, talk}, 26: {refuse, talk},
			},
			before: []string{"retry"}, // 3 and 7 are refused again, 12 and 20 talk
			queued: []int{25, 26, 3, 7},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, nil)
				for i, behaviours := range test.script {
					w.script(i, behaviours...)
				}
				w.run()
				id := w.create(40, fmt.Sprintf(`"target_concurrency_limit":%d,`, test.target))
				for _, action := range append(test.before, "pause", "retry") {
					pass(10 * time.Minute)
					w.post(batchesPath+"/"+id+"/"+action, "").is(t, http.StatusOK)
				}
				w.standsInLine(t, id, test.queued)
			})
		})
	}
}

// standsInLine asks for the recipients of a paused batch in every way that there is.
func (w *world) standsInLine(t *testing.T, id string, queued []int) {
	t.Helper()
	path := batchesPath + "/" + id + "/recipients"
	stands := func(x object, where string) {
		t.Helper()
		_, index, err := store.ParseRecipientID(x.text("id"))
		require.NoError(t, err)
		position := slices.Index(queued, index)
		require.Equal(t, position >= 0, x.text("status") == "queued")
		if position < 0 {
			require.NotContains(t, x, "waiting")
			return
		}
		require.Equal(t, string(batch.WaitPaused), x.object("waiting").text("reason"))
		require.Equal(t, position, x.object("waiting").number("position"), "%d %s", index, where)
	}
	for _, filter := range []string{"?", "?status=queued&", "?status=queued,failed&status=started&"} {
		for limit := 1; limit <= 40; limit++ {
			for cursor := ""; ; {
				o := w.get(fmt.Sprintf("%s%slimit=%d%s", path, filter, limit, cursor)).is(t, http.StatusOK)
				for _, x := range o.list("data") {
					stands(x, fmt.Sprintf("on a page of %d", limit))
				}
				if o["next_page"] == nil {
					break
				}
				cursor = "&starting_after=" + o.text("next_page")
			}
		}
	}
	for _, index := range queued {
		stands(w.get(path+"/"+store.RecipientID(id, index)).is(t, http.StatusOK), "alone")
	}
	whole := w.get(batchesPath+"/"+id).is(t, http.StatusOK)
	for _, x := range whole.list("recipients") {
		stands(x, "in the batch")
	}
	require.Equal(t, 0, whole.object("waiting").number("position"))
}
