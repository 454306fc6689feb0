package remote

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func TestARequestSaysWhoAsks(t *testing.T) {
	s := newScript(t, Config{}, say(http.StatusOK, aBatch))
	_, err := s.client.Pause(t.Context(), batchID)
	require.NoError(t, err)
	r := s.seen()[0]
	require.Equal(t, "Bearer "+secret, r.Header.Get("Authorization"))
	require.Equal(t, "2026-08-14", r.Header.Get("Cartesia-Version"))
	require.Equal(t, "/agents/calls/batches/"+batchID+"/pause", r.URL.Path)
	require.Equal(t, http.MethodPost, r.Method)
}

func TestABatchIsRead(t *testing.T) {
	s := newScript(t, Config{}, say(http.StatusOK, aBatch))
	b, err := s.client.Resume(t.Context(), batchID)
	require.NoError(t, err)
	require.Equal(t, store.Batch{
		ID: batchID, Name: "n", AgentID: "a", NumberID: "f", Region: "EU", Target: 4, Weight: 1,
		RingTimeout: time.Minute, MaxDuration: 8 * time.Hour, RetryCount: 2,
		CreatedAt: day(16, 0, 0, 0), UpdatedAt: day(16, 0, 1, 250e6), PausedAt: day(17, 0, 0, 0),
		Counts: fsm.Counts{Queued: 1, Dispatched: 2, Started: 3, Completed: 4, Failed: 5, Unplaced: Unknown},
	}, b)
}

func TestWhatMayBeRepeatedIs(t *testing.T) {
	ask := map[string]func(context.Context, *Client) error{
		"cancel": func(ctx context.Context, c *Client) error { _, err := c.Cancel(ctx, batchID); return err },
		"target": func(ctx context.Context, c *Client) error { _, err := c.SetTarget(ctx, batchID, 3); return err },
		"read":   func(ctx context.Context, c *Client) error { _, err := c.Batch(ctx, batchID); return err },
		"create": func(ctx context.Context, c *Client) error {
			_, err := c.Create(ctx, batch.Request{Key: "k"})
			return err
		},
	}
	for name, do := range ask {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, Config{}, hangUp, say(http.StatusServiceUnavailable, ""), say(http.StatusOK, aBatch))
			require.NoError(t, do(t.Context(), s.client))
			require.Len(t, s.seen(), 3)
			s = newScript(t, Config{}, say(http.StatusInternalServerError, "{}"))
			require.Error(t, do(t.Context(), s.client))
			require.Len(t, s.seen(), tries)
			s = newScript(t, Config{}, say(http.StatusNotFound, `{"error_code": "not_found"}`))
			require.ErrorIs(t, do(t.Context(), s.client), batch.ErrNotFound)
			require.Len(t, s.seen(), 1, "it has understood and refused")
		})
	}
}

func TestARetryIsRepeatedUnderItsKey(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"no answer": hangUp, "unavailable": say(http.StatusServiceUnavailable, ""),
		"broken": say(http.StatusInternalServerError, `{"error_code": "internal_error"}`),
		"half":   say(http.StatusOK, `{"id": `),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, Config{}, slices.Repeat([]http.HandlerFunc{answer}, 2)...)
			s.answers = append(s.answers, say(http.StatusOK, aBatch))
			for range 2 {
				b, err := s.client.Retry(t.Context(), batchID)
				require.NoError(t, err)
				require.Equal(t, batchID, b.ID)
			}
			var keys []string
			for _, r := range s.seen() {
				keys = append(keys, r.Header.Get("Idempotency-Key"))
			}
			require.Len(t, keys, 4)
			require.Regexp(t, `^"[A-Z2-7]{26}"$`, keys[0])
			require.Equal(t, []string{keys[0], keys[0]}, keys[1:3])
			require.NotEqual(t, keys[0], keys[3], "another command is another retry")
		})
	}
}

func TestWhoIsPutOffWaits(t *testing.T) {
	s := newScript(t, Config{}, busy("1"), busy("0"), say(http.StatusOK, aBatch))
	begun := time.Now()
	_, err := s.client.Retry(t.Context(), batchID)
	require.NoError(t, err)
	require.Len(t, s.seen(), 3)
	require.GreaterOrEqual(t, time.Since(begun), time.Second)
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newScript(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		busy("300")(w, r)
		cancel()
	})
	_, err := s.client.Batch(ctx, batchID)
	require.Error(t, err)
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "x": 0, "99999999999": 5 * time.Minute, "400": 5 * time.Minute,
		"Mon, 15 Jun 1970 16:00:00 GMT": 0,
	} {
		require.Equal(t, want, retryAfter(text), text)
	}
	require.Greater(t, retryAfter(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)), 50*time.Second)
}

func TestErrorsTellFieldsAndNoSecret(t *testing.T) {
	s := newScript(t, Config{}, say(http.StatusBadRequest, `{"error_code": "invalid_request", "message": "name: required.",
		"request_id": "x", "errors": [{"path": "name", "message": "required"}, {"path": "weight", "message": "too much"}]}`))
	_, err := s.client.Create(t.Context(), batch.Request{Key: "k"})
	var invalid *batch.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, []batch.FieldError{{Path: "name", Message: "required"}, {Path: "weight", Message: "too much"}}, invalid.Fields)
	for status, want := range map[int]error{
		402: batch.ErrUsageLimit, 422: batch.ErrKeyReused, 400: batch.ErrBatchCancelled,
	} {
		code := map[int]string{402: "usage_limit_reached", 422: "idempotency_key_reused", 400: "batch_cancelled"}[status]
		s := newScript(t, Config{}, say(status, `{"error_code": "`+code+`", "message": "No."}`))
		_, err := s.client.Create(t.Context(), batch.Request{Key: "k"})
		require.ErrorIs(t, err, want)
		require.EqualError(t, err, "the server answered "+code+": No")
	}
	s = newScript(t, Config{}, say(http.StatusTeapot, "<html>"))
	_, err = s.client.Batch(t.Context(), batchID)
	require.ErrorContains(t, err, "the server answered 418 I'm a teapot")
}

func TestTheKeyIsNeverShown(t *testing.T) {
	c, err := New(Config{URL: "http://127.0.0.1:1/base/", Key: secret})
	require.NoError(t, err)
	_, err = c.Batch(t.Context(), batchID)
	require.ErrorContains(t, err, "the server http://127.0.0.1:1 cannot be reached")
	require.NotContains(t, err.Error(), secret)
	for _, cfg := range []Config{
		{URL: "http://user:" + secret + "@h", Key: "k"}, {URL: "http://h?k=" + secret, Key: "k"},
		{URL: secret, Key: "k"}, {URL: "ftp://" + secret, Key: "k"}, {URL: "http://" + secret + ":%zz", Key: "k"},
		{URL: "http://h", Key: secret + "\n"}, {URL: "http://h"}, {},
	} {
		_, err := New(cfg)
		require.Error(t, err)
		require.NotContains(t, err.Error(), secret)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere := newScript(t, Config{}, say(http.StatusOK, aBatch))
	s := newScript(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.client.base.String(), http.StatusTemporaryRedirect)
	})
	_, err := s.client.Cancel(t.Context(), batchID)
	require.ErrorContains(t, err, "307")
	require.Empty(t, elsewhere.seen())
}

func TestACreationIsRepeatedUnderItsKey(t *testing.T) {
	var bodies, keys []string
	note := func(answer http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			text, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			bodies, keys = append(bodies, string(text)), append(keys, r.Header.Get("Idempotency-Key"))
			answer(w, r)
		}
	}
	replayed := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Idempotent-Replayed", "true")
		say(http.StatusCreated, aBatch)(w, r)
	}
	now := strings.Replace(aBatch, `"n"`, `"as it is now"`, 1)
	s := newScript(t, Config{}, note(hangUp), note(replayed), say(http.StatusOK, now))
	b, err := s.client.Create(t.Context(), batch.Request{
		Name: "n", AgentID: "a", NumberID: "f", Key: "run:1", Target: 2, RingTimeout: 5 * time.Second,
		MaxDuration: time.Minute, ScheduledAt: day(9, 0, 0, 0), Region: "EU",
		Recipients: []batch.RecipientRequest{{To: "+1", Metadata: json.RawMessage(`{"n": 12345678901234567890}`)}, {To: "+2"}},
	})
	require.NoError(t, err)
	require.Equal(t, "as it is now", b.Name)
	require.Equal(t, []string{`"run:1"`, `"run:1"`}, keys)
	require.Equal(t, bodies[0], bodies[1])
	require.JSONEq(t, `{"name": "n", "agent_id": "a", "from_number_id": "f", "target_concurrency_limit": 2,
		"ringing_timeout_seconds": 5, "max_call_duration_minutes": 1, "scheduled_at": "2026-06-15T09:00:00Z", "region": "EU",
		"recipients": [{"to_number": "+1", "metadata": {"n": 12345678901234567890}}, {"to_number": "+2"}]}`, bodies[0])
	require.Contains(t, bodies[0], "12345678901234567890")
	s = newScript(t, Config{}, note(say(http.StatusCreated, aBatch)))
	_, err = s.client.Create(t.Context(), batch.Request{Key: `a "b\c`})
	require.NoError(t, err)
	require.Equal(t, `"a \"b\\c"`, keys[len(keys)-1])
	_, err = s.client.Create(t.Context(), batch.Request{})
	require.ErrorContains(t, err, "needs an idempotency key")
}

func TestAnAnswerThatStopsHalfWayIsGivenUp(t *testing.T) {
	stall := func(w http.ResponseWriter, r *http.Request) {
		say(http.StatusOK, `{"id": "`)(w, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	s := newScript(t, Config{IdleTimeout: time.Second}, stall, say(http.StatusOK, aBatch))
	_, err := s.client.Batch(t.Context(), batchID)
	require.NoError(t, err)
	require.Len(t, s.seen(), 2)
	s = newScript(t, Config{IdleTimeout: time.Second}, stall)
	_, err = s.client.Retry(t.Context(), batchID)
	require.ErrorIs(t, err, errIdle)
}
