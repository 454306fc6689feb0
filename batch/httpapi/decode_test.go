package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// valid is a body in which nothing is wrong, with more in front of its recipients.
func valid(more string) string {
	return `{"name":"autumn","agent_id":"agent_1","from_number_id":"ap_1",` + more +
		`"recipients":[{"to_number":"+14155550123"}]}`
}

// told is an error of decoding as the lines that a client is told.
func told(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*batch.InvalidError](err)
	require.True(t, ok, "got %v", err)
	lines := make([]string, 0, len(e.Fields))
	for _, f := range e.Fields {
		lines = append(lines, f.Error())
	}
	return lines
}

// said is an error of decoding that ended it.
func said(t *testing.T, err error) *problem {
	t.Helper()
	p, ok := errors.AsType[*problem](err)
	require.True(t, ok, "got %v", err)
	return p
}

func create(body string) (batch.Request, error) {
	return decodeCreate(strings.NewReader(body), version202608, store.MaxMetadata)
}

func TestDecodeCreateTakesEveryField(t *testing.T) {
	r, err := create(`{
		"name": "autumn \u2713", "agent_id": "agent_1", "from_number_id": "ap_1", "region": "EU",
		"recipients": [{"to_number": "+14155550123", "metadata": {"n": 12345678901234567890}}, {"to_number": "+\u0031415"}],
		"target_concurrency_limit": 7, "weight": 3, "ringing_timeout_seconds": 30, "max_call_duration_minutes": 10,
		"scheduled_at": "2026-06-15T18:00:00.25+02:00", "paused": true
	}` + " \r\n\t")
	require.NoError(t, err)
	require.Equal(t, batch.Request{
		Name: "autumn ✓", AgentID: "agent_1", NumberID: "ap_1", Region: "EU",
		Recipients: []batch.RecipientRequest{
			{To: "+14155550123", Metadata: json.RawMessage(`{"n": 12345678901234567890}`)}, {To: "+1415"},
		},
		Target: 7, Weight: 3, RingTimeout: 30 * time.Second, MaxDuration: 10 * time.Minute,
		ScheduledAt: time.Date(2026, 6, 15, 16, 0, 0, 250e6, time.UTC), Paused: true,
	}, r)
}

func TestDecodeCreateKnowsRegionsFromTheirVersionOn(t *testing.T) {
	for body, region := range map[string]string{
		valid(`"region":"EU",`): "EU", valid(`"region":null,`): "", valid(`"Region":5,`): "",
	} {
		r, err := decodeCreate(strings.NewReader(body), version202603, store.MaxMetadata)
		require.NoError(t, err)
		require.Empty(t, r.Region)
		r, err = create(body)
		require.Equal(t, region, r.Region)
		require.Equal(t, region == "", err != nil)
	}
}

// What is behind a mistake is read all the same, so every line may have any number of them.
func TestDecodeCreateTellsEveryMistake(t *testing.T) {
	once := ": expected once, got it more than once"
	for body, want := range map[string][]string{
		valid(``):                              nil,
		valid(`"unknown":1,`):                  nil,
		valid(`"unknown":{"a":[1,{"b":2}]},`):  nil,
		valid(`"unknown":{"a":1,"a":2},`):      {`unknown: expected each name once, got "/a" more than once`},
		valid(`"toNumber":1,"":2,"na":3,`):     nil,
		valid(`"recipient":[],"metadata":{},`): nil,
		valid(`"target_concurrency_limit":2147483647,"weight":1000,"paused":false,`): nil,
		`{}`:                      nil, // what is missing, the engine tells
		`{"recipients":[]}`:       nil,
		`{"recipients":[{}]}`:     nil,
		"\t\n\r {} \n":            nil,
		`{"n\u0061me":"autumn"}`:  nil,
		`{"name":"a\u0000b"}`:     nil, // the engine tells
		`{"name":"\ud83d\ude00"}`: nil,

		// Of the wrong type.
		`{"name":null}`:                         {"name: expected a string, got null"},
		`{"name":true}`:                         {"name: expected a string, got a boolean"},
		`{"name":5}`:                            {"name: expected a string, got a number"},
		`{"name":["a"]}`:                        {"name: expected a string, got an array"},
		`{"name":{"a":{"a":1,"a":2}}}`:          {"name: expected a string, got an object"},
		`{"agent_id":null}`:                     {"agent_id: expected a string, got null"},
		`{"agent_id":1}`:                        {"agent_id: expected a string, got a number"},
		`{"from_number_id":null}`:               {"from_number_id: expected a string, got null"},
		`{"from_number_id":false}`:              {"from_number_id: expected a string, got a boolean"},
		`{"region":null}`:                       {"region: expected a string, got null"},
		`{"region":["EU"]}`:                     {"region: expected a string, got an array"},
		`{"paused":null}`:                       {"paused: expected a boolean, got null"},
		`{"paused":"true"}`:                     {"paused: expected a boolean, got a string"},
		`{"paused":1}`:                          {"paused: expected a boolean, got a number"},
		`{"recipients":null}`:                   {"recipients: expected an array, got null"},
		`{"recipients":{}}`:                     {"recipients: expected an array, got an object"},
		`{"recipients":"+14155550123"}`:         {"recipients: expected an array, got a string"},
		`{"recipients":[null]}`:                 {"recipients[0]: expected an object, got null"},
		`{"recipients":["+14155550123"]}`:       {"recipients[0]: expected an object, got a string"},
		`{"recipients":[[]]}`:                   {"recipients[0]: expected an object, got an array"},
		`{"recipients":[{},1]}`:                 {"recipients[1]: expected an object, got a number"},
		`{"recipients":[{"to_number":null}]}`:   {"recipients[0].to_number: expected a string, got null"},
		`{"recipients":[{"to_number":1415}]}`:   {"recipients[0].to_number: expected a string, got a number"},
		`{"recipients":[{"to_number":["+1"]}]}`: {"recipients[0].to_number: expected a string, got an array"},
		`{"recipients":[{"metadata":null}]}`:    nil,
		`{"recipients":[{"metadata":{}}]}`:      nil,
		`{"recipients":[{"metadata":[]}]}`:      {"recipients[0].metadata: expected an object, got an array"},
		`{"recipients":[{"metadata":""}]}`:      {"recipients[0].metadata: expected an object, got a string"},
		`{"recipients":[{"metadata":"{}"}]}`:    {"recipients[0].metadata: expected an object, got a string"},
		`{"recipients":[{"metadata":0}]}`:       {"recipients[0].metadata: expected an object, got a number"},
		`{"recipients":[{"metadata":false}]}`:   {"recipients[0].metadata: expected an object, got a boolean"},

		// Integers.
		`{"target_concurrency_limit":null}`:    {"target_concurrency_limit: expected an integer, got null"},
		`{"target_concurrency_limit":"5"}`:     {"target_concurrency_limit: expected an integer, got a string"},
		`{"target_concurrency_limit":true}`:    {"target_concurrency_limit: expected an integer, got a boolean"},
		`{"target_concurrency_limit":[5]}`:     {"target_concurrency_limit: expected an integer, got an array"},
		`{"target_concurrency_limit":{"n":5}}`: {"target_concurrency_limit: expected an integer, got an object"},
		`{"target_concurrency_limit":5.0}`:     {"target_concurrency_limit: expected an integer, got 5.0"},
		`{"target_concurrency_limit":5e0}`:     {"target_concurrency_limit: expected an integer, got 5e0"},
		`{"target_concurrency_limit":5E+2}`:    {"target_concurrency_limit: expected an integer, got 5E+2"},
		`{"target_concurrency_limit":-1.5}`:    {"target_concurrency_limit: expected an integer, got -1.5"},
		`{"target_concurrency_limit":1e400}`:   {"target_concurrency_limit: expected an integer, got 1e400"},
		`{"target_concurrency_limit":0}`:       {"target_concurrency_limit: expected 1 to 2147483647, got 0"},
		`{"target_concurrency_limit":-0}`:      {"target_concurrency_limit: expected 1 to 2147483647, got -0"},
		`{"target_concurrency_limit":-1}`:      {"target_concurrency_limit: expected 1 to 2147483647, got -1"},
		`{"target_concurrency_limit":2147483648}`: {
			"target_concurrency_limit: expected 1 to 2147483647, got 2147483648"},
		`{"target_concurrency_limit":18446744073709551617}`: { // 2^64 + 1
			"target_concurrency_limit: expected 1 to 2147483647, got 18446744073709551617"},
		`{"weight":null}`:                   {"weight: expected an integer, got null"},
		`{"weight":0}`:                      {"weight: expected 1 to 1000, got 0"},
		`{"weight":-5}`:                     {"weight: expected 1 to 1000, got -5"},
		`{"weight":1001}`:                   {"weight: expected 1 to 1000, got 1001"},
		`{"weight":1.5}`:                    {"weight: expected an integer, got 1.5"},
		`{"weight":4294967297}`:             {"weight: expected 1 to 1000, got 4294967297"}, // 2^32 + 1
		`{"ringing_timeout_seconds":null}`:  {"ringing_timeout_seconds: expected an integer, got null"},
		`{"ringing_timeout_seconds":"30s"}`: {"ringing_timeout_seconds: expected an integer, got a string"},
		`{"ringing_timeout_seconds":0}`:     {"ringing_timeout_seconds: expected 5 to 80, got 0"},
		`{"ringing_timeout_seconds":4}`:     {"ringing_timeout_seconds: expected 5 to 80, got 4"},
		`{"ringing_timeout_seconds":5}`:     nil,
		`{"ringing_timeout_seconds":80}`:    nil,
		`{"ringing_timeout_seconds":81}`:    {"ringing_timeout_seconds: expected 5 to 80, got 81"},
		`{"ringing_timeout_seconds":-30}`:   {"ringing_timeout_seconds: expected 5 to 80, got -30"},
		`{"ringing_timeout_seconds":30.0}`:  {"ringing_timeout_seconds: expected an integer, got 30.0"},
		`{"ringing_timeout_seconds":8589934622}`: { // 30 s above 2^33 s
			"ringing_timeout_seconds: expected 5 to 80, got 8589934622"},
		`{"ringing_timeout_seconds":18446744103}`: { // wraps to 29 s in nanoseconds of 64 bits
			"ringing_timeout_seconds: expected 5 to 80, got 18446744103"},
		`{"max_call_duration_minutes":null}`:  {"max_call_duration_minutes: expected an integer, got null"},
		`{"max_call_duration_minutes":0}`:     {"max_call_duration_minutes: expected 1 to 480, got 0"},
		`{"max_call_duration_minutes":1}`:     nil,
		`{"max_call_duration_minutes":480}`:   nil,
		`{"max_call_duration_minutes":481}`:   {"max_call_duration_minutes: expected 1 to 480, got 481"},
		`{"max_call_duration_minutes":1e1}`:   {"max_call_duration_minutes: expected an integer, got 1e1"},
		`{"max_call_duration_minutes":false}`: {"max_call_duration_minutes: expected an integer, got a boolean"},
		`{"max_call_duration_minutes":9223372036854775807}`: {
			"max_call_duration_minutes: expected 1 to 480, got 9223372036854775807"},
		`{"max_call_duration_minutes":-9223372036854775809}`: {
			"max_call_duration_minutes: expected 1 to 480, got -9223372036854775809"},
		`{"weight":` + strings.Repeat("9", 1000) + `}`: {"weight: expected 1 to 1000, got " + strings.Repeat("9", 20)},

		// Times; more in TestParseTime.
		`{"scheduled_at":null}`:                   {"scheduled_at: expected a string, got null"},
		`{"scheduled_at":1781539200}`:             {"scheduled_at: expected a string, got a number"},
		`{"scheduled_at":""}`:                     {"scheduled_at: " + errTime.Error()},
		`{"scheduled_at":"2026-06-15"}`:           {"scheduled_at: " + errTime.Error()},
		`{"scheduled_at":"2026-06-15T16:00:00"}`:  {"scheduled_at: " + errTime.Error()},
		`{"scheduled_at":"2026-06-15T16:00:60Z"}`: {"scheduled_at: " + errTime.Error()},
		`{"scheduled_at":"0001-01-01T00:00:00Z"}`: {"scheduled_at: expected a time from the year 1970 to 9999"},

		// Twice.
		`{"name":"a","name":"a"}`:              {"name" + once},
		`{"name":"a","name":"b","name":"c"}`:   {"name" + once},
		`{"name":"a","n\u0061me":null}`:        {"name" + once},
		`{"name":null,"name":"a"}`:             {"name: expected a string, got null", "name" + once},
		`{"paused":true,"paused":true}`:        {"paused" + once},
		`{"x":1,"x":1}`:                        {"x" + once},
		`{"x":1,"x":1,"x":1}`:                  {"x" + once},
		`{"NAME":1,"NAME":1,"NAME":1}`:         {"NAME: unknown; did you mean name?", "NAME" + once},
		`{"x":1,"y":2,"\u0078":{}}`:            {"x" + once},
		`{"recipients":[],"recipients":[{}]}`:  {"recipients" + once},
		`{"weight":1,"weight":2,"weight":0}`:   {"weight" + once},
		`{"recipients":[{"x":1},{"x":1}]}`:     nil,
		`{"recipients":[{"x":1,"x":1}]}`:       {"recipients[0].x" + once},
		`{"recipients":[{"name":1,"name":2}]}`: {"recipients[0].name" + once},
		`{"recipients":[{"to_number":"+1","to_number":"+2"}]}`: {
			"recipients[0].to_number" + once},
		`{"recipients":[{},{"metadata":null,"metadata":{}}]}`: {
			"recipients[1].metadata" + once},
		`{"recipients":[{"metadata":{"a":1,"a":1}}]}`: {
			`recipients[0].metadata: expected each name once, got "/a" more than once`},
		`{"recipients":[{"metadata":{"a":[0,{"b":1,"c":2,"b":3}]}}]}`: {
			`recipients[0].metadata: expected each name once, got "/a/1/b" more than once`},
		`{"recipients":[{"metadata":{"a":1,"\u0061":2}}]}`: {
			`recipients[0].metadata: expected each name once, got "/a" more than once`},
		`{"recipients":[{"metadata":{"":1,"":2}}]}`: {
			`recipients[0].metadata: expected each name once, got "/" more than once`},

		// In another case.
		`{"Name":"a"}`:                 {"Name: unknown; did you mean name?"},
		`{"NAME":"a","name":"b"}`:      {"NAME: unknown; did you mean name?"},
		`{"Agent_ID":"a"}`:             {"Agent_ID: unknown; did you mean agent_id?"},
		`{"Recipients":[]}`:            {"Recipients: unknown; did you mean recipients?"},
		`{"Scheduled_At":"x"}`:         {"Scheduled_At: unknown; did you mean scheduled_at?"},
		`{"Region":"EU"}`:              {"Region: unknown; did you mean region?"},
		`{"pauſed":true}`:              {"pauſed: unknown; did you mean paused?"}, // a long s folds to s
		`{"Name":1,"Name":2}`:          {"Name: unknown; did you mean name?", "Name" + once},
		`{"To_Number":"+14155550123"}`: nil, // no field of the request
		`{"recipients":[{"to_Number":"+14155550123"}]}`: {
			"recipients[0].to_Number: unknown; did you mean to_number?"},
		`{"recipients":[{},{"Metadata":{}}]}`: {
			"recipients[1].Metadata: unknown; did you mean metadata?"},

		// All at once, in the order of the contract, whatever that of the body is.
		`{"scheduled_at":5,"weight":"1","recipients":[1,{"metadata":2},{"to_number":3}],"paused":0,"agent_id":4,"NAME":"a"}`: {
			"NAME: unknown; did you mean name?",
			"agent_id: expected a string, got a number",
			"recipients[0]: expected an object, got a number",
			"recipients[1].metadata: expected an object, got a number",
			"recipients[2].to_number: expected a string, got a number",
			"weight: expected an integer, got a string",
			"scheduled_at: expected a string, got a number",
			"paused: expected a boolean, got a number",
		},
	} {
		_, err := create(body)
		require.Equal(t, want, told(t, err), body)
		if len(want) > 0 {
			_, err = decodeCreate(iotest.OneByteReader(strings.NewReader(body)), version202608, store.MaxMetadata)
			require.Equal(t, want, told(t, err), "byte by byte: %s", body)
		}
	}
}

func TestDecodeCreateRefusesWhatIsNotJSON(t *testing.T) {
	for body, message := range map[string]string{
		"":                     "The body is empty. Expected a JSON object.",
		" \n":                  "The body is empty. Expected a JSON object.",
		`{`:                    "The body is not JSON: it ends too early, at byte 1.",
		`{"name":"a"`:          `The body is not JSON: it ends too early, at byte 11.`,
		`{"name":"a`:           `The body is not JSON: it ends too early, at byte 10 within "/name".`,
		`{"recipients":[{},`:   `The body is not JSON: it ends too early, at byte 18 within "/recipients".`,
		`{"name":}`:            `The body is not JSON: invalid character '}' at start of value, at byte 8 within "/name".`,
		`{"name":'a'}`:         `The body is not JSON: invalid character '\'' at start of value, at byte 8 within "/name".`,
		`{"weight":01}`:        `The body is not JSON: invalid character '1' after object value (expecting ',' or '}'), at byte 11.`,
		`{"weight":+1}`:        `The body is not JSON: invalid character '+' at start of value, at byte 10 within "/weight".`,
		`{"weight":.5}`:        `The body is not JSON: invalid character '.' at start of value, at byte 10 within "/weight".`,
		`{"weight":NaN}`:       `The body is not JSON: invalid character 'N' at start of value, at byte 10 within "/weight".`,
		`{"weight":0x1}`:       `The body is not JSON: invalid character 'x' after object value (expecting ',' or '}'), at byte 11.`,
		`{"paused":True}`:      `The body is not JSON: invalid character 'T' at start of value, at byte 10 within "/paused".`,
		`{"name":"a",}`:        `The body is not JSON: invalid character ',' at start of value, at byte 11.`,
		`{name:"a"}`:           `The body is not JSON: invalid character 'a' in literal null (expecting 'u'), at byte 2.`,
		`{"recipients":[1,]}`:  `The body is not JSON: invalid character ',' at start of value, at byte 16 within "/recipients".`,
		`{"recipients":[{}}`:   `The body is not JSON: invalid character '}' after array element (expecting ',' or ']'), at byte 17 within "/recipients".`,
		`{"a":1 /* b */}`:      `The body is not JSON: invalid character '/' after object value (expecting ',' or '}'), at byte 7.`,
		`{"name":"a"} {}`:      "The body goes on behind its JSON, at byte 13.",
		`{"name":"a"}{`:        "The body goes on behind its JSON, at byte 12.",
		`{"name":"a"},`:        `The body is not JSON: invalid character ',' at start of value, at byte 12.`,
		`{"name":"a"}x`:        `The body is not JSON: invalid character 'x' at start of value, at byte 12.`,
		"{}\x00":               `The body is not JSON: invalid character '\x00' at start of value, at byte 2.`,
		"{} \xff":              `The body is not JSON: invalid character '\xff' at start of value, at byte 3.`,
		"\ufeff{}":             `The body is not JSON: invalid character '\ufeff' at start of value, at byte 0.`,
		`{"x":{"a":[1,}}`:      `The body is not JSON: invalid character '}' at start of value, at byte 13 within "/x/a/1".`,
		"{\"name\":\"a\tb\"}":  `The body is not JSON: invalid character '\t' in string (expecting non-control character), at byte 10 within "/name".`,
		"{\"name\":\"a\x00\"}": `The body is not JSON: invalid character '\x00' in string (expecting non-control character), at byte 10 within "/name".`,
		"{\"name\":\"\xff\"}":  `The body is not JSON: invalid UTF-8, at byte 9 within "/name".`,
		"{\"\xff\":1}":         `The body is not JSON: invalid UTF-8, at byte 2.`,
		"{\"x\":{\"\xc3\":1}}": `The body is not JSON: invalid UTF-8, at byte 7 within "/x".`,
		"{\"recipients\":[{\"metadata\":{\"a\":[\"\xed\xa0\x80\"]}}]}": `The body is not JSON: invalid UTF-8, at byte 34 within "/recipients/0/metadata/a/0".`,
		`{"name":"\ud800"}`:         "The body is not JSON: invalid surrogate pair `\\ud800\"}` in string, at byte 9 within \"/name\".",
		`{"name":"\ude00\ud83d"}`:   "The body is not JSON: invalid surrogate pair `\\ude00\\ud83d` in string, at byte 9 within \"/name\".",
		`{"x":"\ud800x"}`:           "The body is not JSON: invalid surrogate pair `\\ud800x\"}` in string, at byte 6 within \"/x\".",
		`{"name":"\x41"}`:           "The body is not JSON: invalid escape sequence `\\x` in string, at byte 9 within \"/name\".",
		`{"name":"\u00g0"}`:         "The body is not JSON: invalid escape sequence `\\u00g0` in string, at byte 9 within \"/name\".",
		`{"name":5,"weight":"x",]`:  `The body is not JSON: invalid character ',' at start of value, at byte 22.`,
		strings.Repeat("[", 20_000): "The body must be a JSON object, and is an array.",
		`{"x":` + strings.Repeat("[", 20_000): "The body is not JSON: exceeded max depth, at byte 10004 within " +
			strconv.Quote("/x"+strings.Repeat("/0", 29)+"…") + ".",
		`{5:1}`:    `The body is not JSON: object member name must be a string, at byte 1.`,
		`{null:1}`: `The body is not JSON: object member name must be a string, at byte 1.`,
		`{{}:1}`:   `The body is not JSON: object member name must be a string, at byte 1.`,
		"[]":       "The body must be a JSON object, and is an array.", `"{}"`: "The body must be a JSON object, and is a string.",
		"null": "The body must be a JSON object, and is null.", "5": "The body must be a JSON object, and is a number.",
		"true": "The body must be a JSON object, and is a boolean.",
	} {
		r, err := create(body)
		p := said(t, err)
		require.Equal(t, http.StatusBadRequest, p.status)
		require.Equal(t, message, p.message, "%.100s", body)
		require.Zero(t, r)
		if strings.HasPrefix(message, "The body must be") {
			require.Equal(t, CodeInvalidRequest, p.code)
		} else {
			require.Equal(t, CodeInvalidJSON, p.code)
		}
	}
}

func TestDecodingEndsWithTheErrorOfTheBody(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct{ err, want error }{
		{tooLarge(7), tooLarge(7)}, {brokenBody(), brokenBody()}, {&http.MaxBytesError{Limit: 7}, tooLarge(7)},
		{io.ErrUnexpectedEOF, bodyProblem(io.ErrUnexpectedEOF)}, {broken, nil},
	} {
		for cut := range len(valid("")) {
			body := io.MultiReader(strings.NewReader(valid("")[:cut]), iotest.ErrReader(c.err))
			_, err := decodeCreate(body, version202608, store.MaxMetadata)
			if c.want == nil {
				require.ErrorIs(t, err, broken)
				continue
			}
			require.Equal(t, c.want, err, "after %d bytes", cut)
		}
	}
}

func TestMetadataIsKeptByteForByte(t *testing.T) {
	for _, m := range []string{
		`{}`, `{ }`, `{"b":1,"a":2}`, `{"n":12345678901234567890,"f":1.0,"e":1E400,"z":-0}`,
		`{"a":"\u0000\u00e9\/é","\u0061b":"\ud83d\ude00"}`, "{\n\t\"a\" : [ 1 , {} ]\r\n}", `{"<":"&>"}`,
		`{"a":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`,
		`{"long":"` + strings.Repeat("x", 100_000) + `"}`,
	} {
		r, err := create(`{"recipients":[{"metadata":` + m + "},{\"metadata\": \n" + m + " }]}")
		require.NoError(t, err)
		require.Equal(t, m, string(r.Recipients[0].Metadata))
		require.Equal(t, m, string(r.Recipients[1].Metadata))
	}
}

func TestMetadataHasABound(t *testing.T) {
	const most = 64
	fits := `{"a":"` + strings.Repeat("x", most-8) + `"}`
	r, err := decodeCreate(strings.NewReader(`{"recipients":[{"metadata":`+fits+`}]}`), version202603, most)
	require.NoError(t, err)
	require.Len(t, r.Recipients[0].Metadata, most)
	r, err = decodeCreate(strings.NewReader(`{"recipients":[{"metadata": `+fits[:most-1]+` } }]}`), version202603, most)
	require.Equal(t, []string{"recipients[0].metadata: expected at most 64 bytes, got 65"}, told(t, err))
	require.Nil(t, r.Recipients[0].Metadata)
}

func TestRecipientsKeepTheirPlace(t *testing.T) {
	r, err := create(`{"recipients":[{"to_number":"+1"},null,{"to_number":5,"metadata":{}},{"to_number":"+2"}]}`)
	require.Len(t, told(t, err), 2)
	require.Equal(t, []batch.RecipientRequest{
		{To: "+1"}, {}, {Metadata: json.RawMessage(`{}`)}, {To: "+2"},
	}, r.Recipients)
}

// Pieces of the arena that are handed out must not be written to by what comes after them.
func TestManyRecipientsDoNotOverwriteEachOther(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"recipients":[`)
	for i := range store.MaxRecipients {
		fill := strings.Repeat("x", i*7%3000)
		body.WriteString(`{"to_number":"+1` + strconv.Itoa(i) + `","metadata":{"i":` + strconv.Itoa(i) + `,"x":"` + fill + `"}},`)
	}
	r, err := create(strings.TrimSuffix(body.String(), ",") + "]}")
	require.NoError(t, err)
	require.Len(t, r.Recipients, store.MaxRecipients)
	for i, x := range r.Recipients {
		var m struct{ I int }
		require.NoError(t, json.Unmarshal(x.Metadata, &m))
		require.Equal(t, i, m.I)
		require.Equal(t, "+1"+strconv.Itoa(i), x.To)
		require.Equal(t, len(x.Metadata), cap(x.Metadata), "an append would write over the next")
	}
}

func TestMoreThanAHundredMistakesAreCounted(t *testing.T) {
	_, err := create(`{"recipients":[` + strings.Repeat(`{"to_number":null,"metadata":0},`, 199) + `{}],"weight":0}`)
	lines := told(t, err)
	require.Len(t, lines, 399)
	require.Equal(t, "recipients[49].metadata: expected an object, got a number", lines[99])
	require.Equal(t, ": ", lines[100], "an empty entry, which is only counted")
}

// endless is a list of recipients as long as anybody wants to send, of which no copy is kept.
type endless struct{ left int }

func (e *endless) Read(b []byte) (int, error) {
	const item = `{"to_number":null,"TO_NUMBER":"","metadata":[{"a":"b"}]},`
	if e.left < len(item) {
		return 0, io.EOF
	}
	n := 0
	for ; len(b)-n >= len(item) && e.left >= len(item); e.left -= len(item) {
		n += copy(b[n:], item)
	}
	return n, nil
}

func TestABodyOfMistakesCostsNoMemory(t *testing.T) {
	const size = 8 << 20
	body := io.MultiReader(strings.NewReader(`{"recipients":[`), &endless{size}, strings.NewReader(`0]}`))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := decodeCreate(body, version202608, store.MaxMetadata)
	runtime.ReadMemStats(&after)
	e, ok := errors.AsType[*batch.InvalidError](err)
	require.True(t, ok)
	require.Len(t, r.Recipients, store.MaxRecipients)
	require.Len(t, e.Fields, maxErrors+mostCounted)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
}

func TestTooManyRecipientsAreCounted(t *testing.T) {
	body := `{"recipients":[` + strings.Repeat(`{"to_number":"+14155550123"},`, store.MaxRecipients+1) + `null]}`
	r, err := create(body)
	require.Equal(t, []string{"recipients: expected 1 to 5000 recipients, got 5002"}, told(t, err))
	require.Len(t, r.Recipients, store.MaxRecipients)
}

// Of millions of unknown names only some can be remembered, and those behind them could be there twice.
func TestUnknownNamesCostNoMemory(t *testing.T) {
	var body strings.Builder
	body.WriteByte('{')
	for i := range 100_000 {
		body.WriteString(`"unknown` + strconv.Itoa(i) + `":{},`)
	}
	_, err := create(body.String() + `"name":"a","unknown3":1}`)
	require.Equal(t, []string{
		"unknown1000: expected at most 1000 members that are unknown", "unknown3: expected once, got it more than once",
	}, told(t, err))
}

func TestLongNamesAreCutInPaths(t *testing.T) {
	name := strings.Repeat("é", 5000)
	_, err := create(`{"` + name + `":1,"` + name + `":2}`)
	require.Equal(t, []string{strings.Repeat("é", 30) + "…: expected once, got it more than once"}, told(t, err))
}

func TestDecodeTarget(t *testing.T) {
	for body, want := range map[string]int{
		`{"target_concurrency_limit":1}`:                    1,
		`{"target_concurrency_limit": 2147483647}`:          math.MaxInt32,
		`{"name":null,"target_concurrency_limit":5,"x":{}}`: 5, // nobody reads the others
	} {
		n, err := decodeTarget(strings.NewReader(body))
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	for body, want := range map[string]string{
		`{}`:                                 "required",
		`{"Target":5}`:                       "required",
		`{"target_concurrency_limit":null}`:  "expected an integer, got null",
		`{"target_concurrency_limit":"5"}`:   "expected an integer, got a string",
		`{"target_concurrency_limit":0}`:     "expected 1 to 2147483647, got 0",
		`{"target_concurrency_limit":-3}`:    "expected 1 to 2147483647, got -3",
		`{"target_concurrency_limit":5.0}`:   "expected an integer, got 5.0",
		`{"target_concurrency_limit":1e999}`: "expected an integer, got 1e999",
		`{"target_concurrency_limit":5,"target_concurrency_limit":5}`: "expected once, got it more than once",
	} {
		n, err := decodeTarget(strings.NewReader(body))
		require.Equal(t, []string{"target_concurrency_limit: " + want}, told(t, err), body)
		require.True(t, n == 0 || strings.Count(body, "5") == 2)
	}
	_, err := decodeTarget(strings.NewReader(`{"Target_Concurrency_Limit":5}`))
	require.Equal(t, []string{"Target_Concurrency_Limit: unknown; did you mean target_concurrency_limit?"}, told(t, err))
	_, err = decodeTarget(strings.NewReader(`{"target_concurrency_limit":5} 5`))
	require.Equal(t, CodeInvalidJSON, said(t, err).code)
	_, err = decodeTarget(strings.NewReader(`5`))
	require.Equal(t, CodeInvalidRequest, said(t, err).code)
}
