// Package contracttest checks over HTTP that a server keeps the contract of batch/httpapi, whatever is
// behind it: another store, a proxy, a host's own program. It knows nothing of the server but its URL.
//
//	func TestContract(t *testing.T) {
//		contracttest.Test(t, contracttest.Harness{BaseURL: server.URL, Key: key, …})
//	}
//
// The suite is a table of requests, each with the answer that it must get, grouped into
// stories: the requests of one follow each other and may use what earlier ones were answered.
// A failure names the rule that was broken. What holds for every answer is checked of every answer.
//
// The package needs nothing but the standard library.
package contracttest

import (
	"net/http"
	"strconv"
	"testing"
	"time"
)

// Harness says where the server is, and what it knows. Everything is required but Client and MaxBody.
//
// The numbers of the first organisation leave by carriers that are known to behave in
// one way each. With package dialer/fake they are these:
//
//	Number        fake://?answer=1&ring=0&talk=0
//	BusyNumber    fake://?busy=1&ring=0
//	RefusedNumber fake://?refused=1&ring=0
//	TalkingNumber fake://?answer=1&ring=0&talk=1h
//	RingingNumber fake://?no_answer=1&ring=1s
type Harness struct {
	BaseURL string       // without a slash at its end
	Client  *http.Client // nil: http.DefaultClient. It must not follow redirects silently: there are none.

	Key              string // of the first organisation
	ConcurrencyLimit int    // its limit, an odd number from 5 on
	Agent            string // id of one of its agents
	SecondAgent      string // and of one that nobody else uses while the suite runs
	Number           string // ids of its numbers: calls are answered, and over at once
	BusyNumber       string // callees are busy
	RefusedNumber    string // the carrier places no call
	TalkingNumber    string // calls are answered, and last for longer than the suite
	RingingNumber    string // callees do not answer
	SIPNumber        string // a request may name the region
	InboundNumber    string // it cannot place calls

	OtherKey    string // of another organisation, whose limit is 1
	OtherAgent  string
	OtherNumber string

	ExhaustedKey    string // of one that has reached its usage limit
	ExhaustedAgent  string
	ExhaustedNumber string

	// MaxBody is the largest body that the server takes, at least 2 MB. 0: 32 MB.
	MaxBody int
}

const (
	defaultMaxBody = 32 << 20
	maxMetadata    = 1 << 20
	maxRecipients  = 5000
)

// Test runs the suite. It leaves batches behind, but no call in flight.
func Test(t *testing.T, h Harness) {
	t.Helper()
	if h.Client == nil {
		h.Client = http.DefaultClient
	}
	if h.MaxBody == 0 {
		h.MaxBody = defaultMaxBody
	}
	for _, topic := range topics() {
		t.Run(topic.name, func(t *testing.T) {
			t.Parallel()
			for _, s := range topic.stories(h) {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					s.run(t, h)
				})
			}
		})
	}
}

type topic struct {
	name    string
	stories func(Harness) []story
}

func topics() []topic {
	return []topic{
		{"Authentication", authStories},
		{"Version", versionStories},
		{"Fields", fieldStories},
		{"Recipients", recipientStories},
		{"Schedule", scheduleStories},
		{"JSON", jsonStories},
		{"Media", mediaStories},
		{"CSV", csvStories},
		{"Results", resultStories},
		{"Idempotency", idempotencyStories},
		{"BatchList", batchListStories},
		{"RecipientList", recipientListStories},
		{"Parameters", parameterStories},
		{"Tenants", tenantStories},
		{"Methods", methodStories},
		{"Changes", changeStories},
		{"Target", targetStories},
		{"Retry", retryStories},
		{"Calls", callStories},
		{"CancelCall", cancelCallStories},
		{"Events", eventStories},
		{"Document", documentStories},
	}
}

// variables are what <names> in a story stand for, to begin with.
func (h Harness) variables(now time.Time) map[string]string {
	now = now.UTC().Truncate(time.Second)
	at := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	const day = 24 * time.Hour
	return map[string]string{
		"agent": h.Agent, "second_agent": h.SecondAgent, "number": h.Number, "busy": h.BusyNumber,
		"refused": h.RefusedNumber, "talking": h.TalkingNumber, "ringing": h.RingingNumber, "sip": h.SIPNumber,
		"inbound": h.InboundNumber, "other_agent": h.OtherAgent, "other_number": h.OtherNumber,
		"exhausted_agent": h.ExhaustedAgent, "exhausted_number": h.ExhaustedNumber,
		"key": h.Key, "other_key": h.OtherKey,
		"limit": strconv.Itoa(h.ConcurrencyLimit), "half": strconv.Itoa(h.ConcurrencyLimit / 2),
		"over": strconv.Itoa(h.ConcurrencyLimit + 1),
		"soon": at(time.Hour), "past": at(-time.Minute), "latest": at(30*day - time.Minute),
		"too_late": at(30*day + time.Minute), "tomorrow": now.Add(day).Format(time.DateOnly),
		"soon_east":   now.Add(time.Hour).In(time.FixedZone("", 2*3600)).Format(time.RFC3339),
		"soon_minute": now.Add(time.Hour).Truncate(time.Minute).Format("2006-01-02T15:04:"),
		"unique":      strconv.FormatInt(time.Now().UnixNano(), 36),
	}
}
