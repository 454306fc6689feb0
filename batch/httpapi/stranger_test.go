package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch/httpapi/internal/original"
	"github.com/outdial/outdial/store"
)

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config internal/original/config.yaml testdata/original.yaml

// TestStranger drives the server with a client that was made for another one: it is generated from the
// original's description, as it comes.
func TestStranger(t *testing.T) {
	eachStore(t, func(t *testing.T, st store.Store) {
		s := newStation(t, st)
		t.Run("Creates", func(t *testing.T) { strangerCreates(t, s) })
		t.Run("NamesEverything", func(t *testing.T) { strangerNamesEverything(t, s) })
		t.Run("IsRefused", func(t *testing.T) { strangerIsRefused(t, s) })
		t.Run("ReadsItsTypes", func(t *testing.T) { strangerReads(t, s) })
	})
}

type stranger struct {
	*original.ClientWithResponses

	t *testing.T
}

func newStranger(t *testing.T, s *station, key string) stranger {
	t.Helper()
	c, err := original.NewClientWithResponses(s.url, original.WithHTTPClient(s.client),
		original.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+key)
			return nil
		}))
	require.NoError(t, err)
	return stranger{c, t}
}

func (s stranger) create(body original.AgentCallBatchRequest) *original.AgentsCreateCallBatchResponse {
	s.t.Helper()
	resp, err := s.AgentsCreateCallBatchWithResponse(s.t.Context(), &original.AgentsCreateCallBatchParams{
		CartesiaVersion: "2026-03-01",
	}, body)
	require.NoError(s.t, err)
	return resp
}

func strangerCreates(t *testing.T, s *station) {
	resp := newStranger(t, s, ownKey).create(strangersBatch())
	require.Equal(t, http.StatusCreated, resp.StatusCode())
	b := resp.JSON201
	require.NotNil(t, b)
	require.Equal(t, original.Pending, b.Status)
	require.True(t, b.Region.Valid())
	require.Equal(t, 2, b.TotalCallsScheduled)
	require.Zero(t, b.TotalCallsDispatched+b.TotalCallsFinished+b.RetryCount)
	require.Equal(t, stationLimit/2, b.TargetConcurrencyLimit)
	require.WithinDuration(t, time.Now(), b.CreatedAt, time.Minute)
	require.Nil(t, b.ScheduledAt)
	require.Nil(t, b.AdmittedAt)
	require.Nil(t, b.Recipients)
}

func strangersBatch() original.AgentCallBatchRequest {
	return original.AgentCallBatchRequest{
		Name: "stranger", AgentId: "agent_1", FromNumberId: "ap_answering",
		Recipients: []original.AgentOutboundCallItem{{ToNumber: "+14155550100"}, {ToNumber: "+14155550101"}},
	}
}

func strangerNamesEverything(t *testing.T, s *station) {
	body := strangersBatch()
	target, ring, duration, at := 2, 30, 10, time.Now().Add(time.Hour).Round(time.Second)
	body.TargetConcurrencyLimit, body.RingingTimeoutSeconds, body.MaxCallDurationMinutes = &target, &ring, &duration
	body.ScheduledAt = &at
	body.Recipients[0].Metadata = &map[string]any{"name": "Ada", "visits": 3, "tags": []string{"a", "b"}}
	b := newStranger(t, s, ownKey).create(body).JSON201
	require.NotNil(t, b)
	require.Equal(t, target, b.TargetConcurrencyLimit)
	require.True(t, at.Equal(*b.ScheduledAt))
}

func strangerIsRefused(t *testing.T, s *station) {
	bad := strangersBatch()
	bad.Recipients[1].ToNumber = "4155550101"
	gone := strangersBatch()
	gone.AgentId = "agent_9"
	theirs := strangersBatch()
	theirs.AgentId, theirs.FromNumberId = "agent_4", "ap_4"
	for _, c := range []struct {
		key    string
		body   original.AgentCallBatchRequest
		status int
	}{
		{ownKey, bad, http.StatusBadRequest},
		{ownKey, gone, http.StatusNotFound},
		{exhaustedKey, theirs, http.StatusPaymentRequired},
		{"od_nobody", strangersBatch(), http.StatusUnauthorized},
	} {
		resp := newStranger(t, s, c.key).create(c.body)
		require.Equal(t, c.status, resp.StatusCode())
		require.Nil(t, resp.JSON201)
		require.True(t, json.Valid(resp.Body))
	}
}

// strangerReads has the types that the client was generated with take what the server says of a batch that was dialled.
func strangerReads(t *testing.T, s *station) {
	body := strangersBatch()
	body.Recipients[0].Metadata = &map[string]any{"name": "Ada"}
	id := newStranger(t, s, ownKey).create(body).JSON201.Id
	var b original.AgentCallBatch
	require.Eventually(t, func() bool {
		b = original.AgentCallBatch{}
		readInto(t, s, "/agents/calls/batches/"+id, &b)
		return b.TotalCallsFinished == 2
	}, patience, interval)
	require.Equal(t, original.Completed, b.Status)
	require.NotNil(t, b.AdmittedAt)
	require.Len(t, *b.Recipients, 2)
	for _, r := range *b.Recipients {
		require.Equal(t, "completed", r.Status)
		require.True(t, r.EndReason.Valid())
		require.NotEmpty(t, *r.AgentCallId)
		require.Nil(t, r.ErrorMessage)
	}
	require.Equal(t, map[string]any{"name": "Ada"}, *(*b.Recipients)[0].Metadata)
}

func readInto(t *testing.T, s *station, path string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
	require.NoError(t, err)
	r.Header.Set("X-Api-Key", ownKey)
	r.Header.Set("Cartesia-Version", "2026-03-01")
	resp, err := s.client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.NoError(t, json.NewDecoder(resp.Body).Decode(into))
}
