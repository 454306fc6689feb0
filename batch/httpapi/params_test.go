package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
)

func queried(query string) *http.Request { return &http.Request{URL: &url.URL{RawQuery: query}} }

// everyParam is everything that a query can be everyParam for.
type everyParam struct {
	agent      string
	from       time.Time
	flag       bool
	statuses   []fsm.RecipientStatus
	batches    []fsm.BatchStatus
	endReasons []dialer.EndReason
	part       part
}

func askEvery(query string) (everyParam, error) {
	p := parseParams(queried(query), "agent_id", "from", "flag", "status", "batch_status", "end_reason",
		limitParam, afterParam, beforeParam)
	a := everyParam{
		agent: p.text("agent_id"), from: p.time("from"), flag: p.flag("flag"), statuses: p.recipientStatuses("status"),
		batches: p.batchStatuses("batch_status"), endReasons: p.endReasons("end_reason"), part: p.page(),
	}
	return a, p.err()
}

func TestParams(t *testing.T) {
	ten := part{limit: 10}
	for query, want := range map[string]everyParam{
		"":                                 {part: ten},
		"&&":                               {part: ten},
		"unknown=1&unknown=2&x":            {part: ten},
		"unknown=%00&statuses=queued":      {part: ten},
		"agent_id=a":                       {part: ten, agent: "a"},
		"agent_id=a+b%20%2B%3B%3d%C3%A9=":  {part: ten, agent: "a b +;=é="},
		"agent%5Fid=a":                     {part: ten, agent: "a"},
		"flag=true":                        {part: ten, flag: true},
		"flag=false":                       {part: ten},
		"from=2026-06-15T14:00:00%2B02:00": {part: ten, from: time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)},
		"from=2026-06-15T12%3A00%3A00Z":    {part: ten, from: time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)},
		"status=queued":                    {part: ten, statuses: []fsm.RecipientStatus{fsm.Queued}},
		"status=failed,queued&status=failed&status=cancelled%2Cstarted": {part: ten,
			statuses: []fsm.RecipientStatus{fsm.Failed, fsm.Queued, fsm.Cancelled, fsm.Started}},
		"batch_status=in_progress,pending":      {part: ten, batches: []fsm.BatchStatus{fsm.BatchInProgress, fsm.BatchPending}},
		"end_reason=dial_busy&end_reason=error": {part: ten, endReasons: []dialer.EndReason{dialer.DialBusy, dialer.Error}},
		"limit=1":                               {part: part{limit: 1}},
		"limit=100&starting_after=acb":          {part: part{limit: 100, after: "acb"}},
		"ending_before=acb":                     {part: part{limit: 10, before: "acb"}},
	} {
		got, err := askEvery(query)
		require.NoError(t, err, query)
		require.Equal(t, want, got, query)
	}
}

func TestParamsTellEveryMistake(t *testing.T) {
	const utf8 = ": expected UTF-8, percent-encoded, with %3B for ;"
	for query, want := range map[string][]string{
		"agent_id=":                         {"agent_id: expected a value, got nothing"},
		"agent_id":                          {"agent_id: expected a value, got nothing"},
		"agent_id=a&agent_id=a":             {"agent_id: expected once, got it 2 times"},
		"agent_id=%00":                      {"agent_id: expected no NUL characters"},
		"agent_id=a%zz":                     {"agent_id" + utf8},
		"agent_id=a%2":                      {"agent_id" + utf8},
		"agent_id=%ff":                      {"agent_id" + utf8},
		"agent_id=\xff":                     {"agent_id" + utf8},
		"agent_id=a;b":                      {"agent_id" + utf8},
		"unknown=a;b":                       {"unknown" + utf8},
		"unknown=%ff":                       {"unknown" + utf8},
		"%zz=1":                             {`query: expected names in UTF-8, percent-encoded, got "%zz"`},
		"%ff=1":                             {`query: expected names in UTF-8, percent-encoded, got "%ff"`},
		"a;b":                               {`query: expected names in UTF-8, percent-encoded, got "a;b"`},
		"agent_id=a;limit=5":                {"agent_id" + utf8},
		"Agent_ID=a":                        {"Agent_ID: unknown; did you mean agent_id?"},
		"LIMIT=1000":                        {"LIMIT: unknown; did you mean limit?"},
		"flag=1":                            {`flag: expected true or false, got "1"`},
		"flag=True":                         {`flag: expected true or false, got "True"`},
		"flag":                              {"flag: expected a value, got nothing"},
		"flag=true&flag=false":              {"flag: expected once, got it 2 times"},
		"limit=0":                           {`limit: expected 1 to 100, got "0"`},
		"limit=101":                         {`limit: expected 1 to 100, got "101"`},
		"limit=-1":                          {`limit: expected 1 to 100, got "-1"`},
		"limit=%2B5":                        {`limit: expected 1 to 100, got "+5"`},
		"limit=05":                          {`limit: expected 1 to 100, got "05"`},
		"limit=5.0":                         {`limit: expected 1 to 100, got "5.0"`},
		"limit=0x5":                         {`limit: expected 1 to 100, got "0x5"`},
		"limit=1e1":                         {`limit: expected 1 to 100, got "1e1"`},
		"limit=1_0":                         {`limit: expected 1 to 100, got "1_0"`},
		"limit=%205":                        {`limit: expected 1 to 100, got " 5"`},
		"limit=%D9%A5":                      {`limit: expected 1 to 100, got "٥"`},
		"limit=5&limit=5":                   {"limit: expected once, got it 2 times"},
		"limit=" + strings.Repeat("9", 99):  {`limit: expected 1 to 100, got "` + strings.Repeat("9", 60) + `…"`},
		"starting_after=a&ending_before=b":  {"ending_before: expected without starting_after"},
		"starting_after=&ending_before=b":   {"starting_after: expected a value, got nothing"},
		"starting_after=a&starting_after=b": {"starting_after: expected once, got it 2 times"},
		"from=2026-06-15":                   {"from: " + errTime.Error()},
		"from=2026-06-15T14:00:00+02:00":    {"from: " + errTime.Error() + "; the + of an offset is written %2B in a query"},
		"from=0001-01-01T00:00:00Z":         {"from: expected a time from the year 1970 to 9999"},
		"status=":                           {"status: expected a value, got nothing"},
		"status=Queued": {
			`status: expected queued, dispatched, started, completed, failed or cancelled, got "Queued"`},
		"status=queued,": {
			`status: expected queued, dispatched, started, completed, failed or cancelled, got ""`},
		"batch_status=queued": {
			`batch_status: expected pending, in_progress, completed, failed or cancelled, got "queued"`},
		"end_reason=voicemail": {"end_reason: expected agent_hangup, client_hangup, api_cancelled, max_duration, inactivity, " +
			`client_disconnected, dial_busy, dial_failed, dial_no_answer or error, got "voicemail"`},
		"limit=0&agent_id=&Status=queued&flag=x&from=x": {
			"agent_id: expected a value, got nothing",
			"Status: unknown; did you mean status?",
			"from: " + errTime.Error(),
			`flag: expected true or false, got "x"`,
			`limit: expected 1 to 100, got "0"`,
		},
	} {
		_, err := askEvery(query)
		got := told(t, err)
		require.ElementsMatch(t, want, got, query)
	}
}

func TestAQueryOfMistakesIsBounded(t *testing.T) {
	_, err := askEvery(strings.Repeat("agent_id=;&", 300))
	require.Len(t, told(t, err), 300)
	_, err = askEvery("status=" + strings.Repeat("x,", 20_000) + "x")
	require.Len(t, told(t, err), maxErrors+mostCounted)
}

func FuzzParams(f *testing.F) {
	for _, s := range []string{
		"agent_id=a&limit=5&status=queued,failed", "from=2026-06-15T14:00:00%2B02:00&flag=true", "a;b&%zz&&=&x=%ff",
		"starting_after=a&ending_before=b", "end_reason=error&Limit=1&batch_status=pending",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		a, err := askEvery(query)
		if err != nil {
			require.NotEmpty(t, told(t, err))
			return
		}
		values, err := url.ParseQuery(query)
		require.NoError(t, err, "a query that others cannot read was taken")
		require.Equal(t, values.Get("agent_id"), a.agent)
		require.True(t, a.part.limit >= 1 && a.part.limit <= maxLimit)
		require.True(t, a.part.after == "" || a.part.before == "")
		require.LessOrEqual(t, len(values["limit"]), 1)
	})
}
