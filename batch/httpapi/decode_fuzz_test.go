package httpapi

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// checkMistakes wants an error that a client can be told, as 400.
func checkMistakes(t *testing.T, err error) {
	t.Helper()
	if p, ok := errors.AsType[*problem](err); ok {
		require.Equal(t, http.StatusBadRequest, p.status)
		require.NotEmpty(t, p.message)
		return
	}
	e, ok := errors.AsType[*batch.InvalidError](err)
	require.True(t, ok, "neither a problem nor mistakes: %v", err)
	require.NotEmpty(t, e.Fields)
	for _, f := range e.Fields[:min(len(e.Fields), maxErrors)] {
		require.NotEmpty(t, f.Path+f.Message)
		require.NotEmpty(t, f.Message)
	}
}

// checkRequest wants what no request may break that was taken without a word.
func checkRequest(t *testing.T, r batch.Request) {
	t.Helper()
	require.LessOrEqual(t, len(r.Recipients), store.MaxRecipients)
	require.True(t, r.Target >= 0 && r.Target <= math.MaxInt32)
	require.True(t, r.Weight >= 0 && r.Weight <= batch.MaxWeight)
	require.True(t, r.RingTimeout == 0 || r.RingTimeout >= batch.MinRingTimeout && r.RingTimeout <= batch.MaxRingTimeout)
	require.True(t, r.MaxDuration == 0 || r.MaxDuration >= batch.MinMaxDuration && r.MaxDuration <= batch.MaxMaxDuration)
	require.Zero(t, r.RingTimeout%time.Second)
	require.Zero(t, r.MaxDuration%time.Minute)
	require.Empty(t, r.Key)
}

func FuzzDecodeCreate(f *testing.F) {
	for _, s := range []string{
		valid(`"weight":5,"paused":true,"scheduled_at":"2026-06-15T18:00:00.25+02:00",`),
		valid(`"ringing_timeout_seconds":30,"max_call_duration_minutes":10,"region":"EU","target_concurrency_limit":7,`),
		`{"recipients":[{"metadata":{"n":12345678901234567890,"a":[1.0,null,{"b":"\u0000\ud83d\ude00"}]}},{"metadata":null}]}`,
		`{"Name":1,"name":null,"name":2}`, `{"recipients":[{"metadata":{"a":1,"a":2}},5]}`, `{"weight":5.0}`, `[`, `{} {}`, "{\"\xff\":1}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		const most = 256
		r, err := decodeCreate(strings.NewReader(body), version202608, most)
		for _, x := range r.Recipients {
			if x.Metadata != nil {
				checkMetadataOf(t, body, x.Metadata, most)
			}
		}
		if err != nil {
			checkMistakes(t, err)
			return
		}
		checkRequest(t, r)
		// What was taken is what another strict decoder finds. It must not be asked about unknown
		// members, in which it wants no duplicates either.
		require.True(t, jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true)))
		var plain plainRequest
		require.NoError(t, jsonv2.Unmarshal([]byte(body), &plain, jsontext.AllowDuplicateNames(true)))
		require.Equal(t, plain.Name, r.Name)
		require.Equal(t, plain.AgentID, r.AgentID)
		require.Equal(t, plain.NumberID, r.NumberID)
		require.Equal(t, plain.Target, r.Target)
		require.Len(t, r.Recipients, len(plain.Recipients))
		for i, x := range r.Recipients {
			require.Equal(t, plain.Recipients[i].To, x.To)
		}
	})
}

func checkMetadataOf(t *testing.T, body string, m json.RawMessage, most int) {
	t.Helper()
	require.LessOrEqual(t, len(m), most)
	require.Contains(t, body, string(m))
	require.True(t, jsontext.Value(m).IsValid())
	require.Equal(t, byte('{'), m[0])
	require.True(t, json.Valid(m), "the engine would refuse it")
}

func FuzzDecodeTarget(f *testing.F) {
	for _, s := range []string{
		`{"target_concurrency_limit":5}`, `{"target_concurrency_limit":-0}`, `{"x":[{}],"target_concurrency_limit":2147483648}`, `{}`, `5`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		n, err := decodeTarget(strings.NewReader(body))
		if err != nil {
			checkMistakes(t, err)
			return
		}
		require.True(t, n >= 1 && n <= math.MaxInt32)
		var plain struct {
			Target int `json:"target_concurrency_limit"`
		}
		require.NoError(t, jsonv2.Unmarshal([]byte(body), &plain, jsontext.AllowDuplicateNames(true)))
		require.Equal(t, plain.Target, n)
	})
}
