package remote

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func recipientJSON(i int, more string) string {
	return fmt.Sprintf(`{"id": %q, "to_number": "+44%d", "created_at": "2026-06-15T16:00:00Z", "attempts": 1,
		"last_updated_at": "2026-06-15T16:00:00Z", %s}`, store.RecipientID(batchID, i), i, more)
}

func TestAWholeBatchIsRead(t *testing.T) {
	text := `{"recipients": [` + strings.Join([]string{
		recipientJSON(0, `"status": "failed", "error_message": "no carrier"`),
		recipientJSON(1, `"status": "completed", "end_reason": "agent_hangup", "agent_call_id": "call_1", "metadata": {"n": 1e400}`),
		recipientJSON(2, `"status": "queued", "metadata": null, "waiting": {"reason": "paused", "detail": "it is", "position": 3}`),
	}, ",") + "]," + aBatch[1:]
	s := newScript(t, Config{}, say(http.StatusOK, text[:len(text)/2]), say(http.StatusOK, text[:len(text)-1]), say(http.StatusOK, text))
	b, rs, err := s.client.Whole(t.Context(), batchID)
	require.NoError(t, err)
	require.Len(t, s.seen(), 3, "half an answer is none")
	require.Equal(t, "n", b.Name)
	require.Equal(t, 1, b.Counts.Unplaced)
	require.Len(t, rs, 3)
	require.Equal(t, "no carrier", rs[0].Error)
	require.Equal(t, store.Recipient{
		BatchID: batchID, Index: 1, To: "+441", Metadata: json.RawMessage(`{"n": 1e400}`), Status: fsm.Completed, Attempts: 1,
		CallID: "call_1", EndReason: "agent_hangup", CreatedAt: day(16, 0, 0, 0), UpdatedAt: day(16, 0, 0, 0),
	}, rs[1])
	require.Nil(t, rs[2].Metadata)
	b, err = s.client.Batch(t.Context(), batchID)
	require.NoError(t, err)
	require.Equal(t, Unknown, b.Counts.Unplaced)
}

func TestStatusesTellWhoWasNotCalled(t *testing.T) {
	for status, want := range map[string]int{"failed": 5, "completed": Unknown} {
		text := strings.Replace(aBatch, "in_progress", status, 1)
		s := newScript(t, Config{}, say(http.StatusOK, text), say(http.StatusOK, strings.Replace(text, `"failed": 5`, `"failed": 0`, 1)))
		b, err := s.client.Cancel(t.Context(), batchID)
		require.NoError(t, err)
		require.Equal(t, want, b.Counts.Unplaced)
		b, err = s.client.Cancel(t.Context(), batchID)
		require.NoError(t, err)
		require.Zero(t, b.Counts.Unplaced)
	}
	s := newScript(t, Config{}, say(http.StatusOK, strings.Replace(aBatch, `"failed": 5`, `"failed": 5, "failed_before_call": 2`, 1)))
	b, err := s.client.Cancel(t.Context(), batchID)
	require.NoError(t, err)
	require.Equal(t, 2, b.Counts.Unplaced)
}

func TestARecipientIsRead(t *testing.T) {
	s := newScript(t, Config{}, say(http.StatusOK, recipientJSON(2,
		`"status": "queued", "waiting": {"reason": "pacing", "detail": "d", "position": 3, "until": "2026-06-15T18:00:00Z"}`)))
	r, w, err := s.client.Recipient(t.Context(), store.RecipientID(batchID, 2))
	require.NoError(t, err)
	require.Equal(t, 2, r.Index)
	require.Equal(t, batch.Waiting{Reason: batch.WaitPacing, Detail: "d", Position: 3, Until: day(18, 0, 0, 0)}, w)
	_, _, err = s.client.Recipient(t.Context(), "acr_x")
	require.ErrorIs(t, err, batch.ErrNotFound)
	require.Len(t, s.seen(), 1)
}

func TestWaitingIsThatOfTheNext(t *testing.T) {
	s := newScript(t, Config{}, say(http.StatusOK, `{"data": [], "next_page": null, "has_more": false}`),
		say(http.StatusOK, `{"data": [`+recipientJSON(0, `"status": "queued", "waiting": {"reason": "paused", "detail": "d", "position": 0}`)+`]}`))
	w, err := s.client.Waiting(t.Context(), batchID)
	require.NoError(t, err)
	require.Zero(t, w)
	w, err = s.client.Waiting(t.Context(), batchID)
	require.NoError(t, err)
	require.Equal(t, batch.WaitPaused, w.Reason)
	require.Equal(t, "limit=100&status=queued", s.seen()[0].URL.RawQuery)
}

// Who was queued again waits behind those who were never called, whatever the order of the batch.
func TestTheNextNeedNotBeTheFirst(t *testing.T) {
	waits := func(i, position int) string {
		return recipientJSON(i, fmt.Sprintf(`"status": "queued", "waiting": {"reason": "pacing", "detail": "%d", "position": %d}`, i, position))
	}
	s := newScript(t, Config{},
		say(http.StatusOK, `{"data": [`+waits(0, 4)+`,`+waits(1, 5)+`], "next_page": "x", "has_more": true}`),
		say(http.StatusOK, `{"data": [`+waits(2, 0)+`,`+waits(3, 1)+`], "next_page": "y", "has_more": true}`))
	w, err := s.client.Waiting(t.Context(), batchID)
	require.NoError(t, err)
	require.Equal(t, batch.Waiting{Reason: batch.WaitPacing, Detail: "2"}, w)
	require.Len(t, s.seen(), 2, "no further than to the next one")
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	page := func(more bool, next string, ids ...int) http.HandlerFunc {
		var data []string
		for _, i := range ids {
			data = append(data, recipientJSON(i, `"status": "queued"`))
		}
		return say(http.StatusOK, fmt.Sprintf(`{"data": [%s], "next_page": %s, "has_more": %t}`, strings.Join(data, ","), next, more))
	}
	s := newScript(t, Config{}, page(true, `"x"`, 0, 1), page(true, `"y"`, 2), page(false, "null", 3))
	var seen []int
	for r, err := range s.client.Recipients(t.Context(), batchID) {
		require.NoError(t, err)
		seen = append(seen, r.Index)
	}
	require.Equal(t, []int{0, 1, 2, 3}, seen)
	require.Equal(t, "limit=100", s.seen()[0].URL.RawQuery)
	require.Equal(t, "limit=100&starting_after=y", s.seen()[2].URL.RawQuery)

	s = newScript(t, Config{}, page(true, `"x"`, 0, 1), say(http.StatusNotFound, "{}"))
	for _, err := range s.client.Recipients(t.Context(), batchID) {
		require.NoError(t, err)
		break
	}
	require.Len(t, s.seen(), 1, "no more than was asked for")
	var last error
	for _, last = range s.client.Batches(t.Context(), "an agent", true) { //nolint:revive // the last one is wanted
	}
	require.ErrorContains(t, last, "reading the batches: the server answered 404")
	require.Equal(t, "agent_id=an+agent&limit=100&open=true", s.seen()[1].URL.RawQuery)
}

func TestCallsAreRead(t *testing.T) {
	s := newScript(t, Config{}, say(http.StatusOK, `{"data": [{"id": "call_1", "agent_id": "a", "status": "created",
		"start_time": "2026-06-15T16:00:00Z", "rang_at": "2026-06-15T16:00:01Z", "connected_at": "2026-06-15T16:00:02Z",
		"end_time": "2026-06-15T16:00:03Z", "end_reason": "error", "error_message": "m", "batch_id": "b",
		"recipient_id": "`+store.RecipientID(batchID, 7)+`", "attempt": 2, "carrier": "c", "telephony_params": {"to": "+1"}}]}`),
		say(http.StatusOK, `{"data": [{"id": "call_1", "status": "created", "recipient_id": "?"}]}`),
		say(http.StatusOK, `{"data": [{"id": "call_1", "status": "?", "recipient_id": "`+store.RecipientID(batchID, 7)+`"}]}`))
	calls, err := s.client.Calls(t.Context(), batchID)
	require.NoError(t, err)
	require.Equal(t, []store.Call{{
		ID: "call_1", AgentID: "a", BatchID: "b", Index: 7, Attempt: 2, Carrier: "c", Status: fsm.Dispatched,
		DispatchedAt: day(16, 0, 0, 0), RangAt: day(16, 0, 1, 0), StartedAt: day(16, 0, 2, 0), EndedAt: day(16, 0, 3, 0),
		EndReason: "error", Error: "m",
	}}, calls)
	for range 2 {
		_, err = s.client.Calls(t.Context(), batchID)
		require.ErrorContains(t, err, `call "call_1" of the server's`)
	}
}
