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
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		for i := 25; i < 30; i++ {
			w.script(i, fake.Behaviour{Talk: time.Hour})
		}
		for _, i := range []int{3, 7, 20} {
			w.script(i, fake.Behaviour{Fault: fake.Refuse}, fake.Behaviour{Talk: time.Hour})
		}
		w.run()
		id := w.create(40, `"target_concurrency_limit":5,`)
		pass(time.Minute) // 25 to 29 talk, 30 to 39 are queued
		w.post(batchesPath+"/"+id+"/pause", "").is(t, http.StatusOK)
		w.post(batchesPath+"/"+id+"/retry", "").is(t, http.StatusOK) // and 3, 7 and 20 again
		queued := []int{3, 7, 20, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39}
		path := batchesPath + "/" + id + "/recipients"
		for _, filter := range []string{"?", "?status=queued&", "?status=queued,failed&status=started&"} {
			for limit := 1; limit <= 40; limit++ {
				for cursor := ""; ; {
					o := w.get(fmt.Sprintf("%s%slimit=%d%s", path, filter, limit, cursor)).is(t, http.StatusOK)
					for _, x := range o.list("data") {
						_, index, err := store.ParseRecipientID(x.text("id"))
						require.NoError(t, err)
						position := slices.Index(queued, index)
						require.Equal(t, position >= 0, x.text("status") == "queued")
						if position >= 0 {
							require.Equal(t, string(batch.WaitPaused), x.object("waiting").text("reason"))
							require.Equal(t, position, x.object("waiting").number("position"), "%d on a page of %d", index, limit)
						} else {
							require.NotContains(t, x, "waiting")
						}
					}
					if o["next_page"] == nil {
						break
					}
					cursor = "&starting_after=" + o.text("next_page")
				}
			}
		}
		one := w.get(path+"/"+store.RecipientID(id, 30)).is(t, http.StatusOK).object("waiting")
		require.Equal(t, 3, one.number("position"))
		whole := w.get(batchesPath+"/"+id).is(t, http.StatusOK)
		require.Equal(t, 12, whole.list("recipients")[39].object("waiting").number("position"))
		require.Equal(t, 0, whole.object("waiting").number("position"))
	})
}
