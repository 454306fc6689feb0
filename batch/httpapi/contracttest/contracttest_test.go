package contracttest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRowsAreManyAndNamedApart(t *testing.T) {
	requests, names := 0, map[string]bool{}
	for _, topic := range topics() {
		for _, s := range topic.stories(Harness{}) {
			for _, r := range s.rows {
				name := strings.Join([]string{topic.name, s.name, r.name}, "/")
				require.False(t, names[name], name)
				names[name] = true
				requests++
			}
		}
	}
	require.Greater(t, requests, 800)
}

const requestID = "0b8c1c3e-2f6a-4d9a-9c55-0f4c8f1b7a10"

func good(change ...func(*answer)) answer {
	a := answer{status: http.StatusOK, body: []byte(`{"id":"a","list":[{"n":12345678901234567890}]}`), header: http.Header{
		"X-Request-Id": {requestID}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
		"Content-Type": {"application/json"},
	}}
	for _, c := range change {
		c(&a)
	}
	return a
}

func failed(code, more string) func(*answer) {
	return func(a *answer) {
		a.status = statuses()[code]
		a.body = []byte(`{"error_code":"` + code + `","title":"t","message":"m","request_id":"` + requestID + `"` + more + `}`)
	}
}

func without(header string) func(*answer) { return func(a *answer) { a.header.Del(header) } }

func with(header, value string) func(*answer) { return func(a *answer) { a.header.Set(header, value) } }

// A promise that no answer could break would be none.
func TestBrokenPromisesAreSeen(t *testing.T) {
	for name, a := range map[string]answer{
		"Good":    good(),
		"Refused": good(failed("invalid_request", `,"errors":[{"path":"name","message":"required"}]`)),
		"NoKey":   good(failed("unauthenticated", ""), with("WWW-Authenticate", "Bearer")),
		"OwnID":   good(func(a *answer) { a.sentID = requestID }),
		"AnyID":   good(func(a *answer) { a.sentID = "mine" }),
	} {
		require.Empty(t, a.promises(http.MethodGet), name)
	}
	for name, a := range map[string]answer{
		"NoID":          good(without("X-Request-Id")),
		"NoUUID":        good(with("X-Request-Id", "1")),
		"AnotherID":     good(func(a *answer) { a.sentID = strings.Replace(requestID, "0", "1", 1) }),
		"Cached":        good(with("Cache-Control", "max-age=60")),
		"Sniffed":       good(without("X-Content-Type-Options")),
		"Talkative":     good(with("Server", "x/1.0")),
		"Broken":        good(func(a *answer) { a.body = a.body[:5] }),
		"Elsewhere":     good(func(a *answer) { a.status = http.StatusMovedPermanently }),
		"Failed":        good(failed("internal_error", "")),
		"UnknownCode":   good(failed("invalid_request", ""), func(a *answer) { a.status = http.StatusNotFound }),
		"NoErrorObject": good(func(a *answer) { a.status, a.body = http.StatusNotFound, []byte(`"gone"`) }),
		"PlainText":     good(failed("not_found", ""), with("Content-Type", "text/plain")),
		"OtherID":       good(failed("not_found", ""), with("X-Request-Id", strings.Replace(requestID, "0", "1", 1))),
		"FieldsOfA404":  good(failed("invalid_json", `,"errors":[{"path":"a","message":"b"}]`)),
		"NoPath":        good(failed("invalid_request", `,"errors":[{"message":"b"}]`)),
		"NoAllow":       good(failed("method_not_allowed", "")),
		"NoChallenge":   good(failed("unauthenticated", "")),
		"NoRetryAfter":  good(failed("rate_limited", "")),
		"Inside":        good(failed("not_found", `,"doc":"sql: no rows"`)),
	} {
		require.NotEmpty(t, a.promises(http.MethodGet), name)
	}
	require.NotEmpty(t, good().promises(http.MethodHead), "a body behind HEAD")
}

func TestDifferencesAreSeen(t *testing.T) {
	s := &teller{variables: map[string]string{"id": "a"}, bodies: map[string][]byte{"old": []byte("{}")}}
	for name, w := range map[string]want{
		"Fields":   answers(200, fields{"id": `"<id>"`, "list.0.n": "12345678901234567890", "list.1": absent, "list": present}),
		"Header":   answers(200, nil).withHeader("Cache-Control", "no-store").withHeader("Location", ""),
		"Contains": answers(200, nil).containing("<id>").lacking("<nothing>"),
	} {
		require.Empty(t, s.judge(w, good()), name)
	}
	for name, w := range map[string]want{
		"Status":       answers(201, nil),
		"Code":         refused(200, "not_found"),
		"Paths":        refused(200, "", "name"),
		"Value":        answers(200, fields{"id": `"b"`}),
		"Digits":       answers(200, fields{"list.0.n": "12345678901234567168"}),
		"Missing":      answers(200, fields{"name": present}),
		"NotMissing":   answers(200, fields{"id": absent}),
		"Header":       answers(200, nil).withHeader("Cache-Control", "private"),
		"HeaderThere":  answers(200, nil).withHeader("Cache-Control", ""),
		"Text":         answers(200, nil).containing("b"),
		"ForbiddenOne": answers(200, nil).lacking("<id>"),
		"OtherBody":    answers(200, nil).same("old"),
	} {
		require.NotEmpty(t, s.judge(w, good()), name)
	}
}

func TestEventsAreRead(t *testing.T) {
	const stream = "retry: 1000\n\n: keep-alive\n\nid: 1\nevent: batch\ndata: {}\n\nid: 2\nevent: batch\ndata: {}\n\nid: 3\n"
	text, err := readEvents(strings.NewReader(stream), 2)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(text), "id: 2\nevent: batch\ndata: {}\n\n"))
	require.Equal(t, "2", answer{body: text}.lastEventID())
	_, err = readEvents(strings.NewReader(stream), 3)
	require.Error(t, err)
}
