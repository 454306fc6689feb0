package twilio_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twilio/twilio-go/client"

	"github.com/outdial/outdial/dialer/twilio"
	"github.com/outdial/outdial/dialer/twilio/twiliotest"
)

var aForm = url.Values{
	"CallSid": {"CA00000000000000000000000000000009"}, "AccountSid": {account}, "CallStatus": {"ringing"},
	"Reason": {"b"}, "ReasonCode": {"a"}, // sorted by name, not by name and value
}

func TestTwiliosOwnValidatorAcceptsWhatWeDo(t *testing.T) {
	t.Parallel()
	validator := client.NewRequestValidator(token)
	for _, address := range []string{
		"https://calls.example.com/twilio/status?call=ac_1",
		"https://calls.example.com:8443/twilio/status?call=ac%2F1+2",
		"https://calls.example.com:443/twilio/status",
		"http://127.0.0.1:8080/status?call=x",
	} {
		signature := twiliotest.Sign(token, address, aForm)
		require.True(t, validator.ValidateBody(address, []byte(aForm.Encode()), signature), address)
		require.True(t, twilio.Signed([]string{token}, address, aForm, signature), address)
		require.False(t, twilio.Signed([]string{token}, address+"x", aForm, signature), address)
	}
}

func TestSignatureCoversEveryValueOfARepeatedKey(t *testing.T) {
	t.Parallel()
	const address = "https://calls.example.com/twilio/status?call=ac_1"
	signature := twiliotest.Sign(token, address, aForm)
	forged := maps.Clone(aForm)
	forged["CallStatus"] = []string{"ringing", "completed"}
	body := "CallStatus=ringing&CallStatus=completed"
	for name, values := range aForm {
		if name != "CallStatus" {
			body += "&" + name + "=" + url.QueryEscape(values[0])
		}
	}
	validator := client.NewRequestValidator(token)
	require.True(t, validator.ValidateBody(address, []byte(body), signature), "twilio-go looks at the first value only")
	require.False(t, twilio.Signed([]string{token}, address, forged, signature))

	forged["CallStatus"] = []string{"b", "a", "b"}
	require.True(t, twilio.Signed([]string{token}, address, forged, twiliotest.Sign(token, address, forged)))
}

func TestTokensAreReplacedAndNeverEmpty(t *testing.T) {
	t.Parallel()
	const address = "https://calls.example.com/twilio/status"
	old := twiliotest.Sign("old", address, aForm)
	require.True(t, twilio.Signed([]string{"new", "old"}, address, aForm, old))
	require.False(t, twilio.Signed([]string{"new"}, address, aForm, old))
	require.False(t, twilio.Signed(nil, address, aForm, old))
	require.False(t, twilio.Signed([]string{"", "new"}, address, aForm, twiliotest.Sign("", address, aForm)))
	for _, signature := range []string{"", "!", "AAAA", old + "A", " " + old[1:]} {
		require.False(t, twilio.Signed([]string{"old"}, address, aForm, signature), signature)
	}
}

func TestSignatureIsTheSameWithAndWithoutPort(t *testing.T) {
	t.Parallel()
	for signed, sent := range map[string]string{
		"https://calls.example.com/a?b=c":     "https://calls.example.com:443/a?b=c",
		"https://calls.example.com:443/a?b=c": "https://calls.example.com/a?b=c",
		"https://calls.example.com/":          "https://calls.example.com:8443/",
		"https://[2001:db8::1]/a":             "https://[2001:db8::1]:443/a",
		"https://[2001:db8::1]:443/a":         "https://[2001:db8::1]/a",
		"wss://calls.example.com:443/stream":  "wss://calls.example.com/stream",
	} {
		require.True(t, twilio.Signed([]string{token}, sent, aForm, twiliotest.Sign(token, signed, aForm)), "%s, %s", signed, sent)
	}
	require.False(t, twilio.Signed([]string{token}, "https://a.example/", aForm, twiliotest.Sign(token, "https://b.example/", aForm)))
}

// callback posts what Twilio would, but for what change does to it.
func (r *rig) callback(t *testing.T, path, kind, body string, change func(*http.Request)) int {
	t.Helper()
	address := r.config.PublicURL + path
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", kind)
	form, _ := url.ParseQuery(body)
	if kind != formKind {
		form = nil
	}
	request.Header.Set("X-Twilio-Signature", twiliotest.Sign(token, address, form))
	if change != nil {
		change(request)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	return response.StatusCode
}

const formKind = "application/x-www-form-urlencoded"

func TestCallbacksAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	body := aForm.Encode()
	with := func(name, value string) string {
		form := maps.Clone(aForm)
		form.Set(name, value)
		return form.Encode()
	}
	hash := sha256.Sum256([]byte(`{"AccountSid":"` + account + `","CallSid":"CA00000000000000000000000000000009"}`))
	json := "/status?bodySHA256=" + hex.EncodeToString(hash[:]) + "&call=x"
	for _, test := range []struct {
		name, path, kind, body string
		change                 func(*http.Request)
		want                   int
	}{
		{name: "as it should be", path: "/status?call=x", body: body, want: 204},
		{name: "machine detection", path: "/machine?call=x", body: body, want: 204},
		{name: "another path", path: "/other?call=x", body: body, want: 404},
		{name: "no call", path: "/status", body: body, want: 400},
		{name: "another account", path: "/status?call=x", body: with("AccountSid", "AC00000000000000000000000000000002"), want: 400},
		{name: "an odd SID", path: "/status?call=x", body: with("CallSid", "CA1"), want: 400},
		{name: "too long", path: "/status?call=x", body: with("Long", strings.Repeat("x", 100_000)), want: 413},
		{name: "GET", path: "/status?call=x", change: func(r *http.Request) { r.Method = http.MethodGet }, want: 405},
		{name: "no signature", path: "/status?call=x", body: body, change: func(r *http.Request) { r.Header.Del("X-Twilio-Signature") }, want: 403},
		{name: "another kind of body", path: "/status?call=x", kind: "text/plain", body: body, want: 403},
		{name: "a field twice, signed for one", path: "/status?call=x", body: body + "&CallStatus=completed", change: func(r *http.Request) {
			r.Header.Set("X-Twilio-Signature", twiliotest.Sign(token, "http://"+r.URL.Host+"/twilio/status?call=x", aForm))
		}, want: 403},
		{name: "a call twice", path: "/status?call=x&call=y", body: body, want: 400},
		{name: "a call twice, signed for one", path: "/status?call=x", body: body, change: func(r *http.Request) { r.URL.RawQuery = "call=x&call=y" }, want: 403},
		{name: "an empty call", path: "/status?call=", body: body, want: 400},
		{name: "an escaped call", path: "/status?call=%78%2f", body: body, want: 204},
		{name: "the same call, escaped otherwise", path: "/status?call=x", body: body, change: func(r *http.Request) { r.URL.RawQuery = "call=%78" }, want: 403},
		{name: "another path, signed for this one", path: "/status?call=x", body: body, change: func(r *http.Request) { r.URL.Path = "/twilio/machine" }, want: 403},
		{name: "signed by nobody", path: "/status?call=x", body: body, change: func(r *http.Request) {
			r.Header.Set("X-Twilio-Signature", twiliotest.Sign("", "http://"+r.URL.Host+"/twilio/status?call=x", aForm))
		}, want: 403},
		{name: "no form", path: "/status?call=x", body: "%zz", want: 403},
		{name: "another host, forwarded", path: "/status?call=x", body: body, change: func(r *http.Request) {
			r.Host = "evil.example"
			r.Header.Set("X-Forwarded-Host", "evil.example")
		}, want: 204},
		{name: "another call", path: "/status?call=x", body: body, change: func(r *http.Request) { r.URL.RawQuery = "call=y" }, want: 403},
		{name: "JSON", path: json, kind: "application/json", body: `{"AccountSid":"` + account + `","CallSid":"CA00000000000000000000000000000009"}`, want: 204},
		{name: "JSON of another", path: json, kind: "application/json", body: `{"AccountSid":"` + account + `","CallSid":"CA00000000000000000000000000000008"}`, want: 403},
		{name: "no JSON", path: json, kind: "application/json", body: `{`, want: 403},
	} {
		kind := test.kind
		if kind == "" {
			kind = formKind
		}
		require.Equal(t, test.want, r.callback(t, test.path, kind, test.body, test.change), test.name)
	}
}

// TestACallbackThatComesSlowlyIsGivenUp is for hosts whose server has no time limits.
func TestACallbackThatComesSlowlyIsGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *twilio.Config) { c.Timing.Callback = time.Second / 2 })
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.public.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /twilio/status?call=x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"+
		"Content-Type: "+formKind+"\r\n\r\nCallSid=")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(3*soon)))
	answer, err := io.ReadAll(conn)
	require.NoError(t, err, "it would wait for ever")
	require.Contains(t, string(answer), "413")
}

func FuzzCallback(f *testing.F) {
	f.Add(formKind, "CallSid=CA1&CallStatus=ringing&CallDuration=3")
	f.Add("application/json", `{"CallSid":"CA1","n":1}`)
	f.Add("application/x-www-form-urlencoded; charset=UTF-8", "a=%zz&&;=")
	f.Fuzz(func(t *testing.T, kind, body string) {
		form, ok := twilio.FormOf(kind, []byte(body))
		if !ok {
			require.Empty(t, form)
			return
		}
		const address = "https://calls.example.com/status"
		signature := twiliotest.Sign(token, address, form)
		require.True(t, twilio.Signed([]string{token}, address, form, signature))
		form.Add("CallStatus", "one more")
		if strings.Contains(body, "one more") {
			return
		}
		require.False(t, twilio.Signed([]string{token}, address, form, signature))
	})
}

// TestAForgedCallbackIsReadOnce has many dialers of one address and token that linger, and one of another token.
func TestAForgedCallbackIsReadOnce(t *testing.T) {
	const base, lingering, fields = "https://calls.example.com/twilio", 100, 500
	open := func(token string, replaces *twilio.Dialer) *twilio.Dialer {
		d, err := twilio.New(twilio.Config{AccountSID: account, AuthToken: token, PublicURL: base})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		if replaces != nil {
			d.Replaces(replaces)
		}
		return d
	}
	form := url.Values{"CallSid": {"CA00000000000000000000000000000009"}, "AccountSid": {account}, "CallStatus": {"ringing"}}
	for i := range fields {
		form.Set(fmt.Sprint("Field", i), "x")
	}
	body := form.Encode()
	ask := func(d *twilio.Dialer, key string) int {
		r := httptest.NewRequest(http.MethodPost, "/twilio/status?call=ac_1", strings.NewReader(body))
		r.Header.Set("Content-Type", formKind)
		r.Header.Set("X-Twilio-Signature", twiliotest.Sign(key, base+"/status?call=ac_1", form))
		w := httptest.NewRecorder()
		d.Handler().ServeHTTP(w, r)
		return w.Code
	}
	last := open("the oldest token", nil)
	alone := testing.AllocsPerRun(10, func() { ask(last, "forged") })
	for range lingering {
		last = open(token, last)
	}
	among := testing.AllocsPerRun(10, func() { ask(last, "forged") })
	require.Less(t, among-alone, float64(20*lingering), "less than %v fields for each", fields)
	require.Equal(t, http.StatusForbidden, ask(last, "forged"))
	for _, key := range []string{token, "the oldest token"} {
		require.Equal(t, http.StatusNoContent, ask(last, key))
	}
}
