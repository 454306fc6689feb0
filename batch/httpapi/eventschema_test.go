package httpapi_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/store/memory"
)

// What events carry is not an answer's body, so the transport does not compare it.
func TestEventsAreAsDescribed(t *testing.T) {
	s := newStation(t, memory.New())
	b := newStranger(t, s, ownKey).create(strangersBatch()).JSON201
	var done soaked
	require.Eventually(t, func() bool {
		readInto(t, s, "/agents/calls/batches/"+b.Id, &done)
		return done.Finished == 2
	}, patience, interval)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/agents/calls/batches/"+b.Id+"/events", http.NoBody)
	require.NoError(t, err)
	r.Header.Set("X-Api-Key", ownKey)
	r.Header.Set("Cartesia-Version", "2026-03-01")
	resp, err := s.client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	schemas := map[string]string{"batch": "BatchChange", "recipient": "RecipientChange"}
	kind, seen := "", map[string]int{}
	for lines := bufio.NewScanner(resp.Body); seen["batch"]+seen["recipient"] < 3 && lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			kind = value
		case "data":
			var data any
			require.NoError(t, json.Unmarshal([]byte(value), &data))
			require.NoError(t, s.checked.doc.Components.Schemas[schemas[kind]].Value.VisitJSON(data), value)
			seen[kind]++
		}
	}
	require.Equal(t, map[string]int{"batch": 1, "recipient": 2}, seen)
}
