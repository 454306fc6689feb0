package sqlite

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// plan is what SQLite means to do for a statement, a step a line.
func plan(t *testing.T, s *Store, text string) string {
	t.Helper()
	args := make([]any, 64)
	rows, err := s.readers.query(t.Context(), "EXPLAIN QUERY PLAN "+text, args[:parameters(text)]...)
	steps, err := collect(rows, err, func(scan func(...any) error) (step string, err error) {
		var id, parent, unused int
		err = scan(&id, &parent, &unused, &step)
		return step, err
	})
	require.NoError(t, err, text)
	return strings.Join(steps, "\n")
}

// parameters is how many a text has, counting ?, or the highest number behind one.
func parameters(text string) int {
	plain, highest := 0, 0
	for i := range len(text) {
		if text[i] != '?' {
			continue
		}
		n := 0
		for _, c := range text[i+1:] {
			if c < '0' || c > '9' {
				break
			}
			n = n*10 + int(c-'0')
		}
		if n == 0 {
			plain++
		}
		highest = max(highest, n)
	}
	return max(plain, highest)
}

// Every statement finds its rows through the index that is meant for it: none reads what is
// over, or sorts what an index has in order.
func TestPlansUseTheirIndexes(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	one := 1
	batches := func(q store.BatchQuery) string { text, _ := newBatchList(q).text(); return text }
	calls := func(q store.CallQuery) string { text, _ := callsQuery(q); return text }
	recipients := func(q store.RecipientQuery, p placed) string {
		text, _, err := recipientsQuery(q, p)
		require.NoError(t, err)
		return text
	}
	list, _ := idList(1, make([]string, callChunk))
	inBatch, feed := placed{org: 1, orgRev: 10, batch: 1, size: 100}, store.RecipientQuery{ByRev: true, BatchID: "b"}
	for name, c := range map[string]struct{ text, index string }{
		"batch of a step":      {selectBatch, "INDEX batches_id (org=? AND id=?)"},
		"idempotency key":      {selectSameKey, "INDEX batches_key (org=? AND idem_key=?"},
		"calls of events":      {selectCalls + list, "SEARCH calls USING PRIMARY KEY (org=? AND id=?)"},
		"end of a call":        {updateCall, "SEARCH calls USING PRIMARY KEY (org=? AND id=?)"},
		"fields of a call":     {updateCallThatDiffers, "SEARCH calls USING PRIMARY KEY (org=? AND id=?)"},
		"end of a moved call":  {moveCall, "SEARCH calls USING PRIMARY KEY (org=? AND id=?)"},
		"move of a call":       {moveCallThatDiffers, "SEARCH calls USING PRIMARY KEY (org=? AND id=?)"},
		"end for a recipient":  {updateRecipient, "SEARCH recipients USING INTEGER PRIMARY KEY"},
		"queued again":         {selectAgain, "SEARCH r USING INDEX recipients_again (<expr>=? AND attempts>?)"},
		"queued":               {selectFresh, "SEARCH r USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		"counters of a batch":  {updateBatch, "SEARCH batches USING INTEGER PRIMARY KEY"},
		"replayed claims":      {selectClaimed + " WHERE c.org = ? AND c.id IN " + list + " ORDER BY c.id", "SEARCH c USING PRIMARY KEY (org=? AND id=?)"},
		"cancel":               {moveFresh, "SEARCH recipients USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		"batches":              {batches(store.BatchQuery{After: "x"}), "INDEX batches_id (org=? AND id<?)"},
		"batches before":       {batches(store.BatchQuery{Before: "x"}), "INDEX batches_id (org=? AND id>?)"},
		"batches of an agent":  {batches(store.BatchQuery{AgentID: "x", After: "y"}), "INDEX batches_agent (org=? AND agent=? AND id<?)"},
		"open batches":         {batches(store.BatchQuery{Open: true}), "INDEX batches_open (org=?)"},
		"open of an agent":     {batches(store.BatchQuery{AgentID: "x", Open: true}), "INDEX batches_agent_status (org=? AND agent=? AND status=? AND open=?)"},
		"key's batch":          {batches(store.BatchQuery{Key: "k"}), "INDEX batches_key (org=? AND idem_key=? AND id=?)"},
		"bounds of times":      {selectBounds, "INDEX batches_created (org=? AND <expr><?)"},
		"later bound of times": {selectBounds, "INDEX batches_created (org=? AND <expr>>?)"},
		"batches since":        {batches(store.BatchQuery{ByRev: true}), "INDEX batches_rev (org=? AND rev>?)"},
		"recipients":           {recipients(store.RecipientQuery{BatchID: "b", Statuses: []fsm.RecipientStatus{1}}, inBatch), "SEARCH r USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		"recipients before":    {recipients(store.RecipientQuery{BatchID: "b", Before: 7}, inBatch), "SEARCH r USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		"feed":                 {recipients(store.RecipientQuery{ByRev: true}, placed{org: 1}), "INDEX recipients_rev (org=? AND rev>?)"},
		"latest of a batch":    {recipients(feed, inBatch), "INDEX recipients_rev (org=? AND rev>?"},
		"calls":                {calls(store.CallQuery{After: "x"}), "SEARCH c USING PRIMARY KEY (org=? AND id<?)"},
		"calls before":         {calls(store.CallQuery{Before: "x"}), "SEARCH c USING PRIMARY KEY (org=? AND id>?)"},
		"calls of a batch":     {calls(store.CallQuery{BatchID: "b", After: "x"}), "INDEX calls_batch (batch=? AND id<?)"},
		"calls of a recipient": {calls(store.CallQuery{BatchID: "b", Recipient: &one}), "INDEX calls_batch (batch=?"},
		"calls in flight":      {calls(store.CallQuery{InFlight: true, Owner: "n"}), "INDEX calls_in_flight (org=?)"},
		"calls to hang up":     {calls(store.CallQuery{InFlight: true, HangUp: true, Owner: "n"}), "INDEX calls_hang_up (org=?)"},
	} {
		got := plan(t, s, c.text)
		require.Contains(t, got, c.index, name)
		require.NotContains(t, strings.NewReplacer("SCAN v", "", "SCAN p", "").Replace(got), "SCAN", name)
		require.NotContains(t, got, "TEMP B-TREE", name)
	}
}

// Each walk of a filtered list of batches begins and ends where the page does.
func TestPlansOfFilteredListsAreRanges(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	failed, two := []fsm.BatchStatus{fsm.BatchFailed}, []fsm.BatchStatus{fsm.BatchFailed, fsm.BatchPending, fsm.BatchFailed}
	const (
		byStatus   = "SEARCH batches USING INDEX batches_status (org=? AND status=? AND open=? AND id>? AND id<?)"
		byAgent    = "SEARCH batches USING INDEX batches_agent_status (org=? AND agent=? AND status=? AND open=? AND id>? AND id<?)"
		ofAgent    = "SEARCH batches USING INDEX batches_agent (org=? AND agent=? AND id>? AND id<?)"
		byID       = "SEARCH batches USING INDEX batches_id (org=? AND id>? AND id<?)"
		open       = "SEARCH batches USING INDEX batches_open (org=? AND id>? AND id<?)"
		strays     = "SEARCH batches USING INDEX batches_stray (org=?)"
		fromCaller = "SEARCH batches USING INDEX batches_stray (org=? AND id>?)"
	)
	for name, c := range map[string]struct {
		q     store.BatchQuery
		walks map[string]int
	}{
		"status":              {store.BatchQuery{Statuses: failed}, map[string]int{byStatus: 2}},
		"statuses":            {store.BatchQuery{Statuses: two}, map[string]int{byStatus: 4}},
		"open ones":           {store.BatchQuery{Statuses: failed, Open: true}, map[string]int{byStatus: 1}},
		"agent and status":    {store.BatchQuery{Statuses: failed, AgentID: "a"}, map[string]int{byAgent: 2}},
		"open ones of agent":  {store.BatchQuery{AgentID: "a", Open: true}, map[string]int{byAgent: 5}},
		"times":               {store.BatchQuery{CreatedFrom: time.Unix(1, 0)}, map[string]int{byID: 1, strays: 1}},
		"times, a page":       {store.BatchQuery{CreatedTo: time.Unix(1, 0), Before: "b"}, map[string]int{byID: 1, fromCaller: 1}},
		"times and status":    {store.BatchQuery{CreatedFrom: time.Unix(1, 0), Statuses: two}, map[string]int{byStatus: 4, strays: 1}},
		"times and agent":     {store.BatchQuery{CreatedFrom: time.Unix(1, 0), AgentID: "a"}, map[string]int{ofAgent: 1, strays: 1}},
		"times and open ones": {store.BatchQuery{CreatedFrom: time.Unix(1, 0), Open: true}, map[string]int{open: 1, strays: 1}},
	} {
		l := newBatchList(c.q)
		if l.timed {
			l.above, l.below = max(l.above, "a"), "c" // as narrow finds them
		} else {
			l.above, l.below = "a", "c" // as a caller may ask for
		}
		text, _ := l.text()
		got := plan(t, s, text)
		require.NotContains(t, got, "TEMP B-TREE", name)
		walks := map[string]int{}
		for step := range strings.SplitSeq(got, "\n") {
			step = strings.ReplaceAll(step, "COVERING ", "")
			switch {
			case strings.HasPrefix(step, "SEARCH batches"):
				walks[step]++
			case strings.HasPrefix(step, "SCAN"):
				require.Equal(t, "SCAN p", step, name) // what the walks have found
			}
		}
		require.Equal(t, c.walks, walks, name)
	}
}

// These walk an index from end to end: it has nothing but what they are after.
func TestPlansOfWalksUsePartialIndexes(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	require.Contains(t, plan(t, s, selectActive), "SCAN organisations USING INDEX organisations_active")
	require.Contains(t, plan(t, s, selectOrphans), "SCAN calls USING INDEX calls_in_flight")
	counted := plan(t, s, selectCounted)
	require.Contains(t, counted, "SCAN calls USING INDEX calls_in_flight")
	require.Contains(t, counted, "SCAN batches USING INDEX batches_open")
}

func TestManyRowsAreWrittenThroughKeys(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	for text, index := range map[string]string{
		claimRecipients:   "SEARCH recipients USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		insertCalls:       "SEARCH recipients USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		endManyRecipients: "SEARCH recipients USING INTEGER PRIMARY KEY",
		endManyCalls:      "SEARCH calls USING PRIMARY KEY (org=? AND id=?)",
	} {
		got, err := write(t.Context(), s.writer, func(ctx context.Context, c *connection) ([]string, error) {
			rows, err := c.query(ctx, "EXPLAIN QUERY PLAN "+text, make([]any, parameters(text))...)
			return collect(rows, err, func(scan func(...any) error) (step string, err error) {
				var id, parent, unused int
				err = scan(&id, &parent, &unused, &step)
				return step, err
			})
		})
		require.NoError(t, err)
		require.Contains(t, strings.Join(got, "\n"), index)
	}
}
