package batch

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The fingerprint of a request as it was when fingerprints were first stored. One that changes
// has every client that repeats a request over an upgrade told that its key is another's.
func TestFingerprintsStayAsTheyAre(t *testing.T) {
	least := Request{Name: "n", AgentID: "a", NumberID: "m", Recipients: []RecipientRequest{{To: "+442079460101"}}}
	require.Equal(t, "9674a216", fingerprint(least)[:8])
	whole := least
	whole.Target, whole.Weight, whole.RingTimeout, whole.MaxDuration = 1, 2, time.Second*30, time.Hour
	whole.ScheduledAt, whole.Region, whole.Paused = time.Unix(1_800_000_000, 0), "EU", true
	whole.Recipients = []RecipientRequest{{To: "+442079460101", Metadata: json.RawMessage(`{"a":1}`)}, {To: "+442079460102"}}
	require.Equal(t, "d246febe", fingerprint(whole)[:8])
	whole.Key, whole.KeyUntil = "k", time.Unix(1, 0)
	require.Equal(t, "d246febe", fingerprint(whole)[:8], "the key is not part of it")
}

// Where one is hashed in pieces makes no difference: it is that of before there were pieces.
func TestFingerprintsOfLargeRequestsStayAsTheyAre(t *testing.T) {
	r := Request{Name: "n", AgentID: "a", NumberID: "m"}
	for i := range 600 {
		r.Recipients = append(r.Recipients, RecipientRequest{
			To: fmt.Sprintf("+4420794%05d", i), Metadata: json.RawMessage(`{"a":"` + strings.Repeat("x", i*i%(12_000)) + `"}`),
		})
	}
	require.Equal(t, "2df85a786a4dcf56ecc8ad21a0a7bf5b5abd397bcd109bacae04d2b90d9965c8", fingerprint(r))
}

func TestFingerprintsTellRequestsApart(t *testing.T) {
	base := func() Request {
		return Request{
			Name: "n", AgentID: "a", NumberID: "m", Target: 1, Weight: 2, RingTimeout: time.Minute, MaxDuration: time.Hour,
			ScheduledAt: time.Unix(1_800_000_000, 0), Region: "EU", Paused: true,
			Recipients: []RecipientRequest{{To: "1", Metadata: json.RawMessage(`{}`)}, {To: "2"}},
		}
	}
	seen := map[string]string{fingerprint(base()): "unchanged"}
	for name, change := range map[string]func(*Request){
		"name":               func(r *Request) { r.Name = "o" },
		"agent":              func(r *Request) { r.AgentID = "b" },
		"number":             func(r *Request) { r.NumberID = "a" },
		"agent for number":   func(r *Request) { r.AgentID, r.NumberID = "m", "a" },
		"target":             func(r *Request) { r.Target = 2 },
		"weight":             func(r *Request) { r.Weight = 1 },
		"ring timeout":       func(r *Request) { r.RingTimeout += time.Second },
		"duration":           func(r *Request) { r.MaxDuration += time.Minute },
		"time":               func(r *Request) { r.ScheduledAt = r.ScheduledAt.Add(time.Microsecond) },
		"no time":            func(r *Request) { r.ScheduledAt = time.Time{} },
		"region":             func(r *Request) { r.Region = "US" },
		"not paused":         func(r *Request) { r.Paused = false },
		"recipient":          func(r *Request) { r.Recipients[1].To = "3" },
		"recipients swapped": func(r *Request) { r.Recipients[0], r.Recipients[1] = r.Recipients[1], r.Recipients[0] },
		"metadata elsewhere": func(r *Request) {
			r.Recipients[0].Metadata, r.Recipients[1].Metadata = nil, r.Recipients[0].Metadata
		},
		"one more": func(r *Request) { r.Recipients = append(r.Recipients, RecipientRequest{To: "2"}) },
		"one less": func(r *Request) { r.Recipients = r.Recipients[:1] },
	} {
		r := base()
		change(&r)
		f := fingerprint(r)
		require.Empty(t, seen[f], name)
		seen[f] = name
	}
}
